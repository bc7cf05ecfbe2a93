"""What is measured: each figure and each floor as something to be taken once, by the keys that the report knows."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from itertools import cycle
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg

from benchmarks import floors, processes, reads
from benchmarks.capture import Captured
from benchmarks.grounds import Grounds, Server
from benchmarks.load import Burst, LoadFailed, send
from benchmarks.orders import bulk_orders, one_line_orders
from benchmarks.pgbench_script import order_script
from benchmarks.rounds import Measure, Plan, Reading
from benchmarks.statements import Replay
from benchmarks.stock import batches
from benchmarks.supplies import Supplies, sign_ins
from ishop.settings import Role

BUYERS: Final = 16
CROWD: Final = 64
"""Buyers who all want the same sku."""
READERS: Final = 16
METRICS_ABOVE: Final = 1000
"""What a market adds to its port where nobody names the port of its figures."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What the measures need, for the whole run."""

    grounds: Grounds
    supplies: Supplies
    captured: Captured
    plan: Plan
    script: Path
    """The order transaction for pgbench, of a random sku."""
    hot_script: Path
    """The same, always of one sku."""
    orders: asyncpg.Connection
    vendors: asyncpg.Connection


@asynccontextmanager
async def prepared(grounds: Grounds, supplies: Supplies, captured: Captured, plan: Plan) -> AsyncIterator[Bench]:
    """The bench with its script written and its connections open."""
    script, hot_script = (grounds.home.parent / name for name in ("order.sql", "hot_order.sql"))
    script.write_text(order_script(captured.order, captured.offer.sku_id, len(supplies.offers)))
    hot_script.write_text(order_script(captured.order, captured.offer.sku_id, 1))
    orders = await asyncpg.connect(grounds.settings.database_dsn(Role.orders))
    vendors = await asyncpg.connect(grounds.settings.database_dsn(Role.vendors))
    try:
        yield Bench(grounds, supplies, captured, plan, script, hot_script, orders, vendors)
    finally:
        await vendors.close()
        await orders.close()


def measures(bench: Bench) -> dict[str, Measure]:
    """Everything to be measured, each figure behind its floor."""
    plan, supplies, captured = bench.plan, bench.supplies, bench.captured
    found: dict[str, Measure] = {
        "hello": partial(_hello, bench),
        "detail_cached": partial(_read, bench, reads.detail(supplies.products[0])),
        "list_cached": partial(_read, bench, reads.first_page()),
        "detail": partial(_read_uncached, bench, reads.details(supplies.products)),
        "list": partial(_read_uncached, bench, reads.lists()),
        **_search_measures(bench),
        "pgbench": partial(_pgbench, bench, bench.script, BUYERS),
        "order": partial(_order, bench, one_line_orders(supplies, supplies.offers), BUYERS),
        "hot_pgbench": partial(_pgbench, bench, bench.hot_script, CROWD),
        "hot_sku": partial(_order, bench, one_line_orders(supplies, [captured.offer]), CROWD),
    }
    for lines, replay in captured.bulk.items():
        found[f"bulk_{lines}_sql"] = partial(_replay, bench.orders, replay, plan.bulk_orders)
        orders = bulk_orders(supplies, lines)
        found[f"bulk_{lines}"] = partial(_one_by_one, bench, orders, plan.bulk_orders, HTTPStatus.CREATED)
    found["batch_sql"] = partial(_replay, bench.vendors, captured.batch, plan.stock_batches)
    found["batch"] = partial(_one_by_one, bench, batches(supplies), plan.stock_batches, HTTPStatus.OK)
    found["argon2"] = partial(_hash, plan.sign_ins)
    found["sign_in"] = partial(_one_by_one, bench, sign_ins(), plan.sign_ins, HTTPStatus.OK)
    return found


def _search_measures(bench: Bench) -> dict[str, Measure]:
    """Searching with the engines that were found; PostgreSQL is always one of them."""
    grounds = bench.grounds
    by_sql = grounds.sql_search or grounds.market
    found: dict[str, Measure] = {
        "postgres_direct": partial(_sql_searches, bench),
        "search_postgres": partial(_search, bench, by_sql, reads.searches(), "postgres"),
    }
    url = grounds.settings.meili_url
    if url is not None:
        requests = bench.captured.meilisearch
        port = urlsplit(url).port or 0
        found["meilisearch_direct"] = partial(_direct_searches, bench, port, cycle(requests), len(requests))
        found["search_meilisearch"] = partial(_search, bench, grounds.market, reads.searches(), "meilisearch")
    return found


async def _hello(bench: Bench) -> Reading:
    server = bench.grounds.hello
    async with _cpu(bench, server) as cpu:
        burst = await floors.hello(server.port, READERS, bench.plan.read_seconds)
    return _rate(burst, cpu)


async def _read(bench: Bench, requests: Iterator[bytes]) -> Reading:
    async with _cpu(bench, bench.grounds.market) as cpu:
        burst = await send(bench.grounds.market.port, requests, connections=READERS, seconds=bench.plan.read_seconds)
    return _rate(burst, cpu)


async def _read_uncached(bench: Bench, requests: Iterator[bytes]) -> Reading:
    """Reads that the market must answer anew each time; raises LoadFailed where its memory answered any."""
    port = bench.grounds.market.port
    before = await reads.hits(port, port + METRICS_ABOVE)
    reading = await _read(bench, requests)
    remembered = await reads.hits(port, port + METRICS_ABOVE) - before
    if remembered:
        raise LoadFailed(f"{remembered:.0f} reads that were to be answered anew came from the gateway's memory.")
    return reading


async def _search(bench: Bench, server: Server, requests: Iterator[bytes], engine: str) -> Reading:
    """Searches, each answered by this engine and not by the one that stands in when it fails."""
    holding = f'"engine":"{engine}"'.encode()
    async with _cpu(bench, server) as cpu:
        burst = await send(server.port, requests, connections=READERS, seconds=bench.plan.read_seconds, holding=holding)
    return _rate(burst, cpu)


async def _direct_searches(bench: Bench, port: int, requests: Iterator[bytes], asked: int) -> Reading:
    """Meilisearch itself with the bytes that the service sent for the mix of queries; some need no engine at all."""
    burst = await send(port, requests, connections=READERS, seconds=bench.plan.read_seconds)
    return Reading(burst.rate * len(reads.QUERIES) / asked, {"median_ms": burst.median_ms, "p95_ms": burst.p95_ms})


async def _sql_searches(bench: Bench) -> Reading:
    searches = bench.captured.searches
    return Reading(await floors.sql_searches(bench.grounds, searches, READERS, bench.plan.read_seconds))


async def _pgbench(bench: Bench, script: Path, clients: int) -> Reading:
    async with _cpu(bench) as cpu:
        rate = await floors.pgbench(bench.grounds, script, clients, bench.plan.order_seconds)
    return Reading(rate, {"postgres_cpu_ms": cpu.postgres * 1000 / (rate * bench.plan.order_seconds)})


async def _order(bench: Bench, requests: Iterator[bytes], buyers: int) -> Reading:
    market = bench.grounds.market
    seconds = bench.plan.order_seconds
    async with _cpu(bench, market) as cpu:
        burst = await send(market.port, requests, connections=buyers, seconds=seconds, expected=HTTPStatus.CREATED)
    return _rate(burst, cpu)


async def _one_by_one(bench: Bench, requests: Iterator[bytes], count: int, expected: HTTPStatus) -> Reading:
    """The time of one request when nobody else calls."""
    market = bench.grounds.market
    async with _cpu(bench, market) as cpu:
        burst = await send(market.port, requests, connections=1, count=count, expected=expected)
    return Reading(burst.median_ms, {"median_ms": burst.median_ms, "p95_ms": burst.p95_ms} | cpu.of_one(count))


async def _hash(times: int) -> Reading:
    """The check of a password alone, with the parameters that the market uses."""
    return Reading(await asyncio.to_thread(floors.password_ms, times))


async def _replay(connection: asyncpg.Connection, replay: Replay, times: int) -> Reading:
    return Reading(await floors.replay_ms(connection, replay, times))


@dataclass(slots=True)
class Cpu:
    """Processor time that was used meanwhile, in seconds."""

    server: float = 0.0
    postgres: float = 0.0

    def of_one(self, count: int) -> dict[str, float]:
        """Milliseconds for each of `count` requests."""
        return {"server_cpu_ms": self.server * 1000 / count, "postgres_cpu_ms": self.postgres * 1000 / count}


@asynccontextmanager
async def _cpu(bench: Bench, server: Server | None = None) -> AsyncIterator[Cpu]:
    """What `server` and PostgreSQL use in this block."""

    def used() -> tuple[float, float]:
        own = processes.cpu_seconds(server.pid) if server is not None else 0.0
        return own, processes.cpu_seconds_of_server(bench.grounds.home)

    before = used()
    cpu = Cpu()
    yield cpu
    after = used()
    cpu.server, cpu.postgres = after[0] - before[0], after[1] - before[1]


def _rate(burst: Burst, cpu: Cpu) -> Reading:
    seen = {
        "median_ms": burst.median_ms,
        "p95_ms": burst.p95_ms,
        "generator_share": burst.generator_share,
        "server_share": cpu.server / burst.seconds,
    }
    return Reading(burst.rate, seen | cpu.of_one(len(burst.latencies)))
