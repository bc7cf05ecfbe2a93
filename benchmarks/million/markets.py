"""The two markets of the measurement: what they hold, how they are filled and opened, and what there is to ask for."""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import orjson

from benchmarks.grounds import ISHOP, Server, run_program, server
from benchmarks.supplies import CERTIFIED_DAYS, Offer, sign_in
from demo.accounts import CONSUMER, HOTEL, VENDOR
from ishop.child_process import LOOPBACK
from ishop.clock import business_date, now
from ishop.home import Progress, load_secrets
from ishop.laptop import reached
from ishop.pagination import Cursors
from ishop.settings import Role, Settings

SEED_SECONDS: Final = 3600.0
SAMPLE: Final = 10_000
"""Products, skus and orders that are asked for at random, at most; the same number in both markets."""


@dataclass(frozen=True, slots=True)
class Size:
    """What a market holds."""

    name: str
    vendors: int
    products: int
    orders: int


SMALL: Final = Size("10k", 453, 10_000, 10_000)
LARGE: Final = Size("1M", 4_673, 1_000_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class Relation:
    """A table on disk, in bytes."""

    name: str
    rows: int
    table: int
    indexes: int


@dataclass(frozen=True, slots=True)
class Shelf:
    """What can be asked for in one market: ids, slugs and codes."""

    products: tuple[str, ...]
    slugs: tuple[str, ...]
    vendors: tuple[str, ...]
    commodities: tuple[str, ...]
    categories: tuple[str, ...]
    regions: tuple[str, ...]
    certificates: tuple[str, ...]
    offers: tuple[Offer, ...]
    own_skus: tuple[str, ...]
    """Of the demo vendor, whose orders are `vendor_orders`."""
    sold_skus: tuple[str, ...]
    orders: tuple[str, ...]
    """Of the demo consumer."""
    vendor_orders: tuple[str, ...]
    organization: str
    middle_of_prices: tuple[int, str]
    """The price and the id of a product that half of all come before."""
    middle_of_ages: tuple[int, str]
    cursors: Cursors


@dataclass(slots=True)
class Market:
    """A market that is open."""

    size: Size
    server: Server
    superuser_dsn: str
    shelf: Shelf
    tokens: dict[str, str]

    async def sign_in(self) -> None:
        """Tokens live for ten minutes, which is less than a run."""
        url = f"http://{LOOPBACK}:{self.server.port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
            self.tokens = {email: await sign_in(client, email) for email in (CONSUMER, HOTEL, VENDOR)}


async def fill(home: Path, size: Size, say: Progress) -> dict[str, float]:
    """Fill the home as far as it is not; the seconds that `ishop seed` took, also where that was in an earlier run."""
    note = home.parent / f"{home.name}-seeded.json"
    seconds: dict[str, float] = orjson.loads(note.read_bytes()) if note.exists() else {}
    for what, option in (("products", "--products"), ("orders", "--orders")):
        wanted = size.products if what == "products" else size.orders
        missing = wanted - await _held(home, what, say)
        if missing <= 0:
            continue
        say(f"Seeding {missing:,} {what} into the market of {size.name}.")
        sizes = [option, str(missing)] + (["--vendors", str(size.vendors)] if what == "products" else [])
        started = time.perf_counter()
        await run_program([ISHOP, "seed", *sizes], home.parent / "seed.log", SEED_SECONDS, _environment(home))
        seconds[what] = time.perf_counter() - started
        note.write_bytes(orjson.dumps(seconds))
    return seconds


async def _held(home: Path, what: str, say: Progress) -> int:
    async with reached(Settings(_env_file=None, home=home), say) as settings:
        connection = await asyncpg.connect(settings.database_dsn(Role.migrator))
        try:
            held: int = await connection.fetchval(COUNTS[what])
        finally:
            await connection.close()
    return held


def _environment(home: Path) -> dict[str, str]:
    """Without the program of Meilisearch, the market searches with PostgreSQL."""
    return {"ISHOP_HOME": str(home), "PATH": str(Path(sys.executable).parent)}


@asynccontextmanager
async def opened(home: Path, size: Size, say: Progress) -> AsyncIterator[Market]:
    """The market of this home, open, with nothing answered from the gateway's memory; stopped at the end."""
    environment = {**_environment(home), "ISHOP_RATE_LIMITS": "off", "ISHOP_CACHE_MIB": "0"}
    async with (
        server(f"market-{size.name}", [ISHOP, "up"], home, environment, path="/healthz") as running,
        reached(Settings(_env_file=None, home=home), say) as settings,
    ):
        password = load_secrets(home).superuser_password
        dsn = f"postgresql://postgres:{password}@{LOOPBACK}:{settings.database_port}/{settings.database_name}"
        connection = await asyncpg.connect(dsn)
        try:
            # What autovacuum does in the hours after a seed.
            await connection.execute("VACUUM (ANALYZE) catalog.product_documents, orders.orders, orders.vendor_orders")
            # What is in the memory of a market that has been open for a while, and is read again when it starts.
            await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
            say(f"Reading the market of {size.name} into memory.")
            await connection.execute(READ, timeout=SEED_SECONDS)
            shelf = await _shelf(connection, Cursors(settings.password(Role.catalog)))
        finally:
            await connection.close()
        market = Market(size, running, dsn, shelf, {})
        await market.sign_in()
        yield market


async def relations(dsn: str) -> list[Relation]:
    """What the tables of the market take on disk, the largest first."""
    connection = await asyncpg.connect(dsn)
    try:
        return [Relation(**row) for row in await connection.fetch(RELATIONS)]
    finally:
        await connection.close()


async def _shelf(connection: asyncpg.Connection, cursors: Cursors) -> Shelf:
    async def column(sql: str, *values: object) -> tuple[Any, ...]:
        return tuple(row[0] for row in await connection.fetch(sql, *values))

    vendor = await connection.fetchval(VENDOR_OF, VENDOR)
    products = await connection.fetch(PRODUCTS, SAMPLE)
    certified_until = business_date(now()) + timedelta(days=CERTIFIED_DAYS)
    offers = await connection.fetch(OFFERS, [row["product_id"] for row in products], certified_until)
    return Shelf(
        products=tuple(str(row["product_id"]) for row in products),
        slugs=tuple(row["slug"] for row in products),
        vendors=tuple({str(row["vendor_id"]): None for row in products}),
        commodities=await column("SELECT slug FROM catalog.commodities ORDER BY 1"),
        categories=await column("SELECT slug FROM catalog.categories ORDER BY 1"),
        regions=await column("SELECT DISTINCT region_code FROM vendors.vendors ORDER BY 1"),
        certificates=await column(
            "SELECT DISTINCT unnest(certificate_kinds) FROM catalog.product_documents ORDER BY 1"
        ),
        offers=tuple(Offer(row["sku_id"], row["quantity"]) for row in offers),
        own_skus=await column("SELECT sku_id::text FROM vendors.stock WHERE vendor_id = $1 AND on_hand > 100", vendor),
        sold_skus=await column(SOLD, vendor),
        orders=await column(ORDERS_OF, CONSUMER),
        vendor_orders=await column("SELECT id::text FROM orders.vendor_orders WHERE vendor_id = $1", vendor),
        organization=str(await connection.fetchval("SELECT id FROM orders.organizations")),
        middle_of_prices=tuple(await connection.fetchrow(MIDDLE.format("price_from, product_id"))),
        middle_of_ages=tuple(await connection.fetchrow(MIDDLE.format("product_id"))),
        cursors=cursors,
    )


COUNTS: Final = {
    "products": "SELECT count(*) FROM catalog.products",
    "orders": "SELECT count(*) FROM orders.orders",
}
VENDOR_OF: Final = """
    SELECT m.vendor_id FROM vendors.vendor_members m JOIN identity.users u ON u.id = m.user_id WHERE u.email = $1
"""
# Random, but the same in every run; the hash of an id does not follow its age.
PRODUCTS: Final = """
    SELECT product_id, slug, vendor_id FROM catalog.product_documents
    ORDER BY uuid_hash(product_id), product_id LIMIT $1
"""
OFFERS: Final = """
    SELECT o.sku_id, ceil(o.min_quantity::numeric / o.order_multiple)::integer * o.order_multiple AS quantity
    FROM catalog.offers_v1 o JOIN vendors.stock s ON s.sku_id = o.sku_id
    WHERE o.product_id = ANY ($1) AND o.certified_until >= $2 AND s.on_hand - s.reserved > 30 * o.min_quantity
    ORDER BY o.sku_id
"""
ORDERS_OF: Final = """
    SELECT o.id::text FROM orders.orders o JOIN identity.users u ON u.id = o.buyer_id
    WHERE u.email = $1 AND o.organization_id IS NULL
"""
SOLD: Final = """
    SELECT sku_id::text FROM vendors.stock_movements WHERE vendor_id = $1
    GROUP BY sku_id ORDER BY count(*) DESC LIMIT 50
"""
MIDDLE: Final = """
    SELECT price_from, product_id::text FROM catalog.product_documents ORDER BY {}
    OFFSET (SELECT count(*) / 2 FROM catalog.product_documents) LIMIT 1
"""
READ: Final = """
    SELECT sum(pg_prewarm(r.oid))
    FROM pg_class c CROSS JOIN LATERAL (
        SELECT c.oid UNION ALL SELECT i.indexrelid FROM pg_index i WHERE i.indrelid = c.oid
    ) r (oid)
    WHERE c.relkind = 'r' AND c.relnamespace = ANY ('{catalog, vendors, orders, identity}'::regnamespace[])
"""
RELATIONS: Final = """
    SELECT n.nspname || '.' || c.relname AS name, greatest(0, c.reltuples)::bigint AS rows,
           pg_table_size(c.oid) AS table, pg_indexes_size(c.oid) AS indexes
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname IN ('catalog', 'vendors', 'orders', 'identity', 'ops')
    ORDER BY pg_total_relation_size(c.oid) DESC
"""
