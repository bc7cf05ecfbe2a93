"""The OpenAPI document: print it, write it, hold it against what is committed."""

import importlib
from pathlib import Path
from typing import Annotated

import orjson
import typer
from joserfc.jwk import OKPKey
from pydantic import SecretStr

from ishop.console import errors, say
from ishop.market import assemble
from ishop.settings import Settings

app = typer.Typer()


@app.command()
def openapi(
    write: Annotated[Path | None, typer.Option(help="Write the document to this file")] = None,
    check: Annotated[Path | None, typer.Option(help="Exit 1 when the document differs from this file")] = None,
) -> None:
    """Print the OpenAPI document of the gateway."""
    document = _openapi_document()
    if write is not None:
        write.write_bytes(document)
    elif check is not None:
        if check.read_bytes() != document:
            errors.print(f"[red]{check} is not what the code says; run `ishop openapi --write {check}`.[/red]")
            raise typer.Exit(1)
        say(f"{check} is what the code says.")
    else:
        typer.echo(document.decode())


def _openapi_document() -> bytes:
    gateway = importlib.import_module("gateway.app")
    document = gateway.openapi_document(assemble(_settings_for_documents()).services)
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _settings_for_documents() -> Settings:
    """Settings with a key that nobody keeps: only the shape of the services is looked at, nothing is reached."""
    key = OKPKey.generate_key("Ed25519")
    return Settings(signing_key=SecretStr(orjson.dumps(key.as_dict(private=True)).decode()))
