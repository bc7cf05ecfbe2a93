"""A market of processes as the proofs use it."""

import signal
from typing import Final

from benchmarks.faults.parts import Parts
from benchmarks.prove.market import Market

CLOCK: Final = "worker-2"
"""A worker looks at its schedules when it starts and then every minute, so one that starts again sees all at once."""


def market_of(parts: Parts) -> Market:
    """The doors of these processes."""

    async def wake() -> None:
        if CLOCK in parts.running:
            await parts.end(CLOCK, signal.SIGTERM)
        parts.start(CLOCK)

    return Market(parts.urls, parts.database, wake)
