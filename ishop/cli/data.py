"""Make the database, fill it, index it and examine it; read the mails of a development market."""

import asyncio
import importlib
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from types import ModuleType
from typing import Annotated, Final

import asyncpg
import typer

from ishop import revisions
from ishop.backlog import backlog
from ishop.cli.command import command
from ishop.console import Bars, console, say
from ishop.database import Database
from ishop.doctor import Finding, examine
from ishop.laptop import database_is_given, reached
from ishop.market import all_checks
from ishop.needs import require
from ishop.postgres import EmbeddedPostgres
from ishop.roles import bootstrap
from ishop.settings import Environment, Role, Settings, get_settings

STANDARD_VENDORS: Final = 453
STANDARD_PRODUCTS: Final = 1600
CONNECTIONS: Final = 2
"""That share the work of the doctor: the server compares on as many processors."""

app = typer.Typer()


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
        await revisions.upgrade(settings.database_dsn(Role.migrator), to)
    else:
        async with reached(settings, say) as local:
            await revisions.upgrade(local.database_dsn(Role.migrator), to)
    say(f"The database is at revision {revisions.head() if to == 'head' else to}.")


@app.command()
@command
async def seed(
    vendors: Annotated[int, typer.Option(min=10, max=100_000, help="How many producers")] = STANDARD_VENDORS,
    products: Annotated[
        int, typer.Option(min=119, max=10_000_000, help="How many products; at least 109 more than vendors")
    ] = STANDARD_PRODUCTS,
    number: Annotated[int, typer.Option("--seed", help="The same number builds the same market")] = 1,
    orders: Annotated[int, typer.Option(min=0, max=10_000_000, help="Orders of the year that ends now")] = 0,
) -> None:
    """Fill an empty market with the demo market; in one that is filled, add orders to it with --orders."""
    settings = get_settings()
    async with reached(settings, say) as local:
        if orders == 0 or await _demo_market().is_wanted(local.database_dsn(Role.migrator)):
            await _fill(local, vendors, products, number)
        if orders:
            with Bars() as show:
                await importlib.import_module("demo.orders").add_orders(
                    local.database_dsn(Role.migrator), orders, progress=show
                )
            say(f"{orders} orders were added.")


@app.command()
@command
async def reindex() -> None:
    """Build the search index anew beside the old one, then swap: searches never see it empty."""
    settings = get_settings()
    async with reached(settings, say) as local:
        await rebuild_index(local)


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


@app.command()
@command
async def mail(to: Annotated[str | None, typer.Option(help="Only those to this address")] = None) -> None:
    """Print the mails that a development market has sent, oldest first."""
    async with reached(get_settings(), say) as local:
        database = Database(local, Role.gateway)
        mailbox = importlib.import_module("gateway.identity.mails.repository").Mailbox(database, local.mail_from)
        mails = await mailbox.sent(None if to is None else to.lower())
        await database.close()
    for sent in mails:
        console.rule(f"{sent.created_at:%Y-%m-%d %H:%M:%S}Z", align="left")
        console.print(
            f"To: {sent.recipient}\nSubject: {sent.subject}\n\n{sent.body}",
            soft_wrap=True,
            markup=False,
            highlight=False,
        )
    if not mails:
        say("No mail was sent." if to is None else f"No mail was sent to {to}.")


async def fill_where_empty(settings: Settings) -> None:
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


async def bring_index_up(settings: Settings) -> None:
    """Build the Meilisearch index when it is new or made for other settings; other drift is left to the worker."""
    search = importlib.import_module("services.catalog.search.jobs")
    database = Database(settings, Role.catalog)
    try:
        with Bars() as show:
            await search.reconcile(settings, database, show)
    finally:
        await database.close()


async def rebuild_index(settings: Settings) -> None:
    """Build the search index anew from the database, where there is one."""
    if settings.meili_url is None:
        say("Search runs on PostgreSQL, which needs no index of its own.")
        return
    search = importlib.import_module("services.catalog.search.jobs")
    database = Database(settings, Role.catalog)
    try:
        with Bars() as show:
            await search.reindex(settings, database, show)
    finally:
        await database.close()


async def _findings(settings: Settings) -> list[Finding]:
    async with AsyncExitStack() as closing:
        connections = []
        for _ in range(CONNECTIONS):
            connections.append(await asyncpg.connect(settings.database_dsn(Role.migrator)))
            closing.push_async_callback(connections[-1].close)
        first, *others = connections
        with Bars() as show:
            findings = await examine(first, all_checks(), helpers=others, show=show)
    connection = await asyncpg.connect(settings.database_dsn(Role.worker))
    left = await backlog(connection)
    await connection.close()
    findings.append(Finding("no job is dead", left.dead, ("see `ishop jobs list`",) if left.dead else ()))
    findings.append(Finding("no job is stuck", left.stuck, ()))
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
            await revisions.prove(settings.database_dsn(Role.migrator))
    say("Models and revisions agree; downgrade and upgrade work.")
