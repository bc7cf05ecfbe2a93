"""Nothing is oversold: five hundred buyers at the gateway's door want the same hundred units."""

import asyncio
from collections import Counter
from uuid import uuid4

from ishop.settings import Role
from tests.markets import TestMarket

BUYERS, UNITS = 500, 100
SHIP_TO = {"name": "Siti", "phone": "081234567890", "address": "Jl. Pejanggik 1", "region_code": "52.71"}


async def test_five_hundred_buyers_get_the_hundred_units_and_no_more(market: TestMarket) -> None:
    vendor, consumer = await market.client("vendor@demo.test"), await market.client("consumer@demo.test")
    seller = (await vendor.get("/v1/me")).json()["vendors"][0]["id"]
    products = (await market.anonymous.get("/v1/products", params={"vendor": seller, "in_stock": True})).json()["items"]
    sku = next(
        s for p in products for s in p["skus"] if s["in_stock"] and s["order_multiple"] == s["min_quantity"] == 1
    )
    stock = (await vendor.get(f"/v1/stock/{sku['id']}")).json()
    counted = await vendor.patch(f"/v1/stock/{sku['id']}", json={"count": UNITS, "expected_version": stock["version"]})
    assert counted.status_code == 200, counted.text
    order = {
        "lines": [{"sku_id": sku["id"], "quantity": 1}],
        "payment_method": "manual_transfer",
        "ship_to": SHIP_TO | {"postal_code": "83121"},
    }

    answers = await asyncio.gather(
        *(consumer.post("/v1/orders", json=order, headers={"Idempotency-Key": str(uuid4())}) for _ in range(BUYERS))
    )

    assert Counter(answer.status_code for answer in answers) == {201: UNITS, 409: BUYERS - UNITS}
    refused = [answer.json() for answer in answers if answer.status_code == 409]
    assert {problem["code"] for problem in refused} == {"insufficient_stock"}
    nothing_left = [("/lines/0", sku["id"], 1, 0)]
    told = [
        [(error["pointer"], error["sku_id"], error["requested"], error["available"]) for error in problem["errors"]]
        for problem in refused
    ]
    assert told == [nothing_left] * len(refused)
    after = (await vendor.get(f"/v1/stock/{sku['id']}")).json()
    assert (after["on_hand"], after["reserved"], after["available"]) == (UNITS, UNITS, 0)
    assert await market.broken() == []

    await market.work()
    listed = (await market.anonymous.get("/v1/products", params={"vendor": seller, "limit": 100})).json()["items"]
    assert [s["in_stock"] for p in listed for s in p["skus"] if s["id"] == sku["id"]] == [False]


async def test_a_worker_killed_before_it_indexed_loses_nothing(market: TestMarket) -> None:
    """The change waits in the outbox of the order's own transaction; taking it and dying puts it back."""
    vendor, consumer = await market.client("vendor@demo.test"), await market.client("consumer@demo.test")
    seller = (await vendor.get("/v1/me")).json()["vendors"][0]["id"]
    products = (await market.anonymous.get("/v1/products", params={"vendor": seller, "in_stock": True})).json()["items"]
    product = products[0]
    sku, *others = product["skus"]
    quantity = max(sku["min_quantity"], sku["order_multiple"])
    for one, count in [(sku, quantity), *((other, 0) for other in others)]:
        stock = (await vendor.get(f"/v1/stock/{one['id']}")).json()
        change = {"count": count, "expected_version": stock["version"]}
        assert (await vendor.patch(f"/v1/stock/{one['id']}", json=change)).status_code == 200
    await market.work()
    placed = await consumer.post(
        "/v1/orders",
        json={
            "lines": [{"sku_id": sku["id"], "quantity": quantity}],
            "payment_method": "cod",
            "ship_to": SHIP_TO | {"postal_code": "83121"},
        },
        headers={"Idempotency-Key": "last"},
    )
    assert placed.status_code == 201, placed.text

    worker = await market.connect(Role.worker)
    transaction = worker.transaction()
    await transaction.start()
    assert await worker.execute("DELETE FROM ops.outbox") == "DELETE 1"
    worker.terminate()

    found = {"q": product["name"], "in_stock": True, "vendor": product["vendor"]["id"]}
    await market.work()
    hits = (await market.anonymous.get("/v1/search/products", params=found)).json()["hits"]
    assert product["id"] not in {hit["id"] for hit in hits}
    assert await market.broken() == []
