"""Copy a whole market into a file, and put one back."""

from pathlib import Path
from typing import Annotated

import typer

from ishop.backup import back_up
from ishop.cli.command import command
from ishop.cli.data import rebuild_index
from ishop.console import Bars, say
from ishop.home import StartupError
from ishop.laptop import database_is_given, reached, resting
from ishop.needs import require
from ishop.restore import is_empty, restore
from ishop.settings import get_settings

app = typer.Typer()

File = Annotated[Path, typer.Argument(help="The backup", dir_okay=False)]


@app.command(name="backup")
@command
async def backup_(
    file: File, *, force: Annotated[bool, typer.Option(help="Replace the file where it exists")] = False
) -> None:
    """Write a consistent copy of the whole market to FILE, while it runs. The file holds persons: guard it."""
    settings = get_settings()
    async with reached(settings, say) as local:
        with Bars() as show:
            manifest = await back_up(local, file, show, replace=force)
    secrets = "your .env" if database_is_given(settings) else f"{local.home / 'secrets.json'}"
    say(
        f"{file}: {file.stat().st_size:,} bytes, {sum(manifest.tables.values()):,} rows of {len(manifest.tables)} "
        f"tables at revision {manifest.revision}. The keys of this market are not in it: keep {secrets} elsewhere too."
    )


@app.command(name="restore")
@command
async def restore_(
    file: File,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Replace the market that is there")] = False,
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="Keep what was there as the database NAME_before_restore")
    ] = False,
) -> None:
    """Put the market of FILE in the place of the one that is there, while it does not run; all of it or nothing."""
    settings = get_settings()
    async with resting(settings, say) as (local, superuser_dsn):
        require(local, "migrate")
        if not yes and not await is_empty(superuser_dsn, local.database_name):
            raise StartupError("There is a market here. To replace it by the one in the backup, say --yes.")
        with Bars() as show:
            manifest = await restore(local, superuser_dsn, file, show, keep_old=keep_old)
    async with reached(settings, say) as local:
        await rebuild_index(local)
    say(f"The market is as it was at {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC. Start it again.")
