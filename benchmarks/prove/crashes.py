"""Nothing accepted is lost and nothing is doubled, whatever is killed when.

Callers send orders, bulk orders, payments, cancels, stock batches and deltas, and keep a journal of what they were
told. Meanwhile every part of the market is killed with SIGKILL at random moments, PostgreSQL included. In the end the
journal is held against the tables, against what the API says of every order, and against what it answers to the same
requests sent again.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, Final

import aiohttp

from benchmarks.faults import traffic as wanted
from benchmarks.faults.drill import kept, unsound, work_left
from benchmarks.faults.parts import opened
from benchmarks.faults.traffic import Traffic, Write, placing, reading
from benchmarks.faults.verdict import DOUBLED, LOST, errors_unexplained, never_answered
from benchmarks.prove.outcome import Outcome, Say
from benchmarks.prove.plan import Plan
from benchmarks.prove.storm import Storm
from benchmarks.prove.times import percentile

NAME: Final = "crashes"
TITLE: Final = "No order, payment or stock movement is lost or doubled by a crash"
RATE: Final = 50.0
MIX: Final[Mapping[str, float]] = {
    wanted.READ: 0.3, wanted.ORDER: 0.25, wanted.BULK: 0.06, wanted.TRANSFER: 0.1, wanted.PAYMENT: 0.08,
    wanted.BATCH: 0.06, wanted.DELTA: 0.06, wanted.CANCEL: 0.09,
}  # fmt: skip
CALM_SECONDS: Final = 1.0
GIVE_UP_SECONDS: Final = 300.0
BACKLOG_SECONDS: Final = 300.0
SENT_AGAIN: Final = 100
"""So many of the accepted orders are sent once more at the end."""
AT_ONCE: Final = 16


async def prove(plan: Plan, home: Path, say: Say) -> Outcome:
    """Let a storm of `crash_cycles` kills go over a loaded market."""
    began = time.monotonic()
    async with opened(home) as parts, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        traffic = Traffic(parts.url, http, RATE, MIX, GIVE_UP_SECONDS)
        await traffic.prepare()
        storm, stop = Storm(parts, say, parts.all, CALM_SECONDS), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(traffic.run(stop))
            await storm.rage(plan.crash_cycles)
            stop.set()
        calm = time.monotonic()
        broken = [*errors_unexplained(traffic, storm.faults), *never_answered(traffic)]
        broken += await work_left(parts.database, BACKLOG_SECONDS)
        drained = time.monotonic() - calm
        broken += [*await kept(parts.database, traffic), *await api_broken(traffic), *await unsound(parts)]
        broken += untried(traffic, storm, plan.crash_cycles)
    return Outcome(NAME, TITLE, time.monotonic() - began, _figures(traffic, storm, drained, broken), broken)


def untried(traffic: Traffic, storm: Storm, cycles: int) -> Iterator[str]:
    """What never happened, so that nothing is proved about it."""
    accepted = {write.kind for write in traffic.writes if write.status is not None}
    for kind in MIX.keys() - {wanted.READ} - accepted:
        yield f"not put to the proof: no {kind} was accepted"
    if len(storm.faults) < max(cycles, 1):
        yield f"not put to the proof: {len(storm.faults)} kills instead of {cycles}"
    if cycles >= len(storm.victims):
        for part in storm.spared():
            yield f"not put to the proof: {part} was never killed"
    if not any(write.attempts > 1 for write in traffic.writes):
        yield "not put to the proof: no caller had to send anything again"


async def api_broken(traffic: Traffic) -> list[str]:
    """Accepted orders that the API shows otherwise than it answered, and requests that it answers otherwise again."""
    accepted = [write for write in traffic.orders.values() if write.status is not None]
    again = Random(len(accepted)).sample(accepted, min(len(accepted), SENT_AGAIN))  # noqa: S311 - a fair sample.
    places = asyncio.Semaphore(AT_ONCE)

    async def read(write: Write) -> list[str]:
        async with places:
            return list(_differs(write, "is shown", await traffic.attempt(reading(write))))

    async def send(write: Write) -> list[str]:
        async with places:
            return list(_differs(write, "is answered again", await traffic.attempt(placing(write))))

    found = await asyncio.gather(*map(read, accepted), *map(send, again))
    return [line for lines in found for line in lines]


def _differs(write: Write, how: str, answered: tuple[int, Any] | None) -> Iterator[str]:
    if answered is None:
        yield f"{write.key} {how} as no order"
        return
    for field in ("id", "number", "original_total", "lines"):
        if answered[1][field] != write.answer[field]:
            yield f"{write.key} {how} with another {field}"


def _figures(traffic: Traffic, storm: Storm, drained: float, broken: list[str]) -> dict[str, int | float | str]:
    whole = sorted(fault.whole - fault.killed for fault in storm.faults)
    writes = traffic.writes

    def accepted(journal: Mapping[str, Write]) -> int:
        return sum(write.status is not None for write in journal.values())

    return {
        "kills and restarts": len(storm.faults),
        "of": storm.parts_killed(),
        "orders accepted": accepted(traffic.orders),
        "of them bulk": sum(w.kind == wanted.BULK and w.status is not None for w in traffic.orders.values()),
        "cancels accepted": accepted(traffic.cancels),
        "payments accepted": accepted(traffic.payments),
        "stock changes accepted": accepted(traffic.batches),
        "lost": sum(LOST in line for line in broken),
        "doubled": sum(DOUBLED in line for line in broken),
        "writes sent again": sum(write.attempts > 1 for write in writes),
        "writes never answered": sum(write.status is None for write in writes),
        "documented errors": sum(failure.documented for failure in traffic.failures),
        "full service after, s, p50": percentile(whole, 0.5),
        "p95": percentile(whole, 0.95),
        "longest": percentile(whole, 1.0),
        "backlog worked off after, s": drained,
    }
