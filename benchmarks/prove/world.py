"""A market of processes as the proofs use it."""

import asyncio
import signal
import time
from typing import Final

import asyncpg

from benchmarks.faults.parts import Parts
from benchmarks.prove.market import Market

WORK_LEFT_SECONDS: Final = 60.0
CLOCK: Final = "worker-2"
"""A worker looks at its schedules when it starts and then every minute, so one that starts again sees all at once."""


def market_of(parts: Parts) -> Market:
    """The doors of these processes."""

    async def wake() -> None:
        if CLOCK in parts.running:
            await parts.end(CLOCK, signal.SIGTERM)
        parts.start(CLOCK)

    return Market(parts.urls, parts.database, wake)


async def worked_off(connection: asyncpg.Connection) -> list[str]:
    """Wait until the worker has nothing left to do: what it does not get done when nothing disturbs it any more."""
    deadline = time.monotonic() + WORK_LEFT_SECONDS
    while left := await connection.fetchval(LEFT):
        if time.monotonic() > deadline:
            return [f"the worker left {left} pieces of work"]
        await asyncio.sleep(0.1)
    return []


LEFT: Final = """
SELECT (SELECT count(*) FROM ops.outbox) + (SELECT count(*) FROM ops.pgqueuer)
     + (SELECT count(*) FROM orders.orders WHERE status = 'awaiting_payment' AND expires_at <= now())
     + (SELECT count(*) FROM orders.vendor_orders v JOIN orders.orders o ON o.id = v.order_id
        WHERE o.status = 'confirmed' AND v.status = 'placed' AND v.accept_by <= now())
"""
