"""A migration runs while the version before it serves: neither keeps the other waiting for long, nothing fails."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic import command
from alembic.config import Config
from httpx import AsyncClient, Response

from ishop import migrations, revisions
from ishop.settings import Role
from tests.markets import TestMarket
from tests.modes import MODES

ORDERS = 20
"""So many are placed while the revision comes and goes, again and again."""

REVISION = '''
"""Expands the two tables that every order writes to; each statement needs them for itself alone."""

from alembic import op

from migrations.helpers import owner

revision = "{revision}"
down_revision = "{down_revision}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with owner("orders"):
        op.execute("ALTER TABLE orders.orders ADD COLUMN note text, ADD COLUMN gift boolean NOT NULL DEFAULT false")
    with owner("vendors"):
        op.execute("ALTER TABLE vendors.stock ADD COLUMN shelf text")


def downgrade() -> None:
    with owner("vendors"):
        op.execute("ALTER TABLE vendors.stock DROP COLUMN shelf")
    with owner("orders"):
        op.execute("ALTER TABLE orders.orders DROP COLUMN note, DROP COLUMN gift")
'''


@pytest.fixture
def newer(tmp_path: Path) -> Callable[[TestMarket], Config]:
    """The revisions of the next version: one more than this code knows."""

    def configured(market: TestMarket) -> Config:
        config = migrations.configure(market.database.dsn(Role.migrator))
        text = REVISION.format(revision="next", down_revision=revisions.head())
        (tmp_path / "2099-01-01-0000_next.py").write_text(text.lstrip())
        versions = Path(config.get_main_option("script_location") or "") / "versions"
        config.set_main_option("version_locations", f"{versions}:{tmp_path}")
        return config

    return configured


async def order_of(market: TestMarket) -> dict[str, Any]:
    """An order of one unit that can be placed as often as the test likes."""
    vendor = await market.client("vendor@demo.test")
    seller = (await vendor.get("/v1/me")).json()["vendors"][0]["id"]
    products = (await market.anonymous.get("/v1/products", params={"vendor": seller, "in_stock": True})).json()["items"]
    sku = next(
        s for p in products for s in p["skus"] if s["in_stock"] and s["order_multiple"] == s["min_quantity"] == 1
    )
    more = {"delta": 100_000, "device_id": "test", "sequence": 1}
    assert (await vendor.patch(f"/v1/stock/{sku['id']}", json=more)).status_code == 200
    ship_to = {"name": "Siti", "phone": "081234567890", "address": "Jl. Pejanggik 1", "region_code": "52.71"}
    return {
        "lines": [{"sku_id": sku["id"], "quantity": 1}],
        "payment_method": "cod",
        "ship_to": ship_to | {"postal_code": "83121"},
    }


async def place(consumer: AsyncClient, order: dict[str, Any]) -> Response:
    return await consumer.post("/v1/orders", json=order, headers={"Idempotency-Key": str(uuid4())})


@pytest.mark.parametrize("market", MODES, indirect=True)
async def test_traffic_meets_nothing_but_clean_refusals(
    market: TestMarket, newer: Callable[[TestMarket], Config]
) -> None:
    config, consumer, order = newer(market), await market.client("consumer@demo.test"), await order_of(market)
    migrated = asyncio.Event()
    answers: list[Response] = []

    async def call(ask: Callable[[], Any]) -> None:
        while not migrated.is_set():
            answers.append(await ask())
            await asyncio.sleep(0.02)

    asks: list[Callable[[], Any]] = [
        lambda: place(consumer, order),
        lambda: consumer.get("/v1/orders"),
        lambda: market.anonymous.get("/v1/products"),
        lambda: market.anonymous.get("/v1/search/products", params={"q": "gula"}),
    ]
    calling = [asyncio.create_task(call(ask)) for ask in asks * 2]
    try:
        while sum(answer.status_code == 201 for answer in answers) < ORDERS:
            await asyncio.to_thread(command.upgrade, config, "next")
            await asyncio.to_thread(command.downgrade, config, "-1")
    finally:
        migrated.set()
        await asyncio.gather(*calling)

    refused = [answer for answer in answers if answer.status_code not in {200, 201}]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} <= {(503, "unavailable")}
    assert all("retry-after" in answer.headers for answer in refused)
    placed = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert {str(row["id"]) for row in await market.fetch("SELECT id FROM orders.orders")} == placed
    assert [(await ask()).is_success for ask in asks[1:]] == [True] * 3
    assert await market.broken() == []


async def test_a_busy_table_is_waited_for_without_keeping_orders_out(
    market: TestMarket, newer: Callable[[TestMarket], Config]
) -> None:
    config, consumer, order = newer(market), await market.client("consumer@demo.test"), await order_of(market)
    report = await market.connect(Role.migrator)
    reading = report.transaction()
    await reading.start()
    await report.fetch("SELECT count(*) FROM orders.orders")  # A long report keeps the table from being altered.
    upgrading = asyncio.create_task(asyncio.to_thread(command.upgrade, config, "next"))
    try:
        placed: list[int] = []
        while len(placed) < 3:
            placed.append((await place(consumer, order)).status_code)
            await asyncio.sleep(0.5)
        assert placed == [201, 201, 201]
        assert not upgrading.done()
    finally:
        await reading.rollback()
        await report.close()
        await upgrading
    assert await market.fetch("SELECT note FROM orders.orders LIMIT 1") != []
