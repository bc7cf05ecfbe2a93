"""`/metrics`: where it is, where it is not, that it parses, and that a scrape never fails and never costs much."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics import parser

from ishop.backlog import dead_jobs
from ishop.home import StartupError
from ishop.jobs import Jobs
from ishop.market import assemble
from ishop.outbox import drain
from ishop.settings import Role
from ishop.telemetry.exposition import DISTANCE, exposed
from ishop.telemetry.metrics import FIGURES, Figure
from ishop.telemetry.readings import Readings
from ishop.worker import drain_until_idle
from tests.databases import TestDatabase
from tests.e2e.processes import free_port
from tests.ishop.commands import answered, reaching, running
from tests.ishop.queues import TOPIC, Recorder, connected, working, write
from tests.ishop.telemetry.figures import Port, Scrape, shown, value
from tests.markets import TestMarket


@pytest.fixture
def jobs() -> Jobs:
    jobs = Jobs()
    jobs.on(TOPIC, Recorder(), indexes=True)
    jobs.on("mail.sent.v1", Recorder(bad={"a"}), attempts=1)
    jobs.every("test.daily", "0 0 * * *", Recorder().until_done)
    return jobs


@pytest.fixture
async def port(database: TestDatabase, jobs: Jobs) -> AsyncIterator[Port]:
    """The figures of a worker on `database`."""
    async with shown(database.settings, Readings(database.dsn(Role.worker), jobs)) as opened:
        yield opened


class TestPlace:
    async def test_the_public_door_has_no_such_page(self, shared_market: TestMarket) -> None:
        for path in ("/metrics", "/v1/metrics", "/internal/metrics", "/metrics/"):
            assert (await shared_market.anonymous.get(path)).status_code == 404

    async def test_nothing_else_is_at_the_internal_port(self, port: Port) -> None:
        assert (await port.get("/")).status_code == 404
        assert (await port.get("/v1/products")).status_code == 404

    async def test_by_default_it_is_a_thousand_above_the_process_on_this_machine_only(
        self, database: TestDatabase
    ) -> None:
        own = free_port()
        while own + DISTANCE > 65535:
            own = free_port()
        async with exposed(database.settings.model_copy(update={"port": own})):
            assert (await Port(f"http://127.0.0.1:{own + DISTANCE}").scrape()).samples
            with socket.socket() as taken, pytest.raises(OSError, match="in use"):
                taken.bind(("127.0.0.1", own + DISTANCE))

    async def test_none_is_shown_where_none_is_wanted(self, database: TestDatabase) -> None:
        own = free_port()
        async with exposed(database.settings.model_copy(update={"port": own, "metrics_port": 0})):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", own + DISTANCE)

    async def test_a_taken_port_stops_only_who_asked_for_it(self, database: TestDatabase) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            number = taken.getsockname()[1]
            with pytest.raises(StartupError, match="Set ISHOP_METRICS_PORT to a free one"):
                async with exposed(database.settings.model_copy(update={"metrics_port": number})):
                    pass
            async with exposed(database.settings.model_copy(update={"port": number - DISTANCE})):
                assert value("process_start_time_seconds") > 0


class TestFormat:
    async def test_every_figure_that_is_declared_is_there(self, market: TestMarket) -> None:
        await market.anonymous.get("/v1/products")
        readings = Readings(market.database.dsn(Role.worker), market.market.jobs)
        async with shown(market.settings, readings) as opened:
            found = await opened.scrape()
        assert found.answer.headers["content-type"].startswith("text/plain")
        kinds = {figure.name.removesuffix("_total"): figure.kind for figure in FIGURES}
        assert kinds == {name: kind for name, kind in found.kinds.items() if name.startswith("ishop_")}

    async def test_labels_are_those_that_are_declared(self, market: TestMarket) -> None:
        await market.anonymous.get("/v1/products")
        readings = Readings(market.database.dsn(Role.worker), market.market.jobs)
        async with shown(market.settings, readings) as opened:
            found = await opened.scrape()
        declared: dict[str, Figure] = {}
        for figure in FIGURES:
            suffixes = ("_bucket", "_count", "_sum") if figure.kind == "histogram" else ("",)
            declared |= {figure.name + suffix: figure for suffix in suffixes}
        checked = 0
        for name, labels in found.samples:
            if name.startswith("ishop_"):
                assert {label for label, _ in labels} - {"le"} == set(declared[name].labels), name
                checked += 1
        assert checked > 100

    async def test_openmetrics_is_spoken_to_who_asks_for_it(self, port: Port) -> None:
        answer = await port.get(headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert "ishop_jobs" in {family.name for family in parser.text_string_to_metric_families(answer.text)}  # type: ignore[no-untyped-call] # no types there


class TestReadings:
    async def test_the_backlog_by_topic_and_state(self, database: TestDatabase, jobs: Jobs) -> None:
        await write(database, "mail.sent.v1", "a")
        await drain_until_idle(database.dsn(Role.worker), jobs)
        await write(database, TOPIC, "a")
        await write(database, "nobody.knows.v1", "a")
        async with connected(database) as connection:
            assert len(await dead_jobs(connection)) == 1
            await drain(connection)
            await connection.execute("UPDATE ops.pgqueuer SET created = now() - interval '90 seconds'")
        await write(database, TOPIC, "b", "c")
        async with shown(database.settings, Readings(database.dsn(Role.worker), jobs)) as opened:
            found = await opened.scrape()
        assert found.value("ishop_backlog", topic=TOPIC, state="outbox") == 2
        assert found.value("ishop_backlog", topic=TOPIC, state="queued") == 1
        assert found.value("ishop_backlog", topic="mail.sent.v1", state="dead") == 1
        assert found.value("ishop_backlog", topic="other", state="queued") == 1
        assert found.value("ishop_backlog", topic="nobody.knows.v1", state="queued") is None
        assert found.value("ishop_backlog", topic=TOPIC, state="stuck") == 0
        assert found.value("ishop_outbox_rows") == 2
        for figure in ("ishop_index_lag_seconds", "ishop_outbox_oldest_seconds"):
            assert found.value(figure) is not None
        assert 90 <= (found.value("ishop_index_lag_seconds") or 0) < 150
        assert 0 < (found.value("ishop_outbox_oldest_seconds") or 0) < 60

    async def test_an_empty_market_has_no_lag(self, port: Port) -> None:
        found = await port.scrape()
        assert found.value("ishop_index_lag_seconds") == 0
        assert found.value("ishop_outbox_rows") == found.value("ishop_outbox_oldest_seconds") == 0

    async def test_a_schedule_that_should_have_begun_is_overdue(
        self, database: TestDatabase, jobs: Jobs, port: Port
    ) -> None:
        async with working(database, jobs), connected(database) as connection:
            while not await connection.fetchval("SELECT EXISTS (SELECT FROM ops.pgqueuer_schedules)"):
                await connection.execute("SELECT pg_sleep(0.02)")
        async with connected(database) as connection:
            await connection.execute("UPDATE ops.pgqueuer_schedules SET next_run = now() - interval '10 minutes'")
            await connection.execute(
                "INSERT INTO ops.pgqueuer_schedules (expression, entrypoint, next_run) "
                "VALUES ('* * * * *', 'of.an_older_version', now() - interval '1 year')"
            )
        found = await port.scrape()
        assert 600 <= (found.value("ishop_schedule_overdue_seconds", schedule="test.daily") or 0) < 700
        assert found.value("ishop_schedule_overdue_seconds", schedule="of.an_older_version") is None

    async def test_many_scrapes_cost_one_look(self, database: TestDatabase, port: Port) -> None:
        async with connected(database, Role.migrator) as connection:
            await port.scrape()
            await write(database, TOPIC, "a")
            scrapes = await asyncio.gather(*(port.scrape() for _ in range(20)))
            assert {scrape.value("ishop_outbox_rows") for scrape in scrapes} == {0}
            lookers = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ishop-metrics'"
            assert await connection.fetchval(f"{lookers} AND datname = current_database()") == 1

    async def test_a_database_that_is_away_leaves_figures_out_and_is_counted(self, database: TestDatabase) -> None:
        nowhere = Readings("postgresql://nobody:secret@127.0.0.1:1/nothing", assemble(database.settings).jobs)
        before = value("ishop_scrape_errors_total", reading="backlog")
        async with shown(database.settings, nowhere) as opened:
            found: Scrape = await opened.scrape()
        assert found.value("ishop_scrape_errors_total", reading="backlog") == before + 1
        assert found.value("ishop_outbox_rows") is None
        assert (found.value("process_start_time_seconds") or 0) > 0


class TestProcesses:
    @pytest.mark.parametrize(
        ("part", "shown"),
        [
            ("market", ("ishop_requests_in_flight", {"service": "orders"})),
            ("worker", ("ishop_outbox_rows", {})),
            ("catalog", ("ishop_database_pool_size", {"service": "catalog", "pool": "sessions"})),
        ],
    )
    async def test_each_shows_its_own(
        self, database: TestDatabase, tmp_path: Path, part: str, shown: tuple[str, dict[str, str]]
    ) -> None:
        own, figures = free_port(), free_port()
        environment = {**reaching(database), "ISHOP_PORT": str(own), "ISHOP_METRICS_PORT": str(figures)}
        async with running("serve", part, cwd=tmp_path, environment=environment):
            await answered(f"http://127.0.0.1:{own}/healthz")
            found = Scrape(await answered(f"http://127.0.0.1:{figures}/metrics"))
            assert (await answered(f"http://127.0.0.1:{own}/metrics")).status_code == 404
        name, labels = shown
        assert found.value(name, **labels) is not None
        assert (found.value("process_resident_memory_bytes") or 0) > 0
