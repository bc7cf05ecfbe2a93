"""The worker's loops on a real PostgreSQL: stops, kills, lost databases, two workers and schedules."""

import asyncio
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from ishop.backlog import backlog
from ishop.jobs import Jobs
from ishop.outbox import drain
from ishop.settings import Role
from ishop.worker import drain_until_idle, run_worker
from tests.ishop.queues import TOPIC, Database, Recorder, connected, working, write

ROOT = Path(__file__).parents[2]


async def until(condition: Callable[[], bool], timeout: float = 10) -> None:  # noqa: ASYNC109 - a test's patience.
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110 - what is watched is a file or a list, not an event.
            await asyncio.sleep(0.02)


@asynccontextmanager
async def child(database: Database, notes: Path, *, seconds: float, heartbeat: float) -> AsyncIterator[int]:
    """A worker process, killed at the end if it still runs; yields its id."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "tests" / "ishop" / "worker_child.py"),
        database.dsn(Role.worker),
        str(notes),
        str(seconds),
        str(heartbeat),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield process.pid
    finally:
        process.kill()
        await process.wait()


class Gate:
    """A handler that waits inside each run until it is let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.done: list[str] = []
        self.open = asyncio.Event()

    def has_begun(self, times: int) -> bool:
        return self.begun == times

    async def __call__(self, keys: Sequence[str]) -> None:
        self.begun += 1
        await self.open.wait()
        self.done += keys


def jobs_with(handler: Gate | Recorder, *, concurrency: int = 1) -> Jobs:
    jobs = Jobs()
    jobs.on(TOPIC, handler, concurrency=concurrency, first_retry=0.05)
    return jobs


class TestRunning:
    async def test_a_change_made_while_its_job_runs_is_not_lost(self, database: Database) -> None:
        gate = Gate()
        async with working(database, jobs_with(gate)):
            await write(database, TOPIC, "a")
            await until(lambda: gate.begun == 1)
            await write(database, TOPIC, "a")
            await asyncio.sleep(0.5)
            assert gate.begun == 1, "two runs for one key overlapped"
            gate.open.set()
            await until(lambda: gate.done == ["a", "a"])

    async def test_jobs_of_a_wider_topic_run_side_by_side(self, database: Database) -> None:
        gate = Gate()
        async with working(database, jobs_with(gate, concurrency=3)):
            for begun, key in enumerate("abc", start=1):
                await write(database, TOPIC, key)
                await until(partial(gate.has_begun, begun))
            await write(database, TOPIC, "d")
            await asyncio.sleep(0.5)
            assert gate.begun == 3
            gate.open.set()
            await until(lambda: sorted(gate.done) == ["a", "b", "c", "d"])

    async def test_a_change_is_handled_soon(self, database: Database) -> None:
        recorder = Recorder()
        async with working(database, jobs_with(recorder)):
            await write(database, TOPIC, "warm")
            await recorder.until_done("warm")
            await asyncio.sleep(0.3)
            started = time.monotonic()
            await write(database, TOPIC, "a")
            await recorder.until_done("a")
            assert time.monotonic() - started < 2

    async def test_four_thousand_keys_are_done_in_seconds(self, database: Database) -> None:
        keys = [f"019a0000-0000-7000-8000-{number:012}" for number in range(4000)]
        recorder = Recorder()
        await write(database, TOPIC, *keys)
        started = time.monotonic()
        await drain_until_idle(database.dsn(Role.worker), jobs_with(recorder))
        seconds = time.monotonic() - started
        logging.getLogger(__name__).info("%d keys drained and run in %.2f s", len(keys), seconds)
        assert sorted(recorder.done) == keys
        assert len(recorder.calls) == 4
        assert seconds < 10


class TestStopping:
    async def test_a_stop_finishes_what_was_taken(self, database: Database) -> None:
        gate = Gate()
        async with working(database, jobs_with(gate)) as stop:
            await write(database, TOPIC, "a")
            await until(lambda: gate.begun == 1)
            stop.set()
            await asyncio.sleep(0.2)
            gate.open.set()
        assert gate.done == ["a"]
        async with connected(database) as connection:
            assert await connection.fetchval("SELECT count(*) FROM ops.pgqueuer") == 0

    async def test_a_cancelled_worker_puts_its_job_back(self, database: Database) -> None:
        gate = Gate()
        worker = asyncio.create_task(run_worker(database.dsn(Role.worker), jobs_with(gate), stop=asyncio.Event()))
        await write(database, TOPIC, "a")
        await until(lambda: gate.begun == 1)
        worker.cancel()
        async with asyncio.timeout(5):
            with pytest.raises(asyncio.CancelledError):
                await worker
        async with connected(database) as connection:
            assert (await backlog(connection)).queued == 1
        gate.open.set()
        await drain_until_idle(database.dsn(Role.worker), jobs_with(gate))
        assert gate.done == ["a"]

    async def test_killed_between_commit_and_drain_or_in_a_job_nothing_is_lost(
        self, database: Database, tmp_path: Path
    ) -> None:
        notes = tmp_path / "notes"
        notes.touch()
        keys = [f"k{number}" for number in range(50)]
        async with child(database, notes, seconds=60, heartbeat=2) as pid:
            await write(database, TOPIC, *keys)
            await until(lambda: notes.read_text().count("begin") == 50, timeout=20)
            await write(database, TOPIC, "late")
            os.kill(pid, 9)
        async with connected(database) as connection:
            assert await connection.fetchval("SELECT count(*) FROM ops.pgqueuer WHERE status = 'picked'") == 1
        async with child(database, notes, seconds=0, heartbeat=2):
            await until(lambda: notes.read_text().count("end") >= 51, timeout=20)
        done = Counter(line.split()[1] for line in notes.read_text().splitlines() if line.startswith("end"))
        assert set(done) == {*keys, "late"}


class TestDatabaseLost:
    async def test_the_worker_goes_on_when_its_connections_were_cut(self, database: Database) -> None:
        recorder = Recorder()
        async with working(database, jobs_with(recorder)):
            await write(database, TOPIC, "a")
            await recorder.until_done("a")
            for key in ("b", "c"):
                async with connected(database) as connection:
                    cut = await connection.fetchval(
                        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND application_name = 'ishop-worker'"
                    )
                assert cut == 2
                await write(database, TOPIC, key)
                await recorder.until_done(key)

    async def test_a_stop_while_there_is_no_database_returns(self, unused_tcp_port_of_nobody: int) -> None:
        stop = asyncio.Event()
        dsn = f"postgresql://ishop_worker:x@127.0.0.1:{unused_tcp_port_of_nobody}/ishop"
        worker = asyncio.create_task(run_worker(dsn, Jobs(), stop=stop))
        await asyncio.sleep(0.3)
        stop.set()
        async with asyncio.timeout(1):
            await worker


class TestTwoWorkers:
    async def test_every_key_is_done_once(self, database: Database) -> None:
        recorder = Recorder()
        jobs = jobs_with(recorder, concurrency=4)
        keys = [f"k{number:04}" for number in range(3000)]
        async with working(database, jobs), working(database, jobs):
            for start in range(0, len(keys), 100):
                await write(database, TOPIC, *keys[start : start + 100])
            await recorder.until_done(*keys)
        assert Counter(recorder.done) == Counter(keys)

    async def test_one_topic_is_run_by_one_of_them_at_a_time(self, database: Database) -> None:
        running: list[int] = []
        most = 0

        async def handle(keys: Sequence[str]) -> None:
            nonlocal most
            running.append(1)
            most = max(most, len(running))
            await asyncio.sleep(0.02)
            running.pop()
            await recorder(keys)

        recorder = Recorder()
        jobs = Jobs()
        jobs.on(TOPIC, handle)
        async with connected(database) as connection:
            for number in range(20):
                await write(database, TOPIC, f"k{number}")
                await drain(connection)
                await connection.execute("UPDATE ops.pgqueuer SET execute_after = now() + interval '1 second'")
        async with working(database, jobs), working(database, jobs):
            await recorder.until_done(*(f"k{number}" for number in range(20)))
        assert most == 1

    async def test_a_schedule_fires_once_per_time(self, database: Database) -> None:
        fired: list[float] = []

        async def tick() -> None:
            fired.append(time.time())

        def scheduled() -> Jobs:
            jobs = Jobs()
            jobs.every("test.tick", "* * * * * */2", tick)
            return jobs

        async with working(database, scheduled()), working(database, scheduled()):
            await until(lambda: len(fired) >= 4, timeout=20)
        assert len(fired) <= (fired[-1] - fired[0]) / 2 + 2


class TestSchedules:
    async def test_a_schedule_that_fails_has_its_next_time(
        self, database: Database, caplog: pytest.LogCaptureFixture
    ) -> None:
        fired = 0

        async def tick() -> None:
            nonlocal fired
            fired += 1
            raise ValueError("nobody@example.test")

        jobs = Jobs()
        jobs.every("test.tick", "* * * * * *", tick)
        async with working(database, jobs):
            await until(lambda: fired >= 2)
        assert "The schedule test.tick failed: ValueError: ***" in caplog.text
        assert "nobody@example.test" not in caplog.text

    def test_a_second_schedule_of_the_same_name_is_refused(self) -> None:
        async def nothing() -> None: ...

        jobs = Jobs()
        jobs.every("test.tick", "* * * * *", nothing)
        with pytest.raises(ValueError, match="has a handler already"):
            jobs.every("test.tick", "0 * * * *", nothing)


class TestHousekeeping:
    async def test_held_jobs_run_again_and_what_is_old_goes(self, database: Database) -> None:
        recorder = Recorder()
        old = timedelta(days=8)
        await write(database, TOPIC, "a")
        async with connected(database) as connection:
            await drain(connection)
            await connection.execute("UPDATE ops.pgqueuer SET status = 'failed'")
            assert (await backlog(connection)).stuck == 1
            await connection.execute("UPDATE ops.pgqueuer_log SET created = now() - $1::interval", old)
            await connection.execute(
                "INSERT INTO ops.dead_jobs (topic, keys, error, attempts, replayed_at) "
                "VALUES ('a.a.v1', '[]', 'x', 8, now() - $1::interval), ('b.b.v1', '[]', 'x', 8, NULL)",
                old,
            )
            # A schedule that was missed while no worker ran is made up for, so the first minute need not be waited for.
            await connection.execute(
                "INSERT INTO ops.pgqueuer_schedules (expression, entrypoint, next_run) "
                "VALUES ('* * * * *', 'ops.housekeeping', now() - interval '1 minute')"
            )
            async with working(database, jobs_with(recorder)):
                await recorder.until_done("a")
            assert await connection.fetchval("SELECT min(created) > now() - $1::interval FROM ops.pgqueuer_log", old)
            assert await connection.fetchval("SELECT array_agg(topic) FROM ops.dead_jobs") == ["b.b.v1"]


@pytest.fixture
async def unused_tcp_port_of_nobody() -> int:
    """A port that nobody listens on."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = int(server.sockets[0].getsockname()[1])
    server.close()
    await server.wait_closed()
    return port
