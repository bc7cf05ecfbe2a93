"""The drill: traffic, and meanwhile one part after the other is killed and started again."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg

from benchmarks.faults.parts import POSTGRES, PROCESSES, Parts, opened
from benchmarks.faults.traffic import Traffic
from benchmarks.faults.verdict import Fault, data_broken, errors_unexplained
from benchmarks.grounds import GroundsFailed

WORK_LEFT_SECONDS = 60.0
LEFT = """
SELECT (SELECT count(*) FROM ops.outbox) + (SELECT count(*) FROM ops.pgqueuer)
     + (SELECT count(*) FROM orders.orders WHERE status = 'awaiting_payment' AND expires_at <= now())
     + (SELECT count(*) FROM orders.vendor_orders v JOIN orders.orders o ON o.id = v.order_id
        WHERE o.status = 'confirmed' AND v.status = 'placed' AND v.accept_by <= now())
"""
KILLS = tuple((part, signal.SIGKILL) for part in (*PROCESSES, POSTGRES))


@dataclass(frozen=True, slots=True)
class Plan:
    """How many requests a second, how long between kills, and how long a killed part stays away."""

    rate: float
    calm_seconds: float
    away_seconds: float
    ends: Sequence[tuple[str, signal.Signals]] = KILLS
    """Which part is ended by which signal, one after the other."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One kill and what it cost the callers."""

    part: str
    ready_seconds: float
    """From the start of the part until it says that it can serve."""
    whole_seconds: float
    """From the kill until everything is ready and the last error has come."""
    errors: dict[str, int]


@dataclass(frozen=True, slots=True)
class Results:
    """A whole drill."""

    plan: Plan
    seconds: float
    answered: int
    turned_away: int
    slowest_seconds: float
    orders: int
    unsettled: int
    outcomes: list[Outcome]
    broken: list[str]
    """Every promise that did not hold, in words."""


async def drill(plan: Plan, home: Path, processes: Sequence[str] = PROCESSES) -> Results:
    """Open a market of these processes in `home`, run the plan and say what came of it."""
    async with opened(home, processes) as parts, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        traffic = Traffic(parts.url, http, plan.rate)
        await traffic.prepare()
        began, stop = time.monotonic(), asyncio.Event()
        running = asyncio.create_task(traffic.run(stop))
        faults = []
        await asyncio.sleep(plan.calm_seconds)
        for part, number in plan.ends:
            faults.append(await _end(parts, part, number, plan))
            await asyncio.sleep(plan.calm_seconds)
        stop.set()
        await running
        seconds = time.monotonic() - began
        broken = list(errors_unexplained(traffic, faults))
        broken += await work_left(parts.database)
        broken += await kept(parts.database, traffic)
        broken += await unsound(parts)
    return Results(
        plan=plan,
        seconds=seconds,
        answered=traffic.answered,
        turned_away=traffic.turned_away,
        slowest_seconds=traffic.slowest,
        orders=sum(write.status is not None for write in traffic.orders.values()),
        unsettled=sum(write.status is None for write in traffic.writes),
        outcomes=[_outcome(fault, traffic) for fault in faults],
        broken=broken,
    )


async def _end(parts: Parts, part: str, number: signal.Signals, plan: Plan) -> Fault:
    killed = time.monotonic()
    await parts.end(part, number)
    await asyncio.sleep(plan.away_seconds)
    started = time.monotonic()
    await parts.start_again(part)
    ready = await parts.wait_until_ready(part)
    whole = await parts.wait_until_ready(*parts.ports)
    return Fault(part, killed, started, ready, whole)


async def kept(dsn: str, traffic: Traffic) -> list[str]:
    """What the tables hold otherwise than the callers were told."""
    connection = await asyncpg.connect(dsn)
    try:
        return await data_broken(connection, traffic)
    finally:
        await connection.close()


async def unsound(parts: Parts) -> list[str]:
    """What `ishop doctor` finds."""
    try:
        await parts.doctor()
    except GroundsFailed as error:
        return [f"ishop doctor: {error}"]
    return []


async def work_left(dsn: str, seconds: float = WORK_LEFT_SECONDS) -> list[str]:
    """What the worker does not get done when nothing disturbs it any more."""
    connection = await asyncpg.connect(dsn)
    try:
        deadline = time.monotonic() + seconds
        while left := await connection.fetchval(LEFT):
            if time.monotonic() > deadline:
                return [f"the worker left {left} pieces of work"]
            await asyncio.sleep(0.1)
    finally:
        await connection.close()
    return []


def _outcome(fault: Fault, traffic: Traffic) -> Outcome:
    failures = [failure for failure in traffic.failures if fault.explains(failure)]
    last = max((failure.ended for failure in failures), default=0.0)
    return Outcome(
        fault.part,
        fault.ready - fault.started,
        max(fault.whole, last) - fault.killed,
        dict(Counter(failure.kind for failure in failures)),
    )
