"""A small market around the orders service: vendors with goods, and the doors of everybody who may knock."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response

from ishop.auth import Principal, Signer
from ishop.doctor import Finding, examine
from ishop.service import Runtime
from ishop.settings import Role
from services.orders.app import create_app
from services.orders.checks import CHECKS
from services.vendors.checks import CHECKS as STOCK_CHECKS
from tests.counting import counted_queries
from tests.databases import TestDatabase

SHIP_TO = {
    "name": "Baiq Rahmawati",
    "phone": "+62 370 000111",
    "address": "Jl. Contoh 1, Ampenan",
    "region_code": "52.71",
    "postal_code": "83114",
}

ADD_VENDOR = """
INSERT INTO vendors.vendors (slug, name, description_id, description_en, status, region_code, latitude, longitude, nib,
    size_class, workers, pkp)
VALUES ($1, $2, '', '', $3, $4, -8.5, 116.25, $5, 'micro', 4, $6) RETURNING id
"""
ADD_GOODS = """
WITH commodity AS (
    INSERT INTO catalog.commodities (slug, category_slug, name_id, name_en, description_id, description_en, base_unit,
        certificate_rules, source)
    VALUES ($1, 'food', 'Gula', 'Sugar', '', '', 'kg', $4, 'test') RETURNING id
), product AS (
    INSERT INTO catalog.products
        (slug, vendor_id, commodity_id, name_id, name_en, description_id, description_en, status)
    SELECT $1, $2, id, 'Gula ' || $1, 'Sugar ' || $1, '', '', $3 FROM commodity RETURNING id
), sku AS (
    INSERT INTO catalog.skus (product_id, code, name, price, weight_grams, base_quantity, order_multiple, min_quantity)
    SELECT id, $1, '1 kg', $5, $6, 1, $7, $8 FROM product RETURNING id
), tiers AS (
    INSERT INTO catalog.price_tiers (sku_id, min_quantity, price)
    SELECT sku.id, t.min_quantity, t.price FROM sku, unnest($9::integer[], $10::bigint[]) AS t (min_quantity, price)
), stock AS (
    INSERT INTO vendors.stock (sku_id, vendor_id, on_hand) SELECT id, $2, $11 FROM sku RETURNING sku_id, on_hand
)
INSERT INTO vendors.stock_movements (sku_id, vendor_id, kind, on_hand_change, reserved_change)
SELECT sku_id, $2, 'opening', on_hand, 0 FROM stock RETURNING sku_id
"""


@dataclass(frozen=True)
class Vendor:
    """A producer and the door of its owner."""

    id: UUID
    name: str
    client: AsyncClient


class Shop:
    """The orders service on a database of its own. `first` is a vendor in 52.01, `second` one in 52.06 (Bima)."""

    first: Vendor
    second: Vendor
    hotel: UUID
    other_hotel: UUID
    requester: AsyncClient
    approver: AsyncClient
    receiver: AsyncClient
    finance: AsyncClient
    rival_hotel: AsyncClient
    unconfirmed: AsyncClient

    def __init__(
        self, database: TestDatabase, app: FastAPI, connection: asyncpg.Connection, clients: AsyncExitStack
    ) -> None:
        self.database = database
        self.app = app
        self._connection = connection
        self._clients = clients
        self._numbers = count(1)
        self._signer = Signer.from_settings(database.settings)
        self.consumer_id = uuid4()
        self.anonymous = self.client(None)
        self.consumer = self.client(Principal(self.consumer_id, confirmed=True))
        self.stranger = self.client(Principal(uuid4(), confirmed=True))
        self.office = self.client(Principal(uuid4(), roles=frozenset({"office"})))
        self.admin = self.client(Principal(uuid4(), roles=frozenset({"admin"})))

    async def open(self) -> None:
        """Register two vendors and two hotels and let their members in."""
        await self.fetch(
            "INSERT INTO catalog.categories (slug, name_id, name_en, position) VALUES ('food', 'Pangan', 'Food', 1)"
        )
        self.first = await self.add_vendor("Gula Lestari")
        self.second = await self.add_vendor("Kopi Bima", region="52.06")
        self.hotel = await self.add_organization("Hotel Senggigi", terms_days=30)
        self.other_hotel = await self.add_organization("Hotel Praya", terms_days=None)
        self.requester = await self.member("requester")
        self.approver = await self.member("approver")
        self.receiver = await self.member("receiver")
        self.finance = await self.member("finance")
        self.rival_hotel = await self.member("approver", self.other_hotel)
        self.unconfirmed = await self.member("approver", confirmed=False)

    def client(self, principal: Principal | None) -> AsyncClient:
        """A door for this caller; None is anonymous."""
        headers = {} if principal is None else {"Authorization": f"Bearer {self._signer.sign(principal)}"}
        client = AsyncClient(
            transport=ASGITransport(self.app), base_url="http://orders.test", headers=headers, timeout=120
        )
        self._clients.push_async_callback(client.aclose)
        return client

    async def member(self, role: str, organization: UUID | None = None, *, confirmed: bool = True) -> AsyncClient:
        """The door of a new member of an organization (the hotel where none is given)."""
        organization = organization or self.hotel
        user = uuid4()
        await self.fetch(
            "INSERT INTO orders.organization_members (organization_id, user_id, role) VALUES ($1, $2, $3)",
            organization,
            user,
            role,
        )
        return self.client(Principal(user, organizations={organization: role}, confirmed=confirmed))

    async def add_organization(self, name: str, *, terms_days: int | None) -> UUID:
        """A new hotel."""
        (row,) = await self.fetch(
            "INSERT INTO orders.organizations (slug, name, kind, region_code, terms_days)"
            " VALUES ($1, $2, 'hotel', '52.01', $3) RETURNING id",
            name.lower().replace(" ", "-"),
            name,
            terms_days,
        )
        return UUID(str(row["id"]))

    async def add_vendor(
        self, name: str, *, region: str = "52.01", pkp: bool = False, status: str = "active"
    ) -> Vendor:
        """A new vendor with a NIB that no other has."""
        number = next(self._numbers)
        nib = f"{9_120_001_000_000 + number}"
        (row,) = await self.fetch(ADD_VENDOR, f"vendor-{number}", name, status, region, nib, pkp)
        vendor_id = UUID(str(row["id"]))
        return Vendor(vendor_id, name, self.client(Principal(uuid4(), vendors={vendor_id: "owner"})))

    async def add_sku(
        self,
        price: int = 10_000,
        *,
        vendor: Vendor | None = None,
        stock: int = 100,
        tiers: Mapping[int, int] | None = None,
        weight: int = 1000,
        multiple: int = 1,
        minimum: int = 1,
        rules: Sequence[str] = (),
        status: str = "published",
    ) -> UUID:
        """A new product of one sku, by the first vendor where none is given."""
        tiers = tiers or {}
        (row,) = await self.fetch(
            ADD_GOODS,
            f"goods-{next(self._numbers)}",
            (vendor or self.first).id,
            status,
            list(rules),
            price,
            weight,
            multiple,
            minimum,
            list(tiers),
            list(tiers.values()),
            stock,
        )
        return UUID(str(row["sku_id"]))

    async def add_certificate(self, vendor: Vendor, kind: str, valid_until: date | None) -> None:
        """A certificate for all products of a vendor, valid since long ago."""
        await self.fetch(
            "INSERT INTO vendors.certificates (vendor_id, kind, number, valid_from, valid_until)"
            " VALUES ($1, $2, 'test', '2020-01-01', $3)",
            vendor.id,
            kind,
            valid_until,
        )

    async def post_order(
        self, client: AsyncClient, lines: Iterable[tuple[UUID | str, Any]], *, key: str | None = None, **more: Any
    ) -> Response:
        """Place a cash-on-delivery order; `more` replaces or adds fields of the body."""
        return await client.post("/v1/orders", json=order_body(lines, **more), headers=key_header(key))

    async def order(
        self, lines: Iterable[tuple[UUID | str, Any]], client: AsyncClient | None = None, **more: Any
    ) -> Any:
        """Place an order that must succeed (by the consumer where nobody is given), and return it."""
        answer = await self.post_order(client or self.consumer, lines, **more)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def pay(self, order: Mapping[str, Any], amount: int, *, reference: str | None = None) -> Response:
        """Record a payment as the office."""
        return await self.office.post(
            f"/v1/orders/{order['id']}/payments",
            json={"amount": {"amount": amount, "currency": "IDR"}, "reference": reference or f"ref-{uuid4()}"},
            headers=key_header(),
        )

    async def read(self, order: Mapping[str, Any], client: AsyncClient | None = None) -> Any:
        """The order as its buyer (or who is given) sees it now."""
        answer = await (client or self.consumer).get(f"/v1/orders/{order['id']}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def move(
        self, vendor: Vendor, order: Mapping[str, Any], action: str, body: Mapping[str, Any] | None = None
    ) -> Response:
        """Let a vendor do something with its part of an order."""
        (part,) = [one for one in order["vendor_orders"] if one["vendor_id"] == str(vendor.id)]
        return await vendor.client.post(f"/v1/vendor-orders/{part['id']}/{action}", json=body)

    async def level(self, sku: UUID) -> tuple[int, int]:
        """on_hand and reserved of a sku."""
        (row,) = await self.fetch("SELECT on_hand, reserved FROM vendors.stock WHERE sku_id = $1", sku)
        return row["on_hand"], row["reserved"]

    async def fetch(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """Rows of the database, read and written as the migrator: for set-up and proof."""
        rows: list[asyncpg.Record] = await self._connection.fetch(sql, *values)
        return rows

    async def everything(self) -> dict[str, list[str]]:
        """All that an order writes: equal before and after what must change nothing."""
        tables = ("orders", "vendor_orders", "order_lines", "transitions", "payments", "refunds")
        names = [f"orders.{table}" for table in tables]
        names += ["vendors.stock", "vendors.stock_movements", "vendors.reservations", "ops.outbox"]
        names.append("ops.idempotency_keys")
        return {
            name: sorted(str(row[0]) for row in await self.fetch(f"SELECT t::text FROM {name} t")) for name in names
        }

    async def broken(self) -> list[Finding]:
        """What the checks of orders and stock find."""
        found = await examine(self._connection, (*CHECKS, *STOCK_CHECKS))
        return [finding for finding in found if finding.offenders]

    def count_queries(self) -> AbstractContextManager[list[str]]:
        """Collects the statements that the service sends meanwhile."""
        return counted_queries([self.app.state.database])


def order_body(lines: Iterable[tuple[UUID | str, Any]], **more: Any) -> dict[str, Any]:
    """The body of an order."""
    wanted = [{"sku_id": str(sku), "quantity": quantity} for sku, quantity in lines]
    return {"lines": wanted, "ship_to": SHIP_TO, "payment_method": "cod", **more}


def key_header(key: str | None = None) -> dict[str, str]:
    """An Idempotency-Key, a new one where none is given."""
    return {"Idempotency-Key": key or str(uuid4())}


def rupiah(amount: int) -> dict[str, Any]:
    """An amount as it is answered."""
    return {"amount": amount, "currency": "IDR"}


async def all_at_once(*requests: Any) -> list[Response]:
    """Send requests together."""
    return list(await asyncio.gather(*requests))


@asynccontextmanager
async def open_shop(database: TestDatabase) -> AsyncIterator[Shop]:
    """The service on `database`, closed at the end."""
    app = create_app(Runtime.of(database.settings))
    connection = await database.connect(Role.migrator)
    async with AsyncExitStack() as clients:
        try:
            shop = Shop(database, app, connection, clients)
            await shop.open()
            yield shop
        finally:
            await connection.close()
            await app.state.database.close()
