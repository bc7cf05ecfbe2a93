"""The page about the figures of `/metrics`."""

from pathlib import Path
from typing import Annotated

import typer

from ishop.console import errors, say
from ishop.telemetry.page import page

app = typer.Typer()


@app.command()
def metrics(
    write: Annotated[Path | None, typer.Option(help="Write the page to this file")] = None,
    check: Annotated[Path | None, typer.Option(help="Exit 1 when the page differs from this file")] = None,
) -> None:
    """Print the page that explains every figure."""
    text = page()
    if write is not None:
        write.write_text(text)
    elif check is not None:
        if check.read_text() != text:
            errors.print(f"[red]{check} is not what the code says; run `ishop metrics --write {check}`.[/red]")
            raise typer.Exit(1)
        say(f"{check} is what the code says.")
    else:
        typer.echo(text)
