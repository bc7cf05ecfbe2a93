"""The keys that sign access tokens: see them, and replace the one in use without signing anybody out."""

import importlib
from typing import Annotated

import asyncpg
import typer
from rich.table import Table

from ishop.auth import own_key
from ishop.cli.command import command
from ishop.console import console, say
from ishop.laptop import reached
from ishop.settings import Role, get_settings

app = typer.Typer(no_args_is_help=True, help=__doc__)


@app.command(name="list")
@command
async def list_() -> None:
    """All keys: from when each signs, and until when its tokens are believed."""
    repository = importlib.import_module("gateway.signing_keys.repository")
    async with reached(get_settings(), say) as local:
        connection = await asyncpg.connect(local.database_dsn(Role.gateway))
        keys = await repository.list_all(connection)
        await connection.close()
        own = own_key(local).kid
    table = Table("key", "signs from", "believed until")
    if own not in {key["kid"] for key in keys}:
        table.add_row(f"{own} (ISHOP_SIGNING_KEY)", "the beginning", "no end")
    for key in keys:
        ends = key["valid_until"]
        table.add_row(key["kid"], f"{key['signs_from']:%F %T}", f"{ends:%F %T}" if ends else "no end")
    console.print(table)


@app.command()
@command
async def rotate(
    retire_now: Annotated[
        bool, typer.Option("--retire-now", help="A key is in wrong hands: refuse all tokens made before, within 15 s")
    ] = False,
) -> None:
    """Make a new key, which signs in half a minute; tokens made before stay good until they expire."""
    rotation = importlib.import_module("gateway.signing_keys.rotation")
    async with reached(get_settings(), say) as local:
        connection = await asyncpg.connect(local.database_dsn(Role.gateway))
        try:
            kid = await rotation.rotate(connection, local, retire_now=retire_now)
        finally:
            await connection.close()
    if retire_now:
        say(f"The key {kid} signs now; every other key is refused everywhere within 15 seconds.")
    else:
        say(f"The key {kid} is published and signs in half a minute; nobody is signed out.")
