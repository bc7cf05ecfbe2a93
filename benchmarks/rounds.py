"""The rounds: every figure right beside its floor, again and again, every second round in the opposite order.

A figure and its floor share the moment, so that what else the machine does touches both, and their ratio is taken
within the round. The opposite order takes away what grows with time (tables, caches, temperature).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Plan:
    """How long everything takes; seconds and repetitions are those of one round."""

    name: str
    rounds: int
    read_seconds: float
    order_seconds: int
    bulk_orders: int
    stock_batches: int
    sign_ins: int
    profile_seconds: int


FULL: Final = Plan("full", 7, 1.5, 3, 8, 2, 5, 10)
QUICK: Final = Plan("quick", 2, 0.5, 1, 3, 1, 2, 2)


@dataclass(frozen=True, slots=True)
class Reading:
    """One value, in the unit of its figure, and what else was seen on the way."""

    value: float
    notes: Mapping[str, float] = field(default_factory=dict)


Measure = Callable[[], Awaitable[Reading]]
Readings = Mapping[str, list[Reading]]
"""By the key of the figure or floor, one a round."""


async def run_rounds(
    measures: Mapping[str, Measure], rounds: int, taken: Callable[[int, str, Reading], None]
) -> Readings:
    """Take every measure once a round; `taken` is told the round (from 1) and the reading.

    What is taken first of all, to warm up, is thrown away.
    """
    readings: dict[str, list[Reading]] = {key: [] for key in measures}
    for measure in measures.values():
        await measure()
    for number in range(1, rounds + 1):
        for key in measures if number % 2 else reversed(list(measures)):
            reading = await measures[key]()
            readings[key].append(reading)
            taken(number, key, reading)
    return readings
