"""The command `ishop`: start the market, fill it, look after it."""

import asyncio
import functools
import importlib
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Final, ParamSpec

import alembic.util
import asyncpg
import orjson
import typer
from joserfc.jwk import OKPKey
from pydantic import SecretStr
from rich.table import Table

from ishop import jobs, logs, migrations
from ishop.console import Bars, console, errors, say, welcome
from ishop.database import Database
from ishop.doctor import Finding, examine
from ishop.home import StartupError
from ishop.laptop import database_is_given, reached, servers
from ishop.market import SERVICES, all_checks, assemble
from ishop.needs import require
from ishop.postgres import EmbeddedPostgres
from ishop.roles import bootstrap
from ishop.service import Runtime, close_service
from ishop.settings import Environment, Role, Settings, SettingsError, get_settings
from ishop.up import asked_to_stop, listen, serve, work, working_market

P = ParamSpec("P")
STANDARD_VENDORS: Final = 453
STANDARD_PRODUCTS: Final = 1600

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
jobs_app = typer.Typer(no_args_is_help=True, help="Look at the jobs that failed for good, and run them again.")
app.add_typer(jobs_app, name="jobs")


def main() -> None:
    """Run the command line."""
    app()


def command(work_to_do: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A command that is a coroutine; what cannot start is one sentence and exit code 1."""

    @functools.wraps(work_to_do)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            asyncio.run(work_to_do(*args, **kwargs))
        except (StartupError, SettingsError) as error:
            errors.print(f"[red]{error}[/red]", soft_wrap=True)
            raise typer.Exit(1) from error
        except KeyboardInterrupt:
            raise typer.Exit(130) from None

    return run


@app.command()
@command
async def up() -> None:
    """Start the whole market on this machine: PostgreSQL, the demo market, services, worker and gateway."""
    settings = get_settings()
    logs.configure(settings)
    stop = asked_to_stop()
    with listen(settings) as door:
        async with servers(settings, say, stop=stop) as local:
            require(local, "up")
            if settings.env is Environment.development:
                await _fill_where_empty(local)
            await _bring_index_up(local)
            async with working_market(local, stop) as market:
                await serve(market.gateway, door, stop, ready=lambda: welcome(local))
            say("Stopping.")
    say("Stopped. The data is kept; `ishop up` goes on with it.")


@app.command(name="serve")
@command
async def serve_(
    part: Annotated[
        str, typer.Argument(help="`market` (gateway and services, no worker) or the name of a service")
    ] = "market",
) -> None:
    """Serve one part over HTTP against the database of the settings."""
    settings = get_settings()
    logs.configure(settings)
    if part != "market" and part not in SERVICES:
        raise StartupError(f"There is no part {part!r}; choose market, {', '.join(SERVICES)}.")
    stop = asked_to_stop()
    with listen(settings) as door:
        async with reached(settings, say) as local:
            require(local, part)
            ready = functools.partial(say, f"{part} answers at http://{local.host}:{local.port}")
            if part == "market":
                market = assemble(local)
                await serve(market.gateway, door, stop, ready=ready)
                await market.close()
            else:
                service = importlib.import_module(SERVICES[part]).create_app(Runtime.of(local))
                await serve(service, door, stop, ready=ready)
                await close_service(service)


@app.command()
@command
async def worker() -> None:
    """Run the worker alone: outbox, jobs and schedules."""
    settings = get_settings()
    logs.configure(settings)
    stop = asked_to_stop()
    async with reached(settings, say) as local:
        require(local, "worker")
        say("The worker runs.")
        await work(local, stop)


@app.command()
@command
async def migrate(
    to: Annotated[str, typer.Option(help="The revision to go to")] = "head",
    check: Annotated[bool, typer.Option(help="Prove on a throwaway database that models and revisions agree")] = False,
) -> None:
    """Bring the database to the newest revision."""
    if check:
        await _check_migrations()
        return
    settings = get_settings()
    if database_is_given(settings):
        if settings.superuser_dsn is not None:
            require(settings, "migrate")
            await bootstrap(settings.superuser_dsn.get_secret_value(), settings.database_name, settings.passwords())
        await asyncio.to_thread(migrations.upgrade, settings.database_dsn(Role.migrator), to)
    else:
        async with reached(settings, say) as local:
            await asyncio.to_thread(migrations.upgrade, local.database_dsn(Role.migrator), to)
    say(f"The database is at revision {migrations.head() if to == 'head' else to}.")


@app.command()
@command
async def seed(
    vendors: Annotated[int, typer.Option(min=10, max=100_000, help="How many producers")] = STANDARD_VENDORS,
    products: Annotated[
        int, typer.Option(min=119, max=10_000_000, help="How many products; at least 109 more than vendors")
    ] = STANDARD_PRODUCTS,
    number: Annotated[int, typer.Option("--seed", help="The same number builds the same market")] = 1,
) -> None:
    """Fill an empty market with the demo market."""
    settings = get_settings()
    async with reached(settings, say) as local:
        await _fill(local, vendors, products, number)


@app.command()
@command
async def reindex() -> None:
    """Build the search index anew beside the old one, then swap: searches never see it empty."""
    settings = get_settings()
    async with reached(settings, say) as local:
        if local.meili_url is None:
            say("Search runs on PostgreSQL, which needs no index of its own.")
            return
        await _reindex(local)


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


@app.command()
@command
async def doctor() -> None:
    """Check every invariant of the data; exit 1 where one does not hold."""
    async with reached(get_settings(), say) as local:
        findings = await _findings(local)
    for finding in findings:
        mark = "[green]ok  [/green]" if not finding.offenders else f"[red]{finding.offenders:4}[/red]"
        console.print(f"{mark} {finding.name}", soft_wrap=True)
        for example in finding.examples:
            console.print(f"       {example}", soft_wrap=True, markup=False)
    if any(finding.offenders for finding in findings):
        raise typer.Exit(1)


@jobs_app.command(name="list")
@command
async def jobs_list() -> None:
    """The jobs that failed for good, and why."""
    async with reached(get_settings(), say) as local:
        connection = await asyncpg.connect(local.database_dsn(Role.worker))
        dead = await jobs.dead_jobs(connection)
        await connection.close()
    table = Table("id", "topic", "keys", "attempts", "failed at", "error")
    for job in dead:
        table.add_row(str(job.id), job.topic, ", ".join(job.keys[:3]), str(job.attempts), f"{job.failed_at}", job.error)
    console.print(table if dead else "No dead jobs.")


@jobs_app.command(name="replay")
@command
async def jobs_replay(job: Annotated[int | None, typer.Argument(help="Its id; all without one")] = None) -> None:
    """Queue dead jobs again."""
    async with reached(get_settings(), say) as local:
        connection = await asyncpg.connect(local.database_dsn(Role.worker))
        replayed = await jobs.replay(connection, job)
        await connection.close()
    say(f"{replayed} jobs are queued again.")


async def _fill_where_empty(settings: Settings) -> None:
    """Build the demo market where there is none, or where its building was interrupted; see that its accounts exist."""
    if await _demo_market().is_wanted(settings.database_dsn(Role.migrator)):
        await _fill(settings, STANDARD_VENDORS, STANDARD_PRODUCTS, 1)
    else:
        await _create_accounts(settings)


async def _fill(settings: Settings, vendors: int, products: int, number: int) -> None:
    with Bars() as show:
        summary = await _demo_market().build_market(
            settings.database_dsn(Role.migrator), vendors=vendors, products=products, seed=number, progress=show
        )
    say(
        f"{summary.vendors} vendors sell {summary.products} products in {summary.skus} skus; "
        f"the largest is {summary.largest_vendor}."
    )
    if settings.env is Environment.development:
        await _create_accounts(settings)


async def _create_accounts(settings: Settings) -> None:
    connection = await asyncpg.connect(settings.database_dsn(Role.migrator))
    try:
        await importlib.import_module("demo.accounts").create_accounts(connection)
    finally:
        await connection.close()


def _demo_market() -> ModuleType:
    return importlib.import_module("demo.market")


async def _bring_index_up(settings: Settings) -> None:
    """Build the Meilisearch index when it is new or made for other settings; other drift is left to the worker."""
    search = importlib.import_module("services.catalog.search.jobs")
    database = Database(settings, Role.catalog)
    try:
        with Bars() as show:
            await search.reconcile(settings, database, show)
    finally:
        await database.close()


async def _reindex(settings: Settings) -> None:
    search = importlib.import_module("services.catalog.search.jobs")
    database = Database(settings, Role.catalog)
    try:
        with Bars() as show:
            await search.reindex(settings, database, show)
    finally:
        await database.close()


async def _findings(settings: Settings) -> list[Finding]:
    connection = await asyncpg.connect(settings.database_dsn(Role.migrator))
    findings = await examine(connection, all_checks())
    await connection.close()
    connection = await asyncpg.connect(settings.database_dsn(Role.worker))
    backlog = await jobs.backlog(connection)
    await connection.close()
    findings.append(Finding("no job is dead", backlog.dead, ("see `ishop jobs list`",) if backlog.dead else ()))
    findings.append(Finding("no job is stuck", backlog.stuck, ()))
    if settings.meili_url is not None:
        search = importlib.import_module("services.catalog.search.jobs")
        database = Database(settings, Role.catalog)
        drift = await search.index_drift(settings, database)
        await database.close()
        findings.append(Finding("the search index equals the database", len(drift), tuple(drift[:5])))
    return findings


async def _check_migrations() -> None:
    """Up, compare with the models, down to nothing and up again, on a server that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="ishop-check-") as directory:
        parent = Path(directory)
        await asyncio.to_thread(parent.chmod, 0o755)  # The server may run as another user.
        async with EmbeddedPostgres(parent / "home", settings={"fsync": "off"}, progress=say) as server:
            settings = Settings(database_port=server.port)
            await bootstrap(server.superuser_dsn, settings.database_name, settings.passwords())
            dsn = settings.database_dsn(Role.migrator)
            await asyncio.to_thread(migrations.upgrade, dsn)
            try:
                await asyncio.to_thread(migrations.check, dsn)
            except alembic.util.AutogenerateDiffsDetected as error:
                raise StartupError(f"Models and revisions differ: {error}") from error
            await asyncio.to_thread(migrations.downgrade, dsn, "base")
            await asyncio.to_thread(migrations.upgrade, dsn)
    say("Models and revisions agree; downgrade and upgrade work.")


def _openapi_document() -> bytes:
    gateway = importlib.import_module("gateway.app")
    document = gateway.openapi_document(assemble(_settings_for_documents()).services)
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _settings_for_documents() -> Settings:
    """Settings with a key that nobody keeps: only the shape of the services is looked at, nothing is reached."""
    key = OKPKey.generate_key("Ed25519")
    return Settings(signing_key=SecretStr(orjson.dumps(key.as_dict(private=True)).decode()))
