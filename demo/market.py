"""Builds the demo market in a migrated, empty database, with COPY and in constant memory whatever its size.

Up to `ONE_TRANSACTION` products it is all or nothing. A larger market is committed batch by batch over several
connections; a row in `vendors.cohorts` then tells that it is unfinished, and the next build takes it away first.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.schema import CreateIndex

from demo.certificates import vendor_certificates
from demo.chance import Dice
from demo.listings import Listings, Rows
from demo.material import WORDS_SOURCE, Material
from demo.producers import Producer, cohort_totals, group_sizes, producers
from ishop.clock import business_date, now
from ishop.database import Base
from ishop.home import StartupError
from services.catalog.products.models import ProductDocument

STANDARD_VENDORS: Final = 453
STANDARD_PRODUCTS: Final = 1_600

ONE_TRANSACTION: Final = 20_000
BATCH: Final = 2_000
CONNECTIONS: Final = 2

BUILD_LOCK: Final = 0x1_5409_0002
"""The advisory lock of the database that keeps a second builder out."""

UNFINISHED: Final = "demo-market-unfinished"
"""The cohort that stands in the table from the first commit of a large build to the last."""

TABLES: Final = (
    "catalog.product_documents",
    "catalog.price_tiers",
    "catalog.skus",
    "catalog.products",
    "catalog.commodities",
    "catalog.categories",
    "catalog.synonym_groups",
    "vendors.reservations",
    "vendors.stock_movements",
    "vendors.stock",
    "vendors.certificates",
    "vendors.vendor_members",
    "vendors.invitations",
    "vendors.vendors",
    "vendors.cohorts",
)

INDEXES: Final = tuple(
    sorted(Base.metadata.tables[f"catalog.{ProductDocument.__tablename__}"].indexes, key=lambda index: str(index.name))
)
"""The indexes of the documents: of a large market made when all documents are there, which is faster and leaves them
smaller."""

Progress = Callable[[str, int, int], None]
"""Told the phase, how much of it is done, and how much there is."""


class MarketRefused(StartupError):
    """This database is not one to build a demo market in; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class MarketSummary:
    """What was built."""

    vendors: int
    workers: int
    products: int
    skus: int
    certificates: int
    largest_vendor: str


async def build_market(
    dsn: str,
    *,
    vendors: int = STANDARD_VENDORS,
    products: int = STANDARD_PRODUCTS,
    seed: int = 1,
    today: date | None = None,
    progress: Progress,
) -> MarketSummary:
    """Build the market as the role of `dsn`, the migrator, which may write every schema.

    The same seed gives the same rows and ids; the dates of certificates follow `today` (in WITA when not given).
    Raises MarketRefused for a database that has a market or is being filled, `demo.producers.MarketSizeRefused` for
    numbers that cannot be met. An interrupted large build is removed first, unless somebody ordered from it.
    """
    today = today or business_date(now())
    material = Material.load()
    everybody = tuple(producers(material, vendors, products, seed))
    async with sole_builder(dsn) as connection:
        await _make_room(connection, progress)
        build = _Build(connection, dsn, products, progress)
        batches = Listings(material, everybody, seed, today).batches(BATCH)
        async with connection.transaction():
            await _write_commodities(connection, material)
            build.certificates += await _write_producers(connection, material, everybody, seed, today)
            progress("vendors", vendors, vendors)
            await build.write(connection, next(batches))
            # The documents are composed by joins; without figures about these tables they would be planned badly.
            await _analyze(connection)
            if products <= ONE_TRANSACTION:
                for rows in batches:
                    await build.write(connection, rows)
            else:
                await _mark_unfinished(connection)
                await connection.execute(f"DROP INDEX {', '.join(f'catalog.{index.name}' for index in INDEXES)}")
        if products > ONE_TRANSACTION:
            await build.write_in_parallel(batches)
            await _make_indexes(connection, progress)
            await connection.execute("DELETE FROM vendors.cohorts WHERE slug = $1", UNFINISHED)
        progress("statistics", 0, 1)
        await _analyze(connection)
        if products > ONE_TRANSACTION:
            # Until a page is known to be of visible rows only, an index that covers a search sends it to the table.
            await connection.execute("VACUUM catalog.product_documents")
        progress("statistics", 1, 1)
    return MarketSummary(
        vendors=vendors,
        workers=sum(total for _, _, total in cohort_totals(material, group_sizes(material, vendors))),
        products=build.products,
        skus=build.skus,
        certificates=build.certificates,
        largest_vendor=everybody[0].name,
    )


async def is_wanted(dsn: str) -> bool:
    """Whether the database has no vendor yet, or holds a demo market whose building was interrupted."""
    connection = await asyncpg.connect(dsn)
    try:
        return bool(
            await connection.fetchval(
                "SELECT NOT EXISTS (SELECT FROM vendors.vendors)"
                " OR EXISTS (SELECT FROM vendors.cohorts WHERE slug = $1)",
                UNFINISHED,
            )
        )
    finally:
        await connection.close()


class _Build:
    """Writes batches of listings and counts what was written."""

    def __init__(self, connection: asyncpg.Connection, dsn: str, total: int, progress: Progress) -> None:
        self._connection = connection
        self._dsn = dsn
        self._total = total
        self._progress = progress
        self.products = self.skus = self.certificates = 0

    async def write(self, connection: asyncpg.Connection, rows: Rows) -> None:
        """Copy one batch and compose the documents of its products."""
        await _copy(
            connection,
            "catalog.products",
            "id slug vendor_id commodity_id name_id name_en description_id description_en status",
            rows.products,
        )
        await _copy(
            connection,
            "catalog.skus",
            "id product_id code name price weight_grams base_quantity order_multiple min_quantity position",
            rows.skus,
        )
        await _copy(connection, "catalog.price_tiers", "sku_id min_quantity price", rows.tiers)
        await _copy(connection, "vendors.stock", "sku_id vendor_id on_hand", rows.stock)
        await _copy(
            connection,
            "vendors.stock_movements",
            "sku_id vendor_id kind on_hand_change reserved_change",
            rows.movements,
        )
        await _copy(connection, "vendors.certificates", CERTIFICATE_COLUMNS, rows.certificates)
        await connection.execute("SELECT catalog.refresh_documents($1)", [row[0] for row in rows.products])
        self.products += len(rows.products)
        self.skus += len(rows.skus)
        self.certificates += len(rows.certificates)
        self._progress("products", self.products, self._total)

    async def write_in_parallel(self, batches: Iterator[Rows]) -> None:
        """Share the batches out among several connections, each batch a transaction."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(CONNECTIONS):
                tasks.create_task(self._write_some(batches))

    async def _write_some(self, batches: Iterator[Rows]) -> None:
        # What a crash of the server takes is a batch of an unfinished market, so no batch waits for the disk.
        connection = await asyncpg.connect(self._dsn, server_settings={"synchronous_commit": "off"})
        try:
            for rows in batches:
                async with connection.transaction():
                    await self.write(connection, rows)
        finally:
            await connection.close()


CERTIFICATE_COLUMNS: Final = "id vendor_id product_id kind number valid_from valid_until"


async def _copy(connection: asyncpg.Connection, table: str, columns: str, records: Sequence[tuple[Any, ...]]) -> None:
    schema, _, name = table.partition(".")
    await connection.copy_records_to_table(name, schema_name=schema, columns=columns.split(), records=records)


@asynccontextmanager
async def sole_builder(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that nobody else builds at the same time with; MarketRefused where somebody does."""
    connection = await asyncpg.connect(dsn)
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", BUILD_LOCK):
            raise MarketRefused("Another build of a demo market is at work in this database; wait until it has ended.")
        yield connection
    finally:
        await connection.close()


async def _make_room(connection: asyncpg.Connection, progress: Progress) -> None:
    """Refuse a database that holds a market; take away what an interrupted build left."""
    if await connection.fetchval("SELECT EXISTS (SELECT FROM vendors.cohorts WHERE slug = $1)", UNFINISHED):
        if await connection.fetchval("SELECT EXISTS (SELECT FROM orders.orders)"):
            raise MarketRefused(
                "The build of this demo market was interrupted and orders were placed since. "
                "Remove the database (or its ISHOP_HOME) and build again."
            )
        progress("removing an interrupted build", 0, 1)
        await connection.execute(f"TRUNCATE {', '.join(TABLES)}")
        await _make_indexes(connection, progress)
        progress("removing an interrupted build", 1, 1)
    elif await connection.fetchval(
        "SELECT EXISTS (SELECT FROM vendors.vendors) OR EXISTS (SELECT FROM catalog.commodities)"
    ):
        raise MarketRefused("This database has vendors or commodities already; a demo market needs an empty one.")


async def _make_indexes(connection: asyncpg.Connection, progress: Progress) -> None:
    """Make the indexes of the documents, but for those that are there."""
    dialect = make_url("postgresql+asyncpg://").get_dialect()()
    await connection.execute("SET maintenance_work_mem = '256MB'")
    for done, index in enumerate(INDEXES):
        progress("indexes", done, len(INDEXES))
        await connection.execute(str(CreateIndex(index, if_not_exists=True).compile(dialect=dialect)))
    progress("indexes", len(INDEXES), len(INDEXES))


async def _mark_unfinished(connection: asyncpg.Connection) -> None:
    await connection.execute(
        "INSERT INTO vendors.cohorts (slug, name_id, name_en, vendors, workers, source) VALUES ($1, $2, $3, 0, 0, $4)",
        UNFINISHED,
        "Pasar contoh belum selesai dibuat",
        "Unfinished demo market",
        "Removed with the last step of the build",
    )


async def _analyze(connection: asyncpg.Connection) -> None:
    await connection.execute(f"ANALYZE {', '.join(TABLES)}")


async def _write_commodities(connection: asyncpg.Connection, material: Material) -> None:
    await _copy(
        connection,
        "catalog.categories",
        "slug name_id name_en position",
        [
            (row["slug"], row["name_id"], row["name_en"], position)
            for position, row in enumerate(material.categories, 1)
        ],
    )
    rows = [(goods, goods.document) for goods in material.commodities.values()]
    await _copy(
        connection,
        "catalog.commodities",
        "id slug category_slug name_id name_en description_id description_en base_unit synonyms certificate_rules "
        "shelf_life_days shipping_flags kbli_2020 hs_heading source",
        [
            (
                goods.id, goods.slug, row["category"], row["name_id"], row["name_en"], row["description_id"],
                row["description_en"], goods.base_unit, row["synonyms"], list(goods.rules), row["shelf_life_days"],
                row["shipping_flags"], row["kbli_2020_guess"], row["hs_heading_guess"],
                f"Demo data; prices: {row['price_source']}; KBLI and HS are guesses",
            )
            for goods, row in rows
        ],
    )  # fmt: skip
    await _copy(
        connection,
        "catalog.synonym_groups",
        "canonical variants english related source",
        [
            (row["canonical"], row["variants"], row["english"], row["related"], WORDS_SOURCE)
            for row in material.synonyms
        ],
    )


async def _write_producers(
    connection: asyncpg.Connection, material: Material, everybody: Sequence[Producer], seed: int, today: date
) -> int:
    """Write cohorts, vendors and what vendors hold for all their goods; return how many certificates that is."""
    sizes = group_sizes(material, len(everybody))
    await _copy(
        connection,
        "vendors.cohorts",
        "slug name_id name_en vendors workers source",
        [
            (
                cohort.slug, cohort.name.id, cohort.name.en, members, workers,
                cohort.source if members == cohort.vendors else f"Scaled to this demo market from: {cohort.source}",
            )
            for cohort, members, workers in cohort_totals(material, sizes)
        ],
    )  # fmt: skip
    await _copy(
        connection,
        "vendors.vendors",
        "id slug name description_id description_en status region_code latitude longitude nib size_class workers "
        "cohort_slug pkp",
        [
            (
                one.id, one.slug, one.name, one.description.id, one.description.en, "active", one.place.code,
                one.latitude, one.longitude, one.nib, one.size_class, one.workers, one.group.cohort, one.pkp,
            )
            for one in everybody
        ],
    )  # fmt: skip
    certificates = [
        (dice.uuid(slot), one.id, None, held.kind, held.number, held.valid_from, held.valid_until)
        for one in everybody
        for dice in (Dice(seed, "vendor certificates", one.number),)
        for slot, held in enumerate(vendor_certificates(one, today, dice))
    ]
    await _copy(connection, "vendors.certificates", CERTIFICATE_COLUMNS, certificates)
    return len(certificates)
