"""Nothing is oversold: a crowd wants a few scarce goods, while everything that changes stock happens at once."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

import aiohttp
import asyncpg

from benchmarks.faults.drill import WORK_LEFT_SECONDS, unsound, work_left
from benchmarks.faults.parts import opened
from benchmarks.prove.crowd import MIX, ORDER, Crowd, Journal, Parties
from benchmarks.prove.goods import Good, stock_up, take_over
from benchmarks.prove.ledger import LATE, Findings, examine, opening
from benchmarks.prove.market import Client, Market, Tokens, sign_in
from benchmarks.prove.outcome import Outcome, Say
from benchmarks.prove.plan import QUICK, Plan
from benchmarks.prove.times import percentile
from benchmarks.prove.world import market_of

CALLERS: Final = 64
SKUS: Final = 240
PACKS: Final = 8
TICK_SECONDS: Final = 3.0
FRESH_TOKENS_SECONDS: Final = 240.0
PROCESSES: Final = ("worker", "worker-2", "market", "market-2")
"""Two gateways with all services each, so that the crowd also meets where no process of ours can order it."""
STATISTICS_SECONDS: Final = 11.0
"""PostgreSQL's processes tell what they counted at most ten seconds after they have fallen idle."""
ORDERS_READ: Final = 200


async def prove(plan: Plan, home: Path, say: Say) -> Outcome:
    """Let the crowd loose on a market of two gateways."""
    began = time.monotonic()
    async with opened(home, PROCESSES) as parts:
        # A quick run does not wait for the counter: its callers would be told 5xx of a deadlock at once.
        statistics_seconds = STATISTICS_SECONDS if plan.order_attempts > QUICK.order_attempts else 0
        outcome = await contend(market_of(parts), plan.order_attempts, say, statistics_seconds=statistics_seconds)
        broken = [*outcome.broken, *await unsound(parts)]
    return Outcome(outcome.name, outcome.title, time.monotonic() - began, outcome.figures, broken)


async def contend(
    market: Market,
    attempts: int,
    say: Say,
    *,
    skus: int = SKUS,
    statistics_seconds: float = 0,
    work_seconds: float = WORK_LEFT_SECONDS,
) -> Outcome:
    """Try so many orders of so many skus in this market, and look at what it made of them."""
    began = time.monotonic()
    goods = await take_over(market.database, skus)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        connection = await asyncpg.connect(market.database)
        try:
            doors = Doors(market, http, await sign_in(http, market.urls[0]))
            await stock_up(doors.parties(0).vendor, goods, PACKS)
            start = await opening(connection)
            deadlocks = await connection.fetchval(DEADLOCKS)
            organization = (await doors.parties(0).hotel.get("/v1/me"))["organizations"][0]["id"]
            crowd = Crowd(goods, organization, attempts)
            loaded = time.monotonic()
            clock = asyncio.create_task(tick(market, doors, crowd, connection, say))
            try:
                await crowd.run(CALLERS, doors.parties)
            finally:
                clock.cancel()
                with suppress(asyncio.CancelledError):
                    await clock
            seconds = time.monotonic() - loaded
            say(f"{crowd.tried:,} orders were tried in {seconds:.0f} s; now the books are opened.")
            broken = list(crowd.journal.faults)
            # However short the run was, something is due at its end.
            await fall_due(connection, crowd.journal, unpaid=1, unanswered=0.25)
            await let_time_pass(market, connection)
            broken += await work_left(market.database, work_seconds)
            findings = await examine(connection, crowd.journal, start)
            broken += [*untried(crowd.journal, findings), *findings.broken]
            broken += await shown_otherwise(doors.parties(0), crowd.journal, goods, connection)
            await asyncio.sleep(max(0, statistics_seconds - (time.monotonic() - loaded - seconds)))
            deadlocks = await connection.fetchval(DEADLOCKS) - deadlocks
            if deadlocks:
                broken.append(f"PostgreSQL counted {deadlocks} deadlocks")
        finally:
            await connection.close()
    figures = _figures(crowd.journal, findings, skus, deadlocks, seconds)
    return Outcome("contention", "Nothing is oversold", time.monotonic() - began, figures, broken)


class Doors:
    """The parties at every gateway, with tokens that are fresh enough."""

    def __init__(self, market: Market, http: aiohttp.ClientSession, tokens: Tokens) -> None:
        self._market = market
        self._http = http
        self.take(tokens)

    def take(self, tokens: Tokens) -> None:
        """Call with these tokens from now on."""
        self._parties = [
            Parties(
                *(
                    Client(self._http, url, token)
                    for token in (tokens.consumer, tokens.hotel, tokens.vendor, tokens.office)
                )
            )
            for url in self._market.urls
        ]

    def parties(self, number: int) -> Parties:
        """Those whom the n-th caller plays; callers are shared out over the gateways."""
        return self._parties[number % len(self._parties)]

    async def refresh(self) -> None:
        """Sign in anew."""
        self.take(await sign_in(self._http, self._market.urls[0]))


async def tick(market: Market, doors: Doors, crowd: Crowd, connection: asyncpg.Connection, say: Say) -> None:
    """Let time fly: now and then some unpaid orders and unanswered vendor orders are due, and a worker sees it."""
    random = Random(6)  # noqa: S311 - it decides how much becomes due.
    signed_in = time.monotonic()
    told = 0
    while True:
        await asyncio.sleep(TICK_SECONDS)
        share = random.random() / 4
        await fall_due(connection, crowd.journal, unpaid=share, unanswered=share / 4)
        await let_time_pass(market, connection)
        if time.monotonic() - signed_in > FRESH_TOKENS_SECONDS:
            await doors.refresh()
            signed_in = time.monotonic()
        if crowd.tried >= told + 5_000:
            told = crowd.tried
            say(f"{told:,} orders tried, {crowd.journal.told['order taken']:,} accepted")


async def fall_due(connection: asyncpg.Connection, journal: Journal, *, unpaid: float, unanswered: float) -> None:
    """Let the time be over for such shares of what waits for a payment or for a vendor, and write that down before a
    worker can know, so that nothing ends for a reason that the journal lacks.
    """
    for sql, share in ((UNPAID, unpaid), (UNANSWERED, unanswered)):
        for row in await connection.fetch(sql, share):
            journal.note(row["part"], LATE)


def untried(journal: Journal, findings: Findings) -> Iterator[str]:
    """What never happened, so that nothing is proved about it."""
    for what in (f"{ORDER} refused", *(f"{kind} taken" for kind in MIX)):
        if not journal.told[what]:
            yield f"not put to the proof: no caller was told '{what}'"
    if not findings.expired:
        yield "not put to the proof: no order expired"


async def let_time_pass(market: Market, connection: asyncpg.Connection) -> None:
    """Let a worker end what is due now, which it would otherwise do at the next minute."""
    await connection.execute(DUE)
    await market.wake()


async def shown_otherwise(
    parties: Parties, journal: Journal, goods: Sequence[Good], connection: asyncpg.Connection
) -> list[str]:
    """What the API shows of orders and stock otherwise than it told those who placed them, and than the tables hold."""
    broken = []
    shown = [one["id"] for one in await parties.consumer.pages("/v1/orders")]
    shown += [one["id"] for one in await parties.hotel.pages("/v1/bulk-orders")]
    accepted = {
        attempt.order["id"]: (attempt.order, attempt.lines)
        for attempt in journal.attempts.values()
        if attempt.order is not None
    }
    if sorted(shown) != sorted(accepted):
        broken.append(
            f"the lists show {len(shown)} orders ({len(set(shown))} different), {len(accepted)} were accepted"
        )
    for order in Random(7).sample(sorted(accepted), min(ORDERS_READ, len(accepted))):  # noqa: S311 - any will do.
        told, wanted = accepted[order]
        buyer = parties.hotel if told["organization_id"] else parties.consumer
        answer = await buyer.send("GET", f"/v1/orders/{order}")
        if answer.status != 200:
            broken.append(f"an accepted order is not shown: {answer.status} {answer.code}")
        elif {line["sku_id"]: line["quantity"] for line in answer.body["lines"]} != wanted:
            broken.append("an order shows other lines than were sent")
    kept = {row["sku"]: (row["on_hand"], row["reserved"]) for row in await connection.fetch(LEVELS)}
    levels = {one["sku_id"]: one for one in await parties.vendor.pages("/v1/stock")}
    for good in goods:
        level = levels.get(good.sku)
        if level is None:
            broken.append("the API does not show the stock of a sku")
            continue
        if (level["on_hand"], level["reserved"]) != kept[good.sku]:
            broken.append("the API shows another stock than the table holds")
        if level["available"] != max(0, level["on_hand"] - level["reserved"]):
            broken.append("the API shows more available than there is")
    return broken


def _figures(
    journal: Journal, findings: Findings, skus: int, deadlocks: int, seconds: float
) -> dict[str, int | float | str]:
    told = journal.told
    return {
        "order attempts": len(journal.attempts),
        "connections": CALLERS,
        "skus": skus,
        "accepted": told["order taken"],
        "refused (409)": told["order refused"],
        "oversold units": findings.oversold,
        "deadlocks": deadlocks,
        "cancels": told["cancel taken"],
        "paid": sum(journal.paid.values()),
        "paid too late": sum(not in_time for in_time in journal.paid.values()),
        "expired": findings.expired,
        "rejected": told["reject taken"],
        "shipped": told["ship taken"],
        "counts": told["count taken"],
        "count conflicts": told["count refused"],
        "deltas": len(journal.deltas),
        "units of shortfall left": findings.shortfall,
        "orders tried a second": len(journal.attempts) / seconds,
        "p50 ms": percentile(journal.order_seconds, 0.5) * 1000,
        "p95 ms": percentile(journal.order_seconds, 0.95) * 1000,
    }


UNPAID: Final = """
WITH late AS (
    UPDATE orders.orders SET expires_at = now() - interval '1 second' WHERE id IN (
        SELECT id FROM orders.orders WHERE status = 'awaiting_payment' AND expires_at > now() AND random() < $1
        ORDER BY id LIMIT 200 FOR UPDATE SKIP LOCKED)
    RETURNING id
)
SELECT v.id::text AS part FROM late JOIN orders.vendor_orders v ON v.order_id = late.id
"""
UNANSWERED: Final = """
UPDATE orders.vendor_orders SET accept_by = now() - interval '1 second' WHERE id IN (
    SELECT id FROM orders.vendor_orders WHERE status = 'placed' AND accept_by > now() AND random() < $1
    ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED)
RETURNING id::text AS part
"""
DUE: Final = """
UPDATE ops.pgqueuer_schedules SET next_run = now()
WHERE entrypoint IN ('orders_expire_unpaid', 'orders_reject_unanswered') AND status = 'queued'
"""
LEVELS: Final = "SELECT sku_id::text AS sku, on_hand, reserved FROM vendors.stock"
DEADLOCKS: Final = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
