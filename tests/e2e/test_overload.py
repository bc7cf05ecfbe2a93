"""Too much of everything at once: a flood of searches, and buyers who all wait for one locked row."""

import asyncio
from collections import Counter
from uuid import uuid4

from demo.accounts import PASSWORD
from demo.scenario import SHIP_TO
from ishop.settings import Role
from tests.markets import TestMarket

BUYERS, SEARCHES = 60, 600
ALLOWED = {200, 201, 409, 503}


async def test_reads_and_sign_in_go_on_while_writers_wait_and_searches_flood(market: TestMarket) -> None:
    consumer = await market.client("consumer@demo.test")
    products = (await market.anonymous.get("/v1/products", params={"in_stock": True})).json()["items"]
    sku = products[0]["skus"][0]
    order = {
        "lines": [{"sku_id": sku["id"], "quantity": max(sku["min_quantity"], sku["order_multiple"])}],
        "payment_method": "cod",
        "ship_to": SHIP_TO | {"postal_code": "83121"},
    }
    holder = await market.connect(Role.vendors)
    async with holder.transaction():
        await holder.execute("SELECT FROM vendors.stock WHERE sku_id = $1 FOR UPDATE", sku["id"])
        orders = [
            asyncio.create_task(consumer.post("/v1/orders", json=order, headers={"Idempotency-Key": str(uuid4())}))
            for _ in range(BUYERS)
        ]
        searches = [
            asyncio.create_task(market.anonymous.get("/v1/search/products", params={"q": f"gula {number}"}))
            for number in range(SEARCHES)
        ]
        form = {"grant_type": "password", "username": "vendor@demo.test", "password": PASSWORD}
        signed_in = asyncio.create_task(market.anonymous.post("/v1/auth/token", data=form))
        reads = [
            asyncio.create_task(consumer.get(path))
            for path in ("/healthz", "/readyz", "/v1/products", "/v1/orders", "/v1/vendors", "/v1/me") * 5
        ]
        assert {(await read).status_code for read in reads} == {200}
        assert (await signed_in).status_code == 200
        # All of that was answered before anybody got the row.
        assert not any(one.done() and one.result().status_code == 201 for one in orders)
    await holder.close()

    found = Counter([(await search).status_code for search in searches])
    refused = [search.result().json()["code"] for search in searches if search.result().status_code == 503]
    assert set(found) <= {200, 503}
    assert found[200] >= 200
    assert found[503] > 0
    assert set(refused) <= {"overloaded"}
    placed = Counter([(await one).status_code for one in orders])
    assert set(placed) <= ALLOWED
    assert placed[201] > 0
    assert await market.broken() == []
