"""What happens to orders by the clock alone."""

from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from ishop import clock
from ishop.database import Database
from ishop.jobs import Jobs, ScheduleHandler
from ishop.routing import Session
from services.orders.lifecycle import service

log = structlog.get_logger(__name__)

EVERY_MINUTE = "* * * * *"

Batch = Callable[[Session, datetime], Awaitable[int]]


def register(jobs: Jobs, database: Database) -> None:
    """Unpaid orders expire and unanswered vendor orders are rejected, both looked for every minute."""
    jobs.every("orders_expire_unpaid", EVERY_MINUTE, in_batches(database, service.expire_unpaid))
    jobs.every("orders_reject_unanswered", EVERY_MINUTE, in_batches(database, service.reject_unanswered))


def in_batches(database: Database, work: Batch) -> ScheduleHandler:
    """A handler that repeats `work`, each batch in a transaction of its own, until one finds nothing to do."""

    async def run() -> None:
        moment = clock.now()
        done = 0
        while count := await _one_batch(database, work, moment):
            done += count
        if done:
            log.info("orders ended by the clock", work=getattr(work, "__name__", "work"), orders=done)

    return run


async def _one_batch(database: Database, work: Batch, moment: datetime) -> int:
    async with database.writing() as session:
        count = await work(session, moment)
        await session.commit()
        return count
