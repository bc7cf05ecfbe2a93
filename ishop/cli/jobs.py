"""Look at what the worker has to do, and decide about the jobs that failed for good."""

import getpass
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated

import asyncpg
import typer
from rich.table import Table

from ishop import backlog
from ishop.cli.command import command
from ishop.console import console, errors, say
from ishop.laptop import reached
from ishop.settings import Role, get_settings

app = typer.Typer(no_args_is_help=True, help=__doc__)

KEYS_SHOWN = 3


@app.command(name="list")
@command
async def list_() -> None:
    """What waits, runs and is tried again, by topic; and the jobs that failed for good, with the reason."""
    async with _connected() as connection:
        waiting = await backlog.waiting(connection)
        dead = await backlog.dead_jobs(connection)
    if not waiting:
        console.print("Nothing waits.")
        return
    table = Table("topic", "state", "count", "oldest")
    for row in waiting:
        table.add_row(row.topic, row.state, str(row.count), _age(row.oldest))
    console.print(table)
    # One block a job, not a table: an error is a sentence, and a table would break it into slivers.
    for job in dead:
        more = "" if len(job.keys) <= KEYS_SHOWN else f" and {len(job.keys) - KEYS_SHOWN} more"
        console.print(f"[bold]dead job {job.id}[/bold]: {job.topic}, {job.attempts} attempts, {job.failed_at:%F %T}")
        console.print(f"  keys {', '.join(job.keys[:KEYS_SHOWN])}{more}", soft_wrap=True, markup=False)
        console.print(f"  {job.error}", soft_wrap=True, markup=False)


@app.command()
@command
async def retry(job: Annotated[int | None, typer.Argument(help="Its id; all dead jobs without one")] = None) -> None:
    """Run dead jobs again, with as many attempts as new ones."""
    async with _connected() as connection:
        retried = await backlog.retry(connection, job)
    if job is not None and not retried:
        _refuse(job)
    say(f"{retried} {'job is' if retried == 1 else 'jobs are'} queued again.")


@app.command()
@command
async def discard(
    job: Annotated[int, typer.Argument(help="Its id")],
    yes: Annotated[bool, typer.Option("--yes", help="It is meant: what the job was to do will not be done")] = False,
) -> None:
    """Throw a dead job away for good. What it was, and who did this and when, is kept."""
    if not yes:
        errors.print("[red]What this job was to do will never be done. If that is meant, add --yes.[/red]")
        raise typer.Exit(1)
    async with _connected() as connection:
        discarded = await backlog.discard(connection, job, _operator())
    if discarded is None:
        _refuse(job)
        return
    say(f"Job {job} is discarded: {discarded.topic} for {len(discarded.keys)} keys.")


@asynccontextmanager
async def _connected() -> AsyncIterator[asyncpg.Connection]:
    async with reached(get_settings(), say) as local:
        connection = await asyncpg.connect(local.database_dsn(Role.worker))
        try:
            yield connection
        finally:
            await connection.close()


def _refuse(job: int) -> None:
    errors.print(f"[red]There is no dead job {job}; see `ishop jobs list`.[/red]")
    raise typer.Exit(1)


def _operator() -> str:
    """Who sits at the terminal, as far as the system knows."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _age(age: timedelta) -> str:
    return str(timedelta(seconds=round(age.total_seconds())))
