"""Look at the jobs that failed for good, and run them again."""

from typing import Annotated

import asyncpg
import typer
from rich.table import Table

from ishop import jobs
from ishop.cli.command import command
from ishop.console import console, say
from ishop.laptop import reached
from ishop.settings import Role, get_settings

app = typer.Typer(no_args_is_help=True, help=__doc__)


@app.command(name="list")
@command
async def list_() -> None:
    """The jobs that failed for good, and why."""
    async with reached(get_settings(), say) as local:
        connection = await asyncpg.connect(local.database_dsn(Role.worker))
        dead = await jobs.dead_jobs(connection)
        await connection.close()
    table = Table("id", "topic", "keys", "attempts", "failed at", "error")
    for job in dead:
        table.add_row(str(job.id), job.topic, ", ".join(job.keys[:3]), str(job.attempts), f"{job.failed_at}", job.error)
    console.print(table if dead else "No dead jobs.")


@app.command(name="replay")
@command
async def replay(job: Annotated[int | None, typer.Argument(help="Its id; all without one")] = None) -> None:
    """Queue dead jobs again."""
    async with reached(get_settings(), say) as local:
        connection = await asyncpg.connect(local.database_dsn(Role.worker))
        replayed = await jobs.replay(connection, job)
        await connection.close()
    say(f"{replayed} jobs are queued again.")
