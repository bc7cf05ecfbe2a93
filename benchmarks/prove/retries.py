"""Every write counts once: each is sent one to five times with one key, at once and late, over lines that break."""

import asyncio
import time
from pathlib import Path
from typing import Final

import aiohttp
import asyncpg

from benchmarks.faults.drill import unsound, work_left
from benchmarks.faults.parts import opened
from benchmarks.prove.effects import effects_broken
from benchmarks.prove.goods import stock_up, take_over
from benchmarks.prove.market import Client, Market, sign_in
from benchmarks.prove.outcome import Outcome, Say
from benchmarks.prove.plan import Plan
from benchmarks.prove.repeats import Repeater
from benchmarks.prove.world import market_of

SKUS: Final = 100
PACKS: Final = 10_000
AT_ONCE: Final = 12
LOCKS: Final = 2
REPORTED: Final = 1_000
PROCESSES: Final = ("worker", "worker-2", "market", "market-2")
"""Two gateways with all services each: a twin may meet the first request only in the database."""


async def prove(plan: Plan, home: Path, say: Say) -> Outcome:
    """Send everything again and again to a market of two gateways."""
    began = time.monotonic()
    async with opened(home, PROCESSES) as parts:
        outcome = await repeat(market_of(parts), plan.retried_requests, say)
        broken = [*outcome.broken, *await unsound(parts)]
    return Outcome(outcome.name, outcome.title, time.monotonic() - began, outcome.figures, broken)


async def repeat(market: Market, requests: int, say: Say, *, locks: int = LOCKS) -> Outcome:
    """Send so many requests, each one to five times, and look at what the market made of them."""
    began = time.monotonic()
    goods = await take_over(market.database, SKUS)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        tokens = await sign_in(http, market.urls[0])
        vendor, hotel = (Client(http, market.urls[0], token) for token in (tokens.vendor, tokens.hotel))
        await stock_up(vendor, goods, PACKS)
        organization = (await hotel.get("/v1/me"))["organizations"][0]["id"]
        repeater = Repeater(http, market.urls, tokens, goods, organization)
        left = iter(range(requests))

        async def caller() -> None:
            for number in left:
                await repeater.one(number)
                if (number + 1) % REPORTED == 0:
                    # Tokens live for ten minutes; a key belongs to the account, whatever its token.
                    repeater.tokens = await sign_in(http, market.urls[0])
                    say(f"{number + 1:,} requests were sent {repeater.told['sends']:,} times")

        connection = await asyncpg.connect(market.database)
        try:
            await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
            for number in range(locks):
                await repeater.twins_behind_a_lock(connection, f"twins-{number}")
            broken = [*repeater.faults, *await work_left(market.database), *repeater.untried(locked=locks > 0)]
            broken += await effects_broken(connection, repeater.writes)
        finally:
            await connection.close()
    figures = {"requests": len(repeater.writes), **repeater.told}
    return Outcome(
        "retries", "Every write counts once, however often it is sent", time.monotonic() - began, figures, broken
    )
