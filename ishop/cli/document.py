"""The OpenAPI document: print it, write it, hold it against what is committed."""

import importlib
from pathlib import Path
from typing import Annotated

import orjson
import typer
from joserfc.jwk import OKPKey
from pydantic import SecretStr

from ishop.compatibility import breaking_changes, unlisted
from ishop.console import errors, say
from ishop.market import assemble
from ishop.settings import Settings

app = typer.Typer()


@app.command()
def openapi(
    write: Annotated[Path | None, typer.Option(help="Write the document to this file")] = None,
    check: Annotated[Path | None, typer.Option(help="Exit 1 when the document differs from this file")] = None,
    released: Annotated[
        Path | None, typer.Option(help="Exit 1 when it breaks what this released document promised, unlisted")
    ] = None,
    changelog: Annotated[Path, typer.Option(help="Where what breaks is listed")] = Path("CHANGELOG.md"),
) -> None:
    """Print the OpenAPI document of the gateway."""
    document = _openapi_document()
    if released is not None:
        _refuse_unlisted_breaks(document, released, changelog)
    if write is not None:
        write.write_bytes(document)
    elif check is not None:
        if check.read_bytes() != document:
            errors.print(f"[red]{check} is not what the code says; run `ishop openapi --write {check}`.[/red]")
            raise typer.Exit(1)
        say(f"{check} is what the code says.")
    elif released is None:
        typer.echo(document.decode())


def _refuse_unlisted_breaks(document: bytes, released: Path, changelog: Path) -> None:
    breaks = breaking_changes(orjson.loads(released.read_bytes()), orjson.loads(document))
    missing = unlisted(breaks, changelog.read_text())
    if missing:
        errors.print(
            f"[red]The API breaks what {released} promised. Keep the promise (deprecate instead, see docs/api.md), or "
            f'write these lines in {changelog} under "## Unreleased", "### Breaking":[/red]',
            soft_wrap=True,
        )
        for change in missing:
            errors.print(str(change), soft_wrap=True, markup=False)
        raise typer.Exit(1)
    say(f"Nothing that {released} promised is broken{', but what the changelog lists' if breaks else ''}.")


def _openapi_document() -> bytes:
    gateway = importlib.import_module("gateway.app")
    document = gateway.openapi_document(assemble(_settings_for_documents()).services)
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _settings_for_documents() -> Settings:
    """Settings with a key that nobody keeps: only the shape of the services is looked at, nothing is reached."""
    key = OKPKey.generate_key("Ed25519")
    return Settings(signing_key=SecretStr(orjson.dumps(key.as_dict(private=True)).decode()))
