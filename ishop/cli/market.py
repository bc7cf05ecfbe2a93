"""Start the market, or one of its parts, and play with it."""

import functools
import importlib
from pathlib import Path
from typing import Annotated

import typer

from ishop import env_file, logs
from ishop.cli.command import command
from ishop.cli.data import bring_index_up, fill_where_empty
from ishop.console import console, errors, say, welcome
from ishop.home import StartupError
from ishop.laptop import reached, servers
from ishop.needs import require
from ishop.processes import MARKET, PARTS, serve_part
from ishop.settings import Environment, Role, get_settings
from ishop.telemetry.exposition import exposed
from ishop.telemetry.readings import Readings
from ishop.telemetry.tracing import tracing
from ishop.tls import Certificate
from ishop.up import asked_to_stop, listen, working_market
from ishop.up import serve as serve_market

app = typer.Typer()


@app.command()
@command
async def up() -> None:
    """Start the whole market on this machine: PostgreSQL, the demo market, services, worker and gateway."""
    settings = get_settings()
    logs.configure(settings)
    stop = asked_to_stop()
    with listen(settings) as door, tracing(settings, "market"):
        async with servers(settings, say, stop=stop) as local:
            require(local, "up")
            if settings.env is Environment.development:
                await fill_where_empty(local)
            await bring_index_up(local)
            async with (
                working_market(local, stop) as market,
                exposed(local, Readings(local.database_dsn(Role.worker), market.jobs)),
            ):
                ready = functools.partial(welcome, local)
                certificate = Certificate.of(local)
                await serve_market(market.gateway, door, stop, local, ready=ready, certificate=certificate)
            say("Stopping.")
    say("Stopped. The data is kept; `ishop up` goes on with it.")


@app.command()
@command
async def serve(
    part: Annotated[
        str,
        typer.Argument(help="`market` (gateway and services in one process), or one of: gateway, a service, worker"),
    ] = MARKET,
) -> None:
    """Serve one part of the market over HTTP, with the database of the settings."""
    settings = get_settings()
    logs.configure(settings, part)
    if part not in PARTS:
        raise StartupError(f"There is no part {part!r}; choose {', '.join(PARTS)}.")
    stop = asked_to_stop()
    with listen(settings) as door, tracing(settings, part):
        async with reached(settings, say) as local:
            require(local, part)
            ready = functools.partial(say, f"{part} answers at http://{local.host}:{local.port}")
            await serve_part(part, local, door, stop, ready=ready)


@app.command()
@command
async def demo() -> None:
    """Play the demo scenario against the running market and print what happens."""
    settings = get_settings()
    scenario = importlib.import_module("demo.scenario")
    try:
        await scenario.play(f"http://{settings.host}:{settings.port}", console.print)
    except scenario.ScenarioFailed as error:
        errors.print(f"[red]{error}[/red]", soft_wrap=True)
        raise typer.Exit(1) from error


@app.command()
@command
async def secrets(
    write: Annotated[Path, typer.Option(help="The file to make")] = Path(".env"),
    template: Annotated[Path, typer.Option(help="What it is made from")] = Path(".env.example"),
) -> None:
    """Make the .env of docker-compose.yml with strong secrets; never replaces one."""
    left = env_file.write(template, write)
    say(f"{write} is made, for you alone to read. It holds the keys to the market: keep a copy in a safe place.")
    if left:
        say(f"Set by hand in {write}: {', '.join(left)}.")
