"""Hands that change what search has to follow: stock through the API, everything else where no route is yet through the
tables, as the service's own role and with the row of the outbox that its transaction writes.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import asyncpg

from benchmarks.faults.traffic import CONSUMER, SECOND_VENDOR, SHIP_TO, TRY_AGAIN_SECONDS, VENDOR, Call, Traffic
from benchmarks.grounds import GroundsFailed
from ishop.settings import Role, Settings

HANDS: Final = 6
OF_ACCOUNTS: Final[Mapping[str, int]] = {"stock": 6, "price": 1, "name": 1}
OF_OTHERS: Final[Mapping[str, int]] = {"price": 3, "name": 2, "status": 2, "vendor": 1, "certificate": 3}
"""What a hand changes and how often, of vendors that somebody signs in for and of all others."""
SETTLED_SECONDS: Final = 300.0
LOST: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

Statements = Sequence[tuple[str, tuple[object, ...]]]

PRICE: Final = "UPDATE catalog.skus SET price = $2 WHERE id = $1::text::uuid"
NAME: Final = """
UPDATE catalog.products SET name_id = $2, name_en = $2 || ' (en)', version = version + 1 WHERE id = $1::text::uuid
"""
STATUS: Final = "UPDATE catalog.products SET status = $2, version = version + 1 WHERE id = $1::text::uuid"
REFRESHED: Final = """
SELECT ops.emit_v1('catalog.product_changed.v1',
    ARRAY(SELECT changed::text FROM catalog.refresh_documents(ARRAY[$1::text::uuid]) AS changed), NULL)
"""
VENDOR_NAME: Final = "UPDATE vendors.vendors SET name = $2, version = version + 1 WHERE id = $1::text::uuid"
VENDOR_STATUS: Final = "UPDATE vendors.vendors SET status = $2, version = version + 1 WHERE id = $1::text::uuid"
REVOKED: Final = "UPDATE vendors.certificates SET revoked_at = now() WHERE id = $1::text::uuid"
EXPIRED: Final = """
UPDATE vendors.certificates SET valid_from = least(valid_from, current_date - 30), valid_until = current_date - 3
WHERE id = $1::text::uuid
"""
RENEWED: Final = """
UPDATE vendors.certificates SET revoked_at = NULL, valid_until = current_date + $2::integer WHERE id = $1::text::uuid
"""
HEARD: Final = "SELECT ops.emit_v1('vendors.vendor_changed.v1', ARRAY[$1::text], NULL)"

OWNED: Final = """
SELECT p.id::text AS product, p.vendor_id::text AS vendor, c.slug AS commodity,
    ARRAY(SELECT s.id::text FROM catalog.skus s WHERE s.product_id = p.id AND s.active ORDER BY s.id) AS skus,
    ARRAY(SELECT x.id::text FROM vendors.certificates x WHERE x.vendor_id = p.vendor_id AND x.kind <> 'NIB'
          AND (x.product_id IS NULL OR x.product_id = p.id) ORDER BY x.id) AS certificates
FROM catalog.products p JOIN catalog.commodities c ON c.id = p.commodity_id
WHERE p.status = 'published' ORDER BY p.vendor_id, p.id
"""


@dataclass(frozen=True, slots=True)
class Product:
    """What a hand may change of a product, and where it is found."""

    id: str
    vendor: str
    commodity: str
    skus: Sequence[str]
    certificates: Sequence[str]


@dataclass(frozen=True, slots=True)
class Ground:
    """The market under proof: how its services reach its tables and Meilisearch, and its tables as the superuser."""

    settings: Settings
    database: str


@dataclass
class Hand:
    """Changes products of vendors that no other hand touches, one after the other, each until it is accepted."""

    ground: Ground
    traffic: Traffic
    number: int
    products: Sequence[Product]
    account: str | None
    """Who changes the stock of the products, through the API; None for vendors that nobody signs in for."""
    random: Random
    changed: dict[str, int] = field(default_factory=dict)
    """How many changes of each kind were accepted."""
    watched: set[str] = field(default_factory=set)
    """What is left alone meanwhile: a product of an account's vendor, or a vendor with all that it sells."""
    _made: int = 0
    _sold: dict[str, str] = field(default_factory=dict)
    """The orders that bought a sku out."""
    _taken: dict[str, int] = field(default_factory=dict)
    """How many of a sku its vendor has counted away."""

    def choose(self) -> tuple[str, Product]:
        """A kind of change and a product to make it of."""
        kinds = OF_ACCOUNTS if self.account else OF_OTHERS
        free = [product for product in self.products if self.apart(product) not in self.watched]
        return self.random.choices(list(kinds), list(kinds.values()))[0], self.random.choice(free or self.products)

    def apart(self, product: Product) -> str:
        """What must stay as it is while a change of this product is watched."""
        return product.id if self.account else product.vendor

    async def change(self, kind: str, product: Product) -> float:
        """Change it; the moment when that was accepted."""
        self._made += 1
        if kind == "stock":
            await self._stock(self.random.choice(product.skus), self._made)
        elif kind in ("price", "name", "status"):
            await self._commit(Role.catalog, [*self._of_product(kind, product), (REFRESHED, (product.id,))])
        else:
            await self._commit(Role.vendors, [*self._of_vendor(kind, product), (HEARD, (product.vendor,))])
        self.changed[kind] = self.changed.get(kind, 0) + 1
        return time.monotonic()

    def _of_product(self, kind: str, product: Product) -> Statements:
        if kind == "price":
            return [(PRICE, (self.random.choice(product.skus), self.random.randrange(1_000, 900_000)))]
        if kind == "name":
            return [(NAME, (product.id, f"Barang Uji {self.number}-{self._made}"))]
        return [(STATUS, (product.id, self.random.choice(("published", "published", "suspended", "archived"))))]

    def _of_vendor(self, kind: str, product: Product) -> Statements:
        if kind == "certificate" and product.certificates:
            certificate = self.random.choice(product.certificates)
            days = self.random.randrange(1, 700)
            return [
                self.random.choice(
                    ((REVOKED, (certificate,)), (EXPIRED, (certificate,)), (RENEWED, (certificate, days)))
                )
            ]
        if self.random.random() < 0.5:
            return [(VENDOR_NAME, (product.vendor, f"Rumah Uji {self.number}-{self._made}"))]
        return [(VENDOR_STATUS, (product.vendor, self.random.choice(("active", "active", "suspended"))))]

    async def _stock(self, sku: str, number: int) -> None:
        """What is there is bought or counted away; what was goes back. Another change may be begun meanwhile, so what
        it is known by is this one's own `number`.
        """
        if order := self._sold.pop(sku, None):
            path = f"/v1/orders/{order}/cancel"
            await self._settled(Call("orders", "POST", path, CONSUMER, f"back-{order}", {}))
            return
        if units := self._taken.pop(sku, 0):
            await self._delta(sku, units, number)
            return
        stock = await self._settled(Call("vendors", "GET", f"/v1/stock/{sku}", self.account))
        if stock["available"] == 0:
            await self._delta(sku, 6, number)
        elif self.random.random() < 0.5:
            await self._buy(sku, stock["available"], number)
        else:
            await self._delta(sku, -stock["available"], number)
            self._taken[sku] = stock["available"]

    async def _buy(self, sku: str, units: int, number: int) -> None:
        key = f"out-{self.number}-{number}"
        lines = [{"sku_id": sku, "quantity": units}]
        ship_to = {**SHIP_TO, "address": "Jl. Contoh 1"}
        body = {"lines": lines, "payment_method": "cod", "ship_to": ship_to}
        settled_by = frozenset({201, 422})  # Not every number of packs can be ordered.
        answer = await self._settled(Call("orders", "POST", "/v1/orders", CONSUMER, key, body, settled_by=settled_by))
        if "number" in answer:
            self._sold[sku] = answer["id"]
        else:
            await self._delta(sku, -units, number)
            self._taken[sku] = units

    async def _delta(self, sku: str, units: int, number: int) -> None:
        change = {"delta": units, "device_id": f"hand-{self.number}", "sequence": number}
        await self._settled(Call("vendors", "PATCH", f"/v1/stock/{sku}", self.account, body=change))

    async def _settled(self, call: Call) -> Mapping[str, Any]:
        until = time.monotonic() + SETTLED_SECONDS
        while time.monotonic() < until:
            found = await self.traffic.attempt(call)
            if found is not None:
                body: Mapping[str, Any] = found[1]
                return body
            await asyncio.sleep(TRY_AGAIN_SECONDS)
        raise GroundsFailed(f"{call.method} {call.path} was not answered: {self.traffic.failures[-1].kind}")

    async def _commit(self, role: Role, statements: Statements) -> None:
        """Run the statements in one transaction, and again where it is not known whether it was committed: doing them
        twice changes nothing."""
        until = time.monotonic() + SETTLED_SECONDS
        while True:
            try:
                connection = await asyncpg.connect(self.ground.settings.database_dsn(role), timeout=5)
                try:
                    async with connection.transaction():
                        for statement, values in statements:
                            await connection.execute(statement, *values)
                finally:
                    await connection.close(timeout=5)
            except LOST:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(TRY_AGAIN_SECONDS)
            else:
                return


async def hands(ground: Ground, traffic: Traffic, seed: int | None = None) -> list[Hand]:
    """Hands that share out all vendors; the first two have those that somebody signs in for."""
    connection = await asyncpg.connect(ground.database)
    try:
        rows = await connection.fetch(OWNED)
    finally:
        await connection.close()
    products = [Product(*row) for row in rows]
    accounts = (VENDOR, SECOND_VENDOR)
    signed_in = [await traffic.vendor_of(account) for account in accounts]
    others = sorted({product.vendor for product in products} - set(signed_in))
    shares = [[vendor] for vendor in signed_in]
    shares += [others[place :: HANDS - len(accounts)] for place in range(HANDS - len(accounts))]
    return [
        Hand(
            ground,
            traffic,
            number,
            [product for product in products if product.vendor in share],
            accounts[number] if number < len(accounts) else None,
            Random(None if seed is None else seed + number),  # noqa: S311 - it decides which change comes next.
        )
        for number, share in enumerate(shares)
    ]
