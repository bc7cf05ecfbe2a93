"""Fixtures: one PostgreSQL a test process, templates made once, a clone for every test that writes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import asyncpg
import pytest
from pydantic import SecretStr

from demo.accounts import create_accounts
from demo.market import build_market
from ishop import logs, migrations
from ishop.home import load_secrets
from ishop.postgres import EmbeddedPostgres
from ishop.roles import bootstrap
from ishop.settings import Role, Settings
from tests.databases import Cluster, TestDatabase
from tests.ishop.homes import temporary_home
from tests.markets import TestMarket, running_market
from tests.modes import Mode

VENDORS, PRODUCTS = 40, 240
MEILISEARCH_MISSING = (
    "SEARCH NOT TESTED AGAINST MEILISEARCH: no `meilisearch` program on PATH and no MEILI_URL. "
    "See README, 'Search', for how to get one."
)
MILLION_MISSING = (
    "PLANS NOT TESTED AT A MILLION: set MILLION_HOME to where a market of a million products is, or may be made. "
    "See docs/million.md."
)
VALKEY_MISSING = (
    "RATE LIMITS NOT TESTED AGAINST VALKEY: no `valkey-server` and no `redis-server` program on PATH. "
    "On Debian: apt-get install redis-server."
)


def pytest_configure() -> None:
    """Log as the market does; structlog's own default draws a traceback for seconds."""
    logs.configure(Settings(_env_file=None))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was not tested."""
    skipped = terminalreporter.stats.get("skipped", [])
    for missing in (MEILISEARCH_MISSING, VALKEY_MISSING, MILLION_MISSING):
        if any(missing in str(report.longrepr) for report in skipped):
            terminalreporter.write_line(missing, red=True, bold=True)


@pytest.fixture(scope="session")
async def cluster() -> AsyncIterator[Cluster]:
    """A PostgreSQL for this test process. What it holds may be lost, so it does not wait for the disk."""
    with temporary_home() as home:
        # Small buffers, because every database that is made or dropped is looked for in all of them.
        fast = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB"}
        async with EmbeddedPostgres(home, settings=fast) as server:
            secrets = load_secrets(home)
            settings = Settings(
                _env_file=None,
                database_host=server.host,
                database_port=server.port,
                **secrets.settings,
                signing_key=SecretStr(secrets.signing_key),
                rate_limits=False,
                cache_mib=0,  # A test reads what it wrote, at once.
                meili_url=None,
                valkey_url=None,
            )
            yield Cluster(server.superuser_dsn, settings)


@pytest.fixture(scope="session")
async def migrated_template(cluster: Cluster) -> TestDatabase:
    """A migrated database without data; never connected to, only cloned."""
    database = cluster.named("migrated")
    await bootstrap(cluster.superuser_dsn, "migrated", cluster.settings.passwords())
    await asyncio.to_thread(migrations.upgrade, database.dsn(Role.migrator))
    return database


@pytest.fixture(scope="session")
async def market_template(cluster: Cluster, migrated_template: TestDatabase) -> AsyncIterator[TestDatabase]:
    """A small demo market with its accounts; never connected to, only cloned."""
    async with cluster.clone(migrated_template) as database:
        dsn = database.dsn(Role.migrator)
        await build_market(dsn, vendors=VENDORS, products=PRODUCTS, today=date.today(), progress=lambda *_: None)  # noqa: DTZ011 - the market's certificates are dated by the day of the test.
        connection = await asyncpg.connect(dsn)
        await create_accounts(connection)
        await connection.close()
        yield database


@pytest.fixture
async def database(cluster: Cluster, migrated_template: TestDatabase) -> AsyncIterator[TestDatabase]:
    """A migrated database without data."""
    async with cluster.clone(migrated_template) as clone:
        yield clone


@pytest.fixture
async def empty_database(database: TestDatabase) -> TestDatabase:
    """A migrated database without data, for what fills it."""
    return database


@pytest.fixture
async def market(
    request: pytest.FixtureRequest, cluster: Cluster, market_template: TestDatabase
) -> AsyncIterator[TestMarket]:
    """A market of its own for one test, in one process unless the test is parametrised with a Mode."""
    mode = getattr(request, "param", Mode.in_process)
    async with cluster.clone(market_template) as clone, running_market(clone, mode) as running:
        yield running


@pytest.fixture(scope="module")
async def shared_market(
    request: pytest.FixtureRequest, cluster: Cluster, market_template: TestDatabase
) -> AsyncIterator[TestMarket]:
    """A market that the tests of one module share: for tests that only read, or touch only what they made."""
    mode = getattr(request, "param", Mode.in_process)
    async with cluster.clone(market_template) as clone, running_market(clone, mode) as running:
        yield running
