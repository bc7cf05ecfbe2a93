"""Figures of pools, jobs, schedules and the circuit breaker: that they move as they should."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import text

from gateway.circuit_breaker import FAILURES_IN_A_ROW, CircuitBreaker
from ishop.database import Database
from ishop.jobs import Jobs
from ishop.settings import Role
from ishop.telemetry.metrics import PoolState, pool_families
from ishop.worker import drain_until_idle
from tests.databases import TestDatabase
from tests.ishop.queues import TOPIC, Recorder, working, write
from tests.ishop.telemetry.figures import value

SLOW = "SELECT pg_sleep(30)"


async def until(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - figures have no events.
            await asyncio.sleep(0.01)


class TestPools:
    async def test_a_full_pool_shows_who_waits_and_for_how_long(self, database: TestDatabase) -> None:
        full = Database(database.settings.model_copy(update={"database_pool": 2}), Role.vendors)
        labels = {"service": "vendors", "pool": "sessions"}
        waited = value("ishop_database_pool_wait_seconds_sum", **labels)
        got = value("ishop_database_pool_wait_seconds_count", **labels)

        async def ask() -> None:
            async with full.reading() as session:
                await session.execute(text("SELECT 1"))

        try:
            async with AsyncExitStack() as holding:
                # One writer and one reader: a pool keeps one connection in five, at least one, from writers.
                for opened in (full.writing(), full.reading()):
                    session = await holding.enter_async_context(opened)
                    await session.execute(text("SELECT 1"))
                waiting = [asyncio.create_task(ask()) for _ in range(3)]
                await until(lambda: full.pools()[0].waiting == 3)
                assert full.pools()[0] == PoolState("sessions", size=2, open=2, in_use=2, waiting=3)
                families = {family.name: family for family in pool_families()}
                shown = {sample.labels["pool"] for sample in families["ishop_database_pool_waiting"].samples}
                assert "sessions" in shown
                await asyncio.sleep(0.1)
            await asyncio.gather(*waiting)
            assert full.pools()[0] == PoolState("sessions", size=2, open=2, in_use=0, waiting=0)
        finally:
            await full.close()
        assert value("ishop_database_pool_wait_seconds_count", **labels) == got + 5
        assert value("ishop_database_pool_wait_seconds_sum", **labels) > waited + 0.2

    async def test_the_pool_of_plain_reads_is_one_of_its_own(self, database: TestDatabase) -> None:
        plain = Database(database.settings.model_copy(update={"database_pool": 1}), Role.vendors)
        try:
            assert plain.pools()[1] == PoolState("plain", size=1, open=0, in_use=0, waiting=0)
            await plain.fetch_row("SELECT 1")
            slow = asyncio.create_task(plain.fetch_row(SLOW))
            await until(lambda: plain.pools()[1].in_use == 1)
            behind = asyncio.create_task(plain.fetch_row("SELECT 1"))
            await until(lambda: plain.pools()[1].waiting == 1)
            assert plain.pools()[1] == PoolState("plain", size=1, open=1, in_use=1, waiting=1)
            slow.cancel()
            await behind
            assert plain.pools()[1] == PoolState("plain", size=1, open=1, in_use=0, waiting=0)
        finally:
            await plain.close()

    async def test_a_pool_made_anew_is_measured_too(self, database: TestDatabase) -> None:
        again = Database(database.settings, Role.vendors)
        try:
            await again.engine.dispose()
            before = value("ishop_database_pool_wait_seconds_count", service="vendors", pool="sessions")
            async with again.reading() as session:
                await session.execute(text("SELECT 1"))
            after = value("ishop_database_pool_wait_seconds_count", service="vendors", pool="sessions")
            assert after == before + 1
        finally:
            await again.close()


class TestJobs:
    async def test_done_retried_dead_and_every_failure(self, database: TestDatabase) -> None:
        def counted(outcome: str) -> float:
            return value("ishop_jobs_total", topic=TOPIC, outcome=outcome)

        before = {outcome: counted(outcome) for outcome in ("done", "retried", "dead")}
        failures = value("ishop_job_failures_total", topic=TOPIC)
        seconds = value("ishop_job_seconds_count", topic=TOPIC)
        recorder = Recorder(bad={"bad"})
        jobs = Jobs()
        jobs.on(TOPIC, recorder, attempts=3, first_retry=0.02)
        for key in ("good", "bad"):
            await write(database, TOPIC, key)
            await drain_until_idle(database.dsn(Role.worker), jobs)
        assert counted("done") == before["done"] + 1
        assert counted("retried") == before["retried"] + 2
        assert counted("dead") == before["dead"] + 1
        assert value("ishop_job_failures_total", topic=TOPIC) == failures + 3
        assert value("ishop_job_seconds_count", topic=TOPIC) == seconds + 4

    async def test_a_job_of_a_worker_in_a_hurry_is_interrupted(self, database: TestDatabase) -> None:
        begun = asyncio.Event()

        async def hang(_: object) -> None:
            begun.set()
            await asyncio.Event().wait()

        jobs = Jobs()
        jobs.on(TOPIC, hang)
        await write(database, TOPIC, "a")
        before = value("ishop_jobs_total", topic=TOPIC, outcome="interrupted")
        work = asyncio.create_task(drain_until_idle(database.dsn(Role.worker), jobs))
        await asyncio.wait_for(begun.wait(), 10)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert value("ishop_jobs_total", topic=TOPIC, outcome="interrupted") == before + 1


class TestSchedules:
    async def test_runs_are_counted_by_how_they_ended(self, database: TestDatabase) -> None:
        async def good() -> None: ...

        async def bad() -> None:
            raise ValueError("no")

        jobs = Jobs()
        jobs.every("test.good", "* * * * * *", good)
        jobs.every("test.bad", "* * * * * *", bad)
        async with working(database, jobs):
            await until(lambda: value("ishop_schedule_runs_total", schedule="test.good", outcome="done"))
            await until(lambda: value("ishop_schedule_runs_total", schedule="test.bad", outcome="failed"))
        assert value("ishop_schedule_runs_total", schedule="test.good", outcome="failed") == 0
        assert value("ishop_schedule_seconds_count", schedule="test.bad") > 0


class TestCircuitBreaker:
    def test_is_shown_while_it_is_open(self) -> None:
        breaker = CircuitBreaker("orders")
        assert value("ishop_circuit_open", service="orders") == 0
        for _ in range(FAILURES_IN_A_ROW):
            breaker.failed()
        assert value("ishop_circuit_open", service="orders") == 1
        breaker.answered()
        assert value("ishop_circuit_open", service="orders") == 0
