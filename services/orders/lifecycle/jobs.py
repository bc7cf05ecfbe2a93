"""What happens to orders by the clock alone."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from ishop import clock
from ishop.database import Database
from ishop.jobs import Jobs, ScheduleHandler
from ishop.routing import Session
from services.orders.lifecycle import service
from services.orders.lifecycle.errors import Unsettled

log = structlog.get_logger(__name__)

EVERY_MINUTE: Final = "* * * * *"
BATCH: Final = 200

Batch = Callable[[Session, datetime, int, Sequence[UUID]], Awaitable[int]]
"""Ends so many orders at most, leaving out these ones, and says how many they were; Unsettled when it cannot."""


def register(jobs: Jobs, database: Database) -> None:
    """Unpaid orders expire and unanswered vendor orders are rejected, both looked for every minute."""
    jobs.every("orders_expire_unpaid", EVERY_MINUTE, in_batches(database, service.expire_unpaid))
    jobs.every("orders_reject_unanswered", EVERY_MINUTE, in_batches(database, service.reject_unanswered))


def in_batches(database: Database, work: Batch) -> ScheduleHandler:
    """A handler that repeats `work`, each batch in a transaction of its own, until one finds nothing to do.

    A batch that fails is tried again order by order until the one that cannot be ended is found. It is logged and left
    out, so that the others go on; the next run tries it again, and the doctor names it.
    """
    name = getattr(work, "__name__", "work")

    async def run() -> None:
        moment = clock.now()
        done, batch = 0, BATCH
        left_out: list[UUID] = []
        while True:
            try:
                count = await _one_batch(database, work, moment, batch, left_out)
            except Unsettled as unsettled:
                if len(unsettled.order_ids) > 1:
                    batch = 1
                    continue
                log.error(  # noqa: TRY400 - a database error's text may quote the row, and with it the address.
                    "an order cannot be ended by the clock",
                    work=name,
                    order_ids=[str(order_id) for order_id in unsettled.order_ids],
                    error=type(unsettled.__cause__).__name__,
                )
                left_out += unsettled.order_ids
                batch = BATCH
                continue
            if count == 0:
                break
            done += count
        if done:
            log.info("orders ended by the clock", work=name, orders=done)

    return run


async def _one_batch(database: Database, work: Batch, moment: datetime, batch: int, left_out: Sequence[UUID]) -> int:
    async with database.writing() as session:
        count = await work(session, moment, batch, left_out)
        await session.commit()
        return count
