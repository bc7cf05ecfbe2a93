"""Two vendors with stock, the service in front of it, and the doors of everybody who may knock."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from ishop.auth import Principal, Signer
from ishop.doctor import Finding, examine
from ishop.service import Runtime
from ishop.settings import Role
from services.vendors.app import create_app
from services.vendors.checks import CHECKS
from tests.counting import counted_queries
from tests.databases import TestDatabase

OWN, OTHER = "gula-lestari", "kelor-rinjani"

ADD_VENDOR = """
INSERT INTO vendors.vendors (slug, name, description_id, description_en, status, region_code, latitude, longitude, nib,
    size_class, workers)
VALUES ($1, $2, 'Uraian ' || $2, 'Description of ' || $2, $3, $4, -8.5, 116.25, $5, 'micro', 4)
RETURNING id
"""
ADD_STOCK = """
WITH stock AS (
    INSERT INTO vendors.stock (sku_id, vendor_id, on_hand) VALUES (uuidv7(), $1, $2)
    RETURNING sku_id, vendor_id, on_hand
), opening AS (
    INSERT INTO vendors.stock_movements (sku_id, vendor_id, kind, on_hand_change, reserved_change)
    SELECT sku_id, vendor_id, 'opening', on_hand, 0 FROM stock
)
SELECT sku_id FROM stock
"""
RESERVE = "SELECT sku_id, requested, available FROM vendors.reserve_v1($1, $2, $3)"
RELEASE = "SELECT vendors.release_v1($1, $2, 'test')"
SHIP = "SELECT vendors.ship_v1($1)"


class Stall:
    """`owner` and `staff` are of the vendor OWN, `rival` of OTHER; `consumer` and `office` belong to none."""

    def __init__(self, database: TestDatabase, app: FastAPI, closing: AsyncExitStack) -> None:
        self.database = database
        self.app = app
        self.own = self.other = UUID(int=0)
        self._closing = closing
        self._pools: dict[Role, asyncpg.Pool] = {}
        self._nib = count()
        self._signer = Signer.from_settings(database.settings)
        self.anonymous = self.client(None)
        self.consumer = self.client(Principal(UUID(int=3), confirmed=True))
        self.office = self.client(Principal(UUID(int=4), roles=frozenset({"office"})))

    async def open(self) -> None:
        """Connect, register the vendors and let their members in."""
        for role in (Role.migrator, Role.orders):
            pool = asyncpg.create_pool(self.database.dsn(role), min_size=1, max_size=4)
            self._pools[role] = await self._closing.enter_async_context(pool)
        self.own = await self.add_vendor(OWN, "Gula Lestari")
        self.other = await self.add_vendor(OTHER, "Kelor Rinjani")
        self.owner = self.client(Principal(UUID(int=1), vendors={self.own: "owner"}))
        self.staff = self.client(Principal(UUID(int=5), vendors={self.own: "staff"}))
        self.rival = self.client(Principal(UUID(int=2), vendors={self.other: "owner"}))

    def client(self, principal: Principal | None) -> AsyncClient:
        """A door for this caller; None is anonymous."""
        headers = {} if principal is None else {"Authorization": f"Bearer {self._signer.sign(principal)}"}
        client = AsyncClient(
            transport=ASGITransport(self.app), base_url="http://vendors.test", headers=headers, timeout=60
        )
        self._closing.push_async_callback(client.aclose)
        return client

    async def add_vendor(self, slug: str, name: str, *, status: str = "active", region: str = "52.01") -> UUID:
        """A new vendor with a NIB that no other has."""
        (row,) = await self.fetch(ADD_VENDOR, slug, name, status, region, f"{9_120_001_000_000 + next(self._nib)}")
        return UUID(str(row["id"]))

    async def add_stock(self, on_hand: int, vendor: UUID | None = None) -> UUID:
        """A new sku of the vendor (OWN where none is given) with that much on hand."""
        (row,) = await self.fetch(ADD_STOCK, vendor or self.own, on_hand)
        return UUID(str(row["sku_id"]))

    async def fetch(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """Rows of the database, read and written as the migrator: for set-up and proof."""
        return await self._as(Role.migrator, sql, *values)

    async def reserve(self, order: UUID, lines: Sequence[tuple[UUID, int]]) -> list[asyncpg.Record]:
        """Take these lines for a vendor order as the orders service does; the skus that are short, if any."""
        skus, quantities = [sku for sku, _ in lines], [quantity for _, quantity in lines]
        return await self._as(Role.orders, RESERVE, [order] * len(lines), skus, quantities)

    async def release(self, *orders: UUID, out_of_stock: bool = False) -> int:
        """Give back what vendor orders hold; how many reservations ended."""
        (row,) = await self._as(Role.orders, RELEASE, list(orders), out_of_stock)
        return int(row[0])

    async def ship(self, order: UUID) -> int:
        """Ship a vendor order; how many reservations ended."""
        (row,) = await self._as(Role.orders, SHIP, order)
        return int(row[0])

    async def level(self, sku: UUID) -> tuple[int, int, int, int]:
        """on_hand, reserved, shortfall and version of a sku."""
        (row,) = await self.fetch(
            "SELECT on_hand, reserved, shortfall, version FROM vendors.stock WHERE sku_id = $1", sku
        )
        return tuple(row)

    async def movements(self, sku: UUID) -> list[tuple[Any, ...]]:
        """kind, on_hand_change and reserved_change of every movement of a sku after the opening, oldest first."""
        rows = await self.fetch(
            "SELECT kind, on_hand_change, reserved_change FROM vendors.stock_movements"
            " WHERE sku_id = $1 AND kind <> 'opening' ORDER BY id",
            sku,
        )
        return [tuple(row) for row in rows]

    async def take_emitted(self) -> list[str]:
        """The skus in the outbox, which is emptied."""
        rows = await self.fetch(
            "DELETE FROM ops.outbox WHERE topic = 'vendors.stock_availability_changed.v1' RETURNING key"
        )
        return sorted(row["key"] for row in rows)

    async def everything(self) -> dict[str, list[str]]:
        """All rows of this service and the outbox: equal before and after what must change nothing."""
        tables = ("vendors.vendors", "vendors.stock", "vendors.stock_movements", "vendors.reservations", "ops.outbox")
        return {
            table: sorted(str(row[0]) for row in await self.fetch(f"SELECT t::text FROM {table} t")) for table in tables
        }

    async def broken(self) -> list[Finding]:
        """What the checks of this service find."""
        async with self._pools[Role.migrator].acquire() as connection:
            return [finding for finding in await examine(connection, CHECKS) if finding.offenders]

    def count_queries(self) -> AbstractContextManager[list[str]]:
        """Collects the statements that the service sends meanwhile."""
        return counted_queries([self.app.state.database])

    async def _as(self, role: Role, sql: str, *values: object) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self._pools[role].fetch(sql, *values)
        return rows


@asynccontextmanager
async def open_stall(database: TestDatabase) -> AsyncIterator[Stall]:
    """The service on `database`, closed at the end."""
    app = create_app(Runtime.of(database.settings))
    async with AsyncExitStack() as closing:
        closing.push_async_callback(app.state.database.close)
        stall = Stall(database, app, closing)
        await stall.open()
        yield stall
