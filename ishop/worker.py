"""The worker: moves the outbox into jobs, runs the jobs and the schedules, and outlives its database's restarts."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import uuid4

import asyncpg
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.core.sm import SchedulerManager
from pgqueuer.domain.models import Schedule as QueueSchedule
from pgqueuer.domain.types import Channel, QueueManagerId

from ishop.context import request_id
from ishop.database import DATABASE_LOST
from ishop.job_runner import TopicRunner, describe
from ishop.jobs import HEARTBEAT_TIMEOUT, Jobs, Schedule
from ishop.outbox import BATCH, drain, queue_queries
from ishop.telemetry.metrics import SCHEDULE_RUNS, SCHEDULE_SECONDS

logger = logging.getLogger(__name__)

DRAIN_SECONDS: Final = 0.1
IDLE_CHECK_SECONDS: Final = 0.02
FIRST_RECONNECT_SECONDS: Final = 0.2
LONGEST_RECONNECT_SECONDS: Final = 2.0
QUERY_SECONDS: Final = 60.0
GOODBYE_SECONDS: Final = 2.0

JOBS_PER_DEQUEUE: Final = 10
JOBS_AT_ONCE: Final = 20
"""A worker's running jobs; PgQueuer wants at least twice the number it takes at a time."""

POLL: Final = timedelta(seconds=1)
"""How late a job may be noticed when its notification was lost; also how long an idle worker sleeps."""

KEPT: Final = timedelta(days=7)
PURGED_AT_ONCE: Final = 50_000


async def run_worker(
    dsn: str,
    jobs: Jobs,
    *,
    stop: asyncio.Event,
    connected: asyncio.Event | None = None,
    heartbeat_timeout: timedelta = HEARTBEAT_TIMEOUT,
) -> None:
    """Work until `stop` is set, then finish the jobs that are running and return.

    `connected` is set while there is a database to work on.

    `dsn` is the plain PostgreSQL address of the worker's role. Any number of workers may run side by side. A lost
    database is waited for, and so is one that has not been migrated. Cancelling stops in a hurry: running handlers
    are cancelled and their jobs go back into the queue.
    """
    clock = asyncio.get_running_loop().time
    connected = connected or asyncio.Event()
    me = QueueManagerId(uuid4())
    pause = FIRST_RECONNECT_SECONDS
    while not stop.is_set():
        started = clock()
        try:
            async with _connected(dsn) as outbox, _connected(dsn) as queue:
                halt = asyncio.Event()
                queries = queue_queries(queue)
                connected.set()
                await _run_together(
                    halt,
                    stop.wait(),
                    _drain_forever(outbox, halt),
                    _consume(queries, jobs, halt, heartbeat_timeout, me),
                    _schedule(queries, jobs, halt),
                )
        except DATABASE_LOST as error:
            connected.clear()
            if clock() - started > LONGEST_RECONNECT_SECONDS:
                pause = FIRST_RECONNECT_SECONDS
            logger.warning("The worker cannot use its database, again in %.1f s: %s", pause, describe(error))
            await _sleep(stop, pause)
            pause = min(pause * 2, LONGEST_RECONNECT_SECONDS)


async def drain_until_idle(dsn: str, jobs: Jobs, timeout: float = 30) -> None:  # noqa: ASYNC109 - see the next line.
    """Run what is in the outbox and the queue, and what follows from it, until both are empty; for tests and seeding.

    Schedules do not run. The limit is a parameter because what is left is told when `timeout` seconds have passed:
    TimeoutError names the topics. Jobs of topics that `jobs` does not know, or that wait for a retry, are left too.
    """
    try:
        async with asyncio.timeout(timeout), _connected(dsn) as outbox, _connected(dsn) as queue:
            halt = asyncio.Event()
            await _run_together(
                halt,
                _drain_until_empty(outbox),
                _consume(queue_queries(queue), jobs, halt, HEARTBEAT_TIMEOUT, QueueManagerId(uuid4())),
            )
    except TimeoutError as error:
        async with _connected(dsn) as connection:
            left = await connection.fetch("SELECT entrypoint, count(*) FROM ops.pgqueuer GROUP BY 1 ORDER BY 1")
        jobs_left = ", ".join(f"{topic}: {count}" for topic, count in left) or "none"
        raise TimeoutError(f"The worker was not done after {timeout:.0f} s; jobs left: {jobs_left}") from error


async def _drain_forever(connection: asyncpg.Connection, halt: asyncio.Event) -> None:
    clock = asyncio.get_running_loop().time
    while not halt.is_set():
        started = clock()
        moved = await drain(connection)
        if moved < BATCH:
            # A look that took long, at a backlog that waits for its handler, is not repeated at once.
            await _sleep(halt, max(DRAIN_SECONDS, clock() - started))


async def _drain_until_empty(connection: asyncpg.Connection) -> None:
    while True:
        if await drain(connection) == 0:
            if await connection.fetchval(
                "SELECT NOT EXISTS (SELECT FROM ops.outbox)"
                " AND NOT EXISTS (SELECT FROM ops.pgqueuer WHERE status IN ('queued', 'picked'))"
            ):
                return
            await asyncio.sleep(IDLE_CHECK_SECONDS)


async def _consume(
    queries: Queries, jobs: Jobs, halt: asyncio.Event, heartbeat_timeout: timedelta, me: QueueManagerId
) -> None:
    # What this worker took before it lost its database ran to its end, but nobody could write that down. Without
    # this the jobs, and the topics whose turn they hold, would wait until their heartbeat is too old.
    await queries.driver.execute(
        "UPDATE ops.pgqueuer SET status = 'queued', queue_manager_id = NULL, updated = now() "
        "WHERE queue_manager_id = $1 AND status = 'picked'",
        me,
    )
    manager = QueueManager(queries, Channel(queries.qbe.settings.channel))
    manager.queue_manager_id = me
    manager.shutdown = halt
    for topic in jobs.topics.values():
        # A failed handler asks for a retry or is buried; what PgQueuer itself sees fail is held, never deleted.
        register = manager.entrypoint(
            topic.name, concurrency_limit=topic.concurrency, accepts_context=False, on_failure="hold"
        )
        register(TopicRunner(topic, queries.driver))
    await manager.run(
        dequeue_timeout=POLL,
        batch_size=JOBS_PER_DEQUEUE,
        max_concurrent_tasks=JOBS_AT_ONCE,
        heartbeat_timeout=heartbeat_timeout,
        log_aggregation_interval=timedelta(0),
    )


async def _schedule(queries: Queries, jobs: Jobs, halt: asyncio.Event) -> None:
    async def housekeeping() -> None:
        await _keep_house(queries)

    manager = SchedulerManager(queries)
    manager.shutdown = halt
    for schedule in (*jobs.schedules.values(), Schedule("ops.housekeeping", "* * * * *", housekeeping, QUERY_SECONDS)):
        manager.schedule(schedule.name, schedule.cron, accepts_context=False)(ScheduleRunner(schedule))
    await manager.run()


@dataclass(frozen=True, slots=True)
class ScheduleRunner:
    """Runs one schedule at its time; a failure is logged here, without the texts that PgQueuer would log."""

    schedule: Schedule

    async def __call__(self, _: QueueSchedule) -> None:
        """Run the handler once."""
        request_id.set(f"schedule-{self.schedule.name}")
        started, outcome = time.perf_counter(), "done"
        try:
            async with asyncio.timeout(self.schedule.timeout):
                await self.schedule.handler()
        except Exception as error:  # A schedule that fails has its next time.
            outcome = "failed"
            logger.error("The schedule %s failed: %s", self.schedule.name, describe(error))  # noqa: TRY400 - see above.
            logger.debug("The failure of the schedule %s", self.schedule.name, exc_info=error)
        finally:
            SCHEDULE_RUNS.labels(self.schedule.name, outcome).inc()
            SCHEDULE_SECONDS.labels(self.schedule.name).observe(time.perf_counter() - started)


async def _keep_house(queries: Queries) -> None:
    """Put back what PgQueuer held, and delete what is older than a week: its log, replayed jobs, idempotency keys."""
    driver = queries.driver
    held = await queries.list_failed_jobs(limit=1000)
    if held:
        await queries.requeue_jobs([job.id for job in held])
    await driver.execute(
        "DELETE FROM ops.pgqueuer_log WHERE id IN ("
        "SELECT id FROM ops.pgqueuer_log WHERE created < now() - $1::interval ORDER BY created LIMIT $2)",
        KEPT,
        PURGED_AT_ONCE,
    )
    await driver.execute("DELETE FROM ops.dead_jobs WHERE replayed_at < now() - $1::interval", KEPT)
    await driver.execute("SELECT ops.purge_idempotency_keys_v1()")


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(
        dsn, command_timeout=QUERY_SECONDS, server_settings={"application_name": "ishop-worker"}
    )
    try:
        yield connection
    finally:
        with suppress(*DATABASE_LOST):
            await connection.close(timeout=GOODBYE_SECONDS)


async def _run_together(halt: asyncio.Event, until: Awaitable[object], *loops: Coroutine[object, object, None]) -> None:
    """Run `loops` until `until` is done or one of them fails, then set `halt` and wait for all of them to end."""
    waiting = asyncio.ensure_future(until)
    tasks = [waiting, *(asyncio.create_task(loop) for loop in loops)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        halt.set()
        waiting.cancel()
        await asyncio.wait(tasks)
    except asyncio.CancelledError:
        # Cancelled once, PgQueuer still waits for its running jobs; cancelled again, it cancels them.
        for _ in range(2):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
        await asyncio.wait(tasks)
        raise
    for task in tasks:
        if not task.cancelled():
            task.result()


async def _sleep(halt: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await halt.wait()
