"""Idempotency keys: claimed with the work, given up with it, and of one caller and one request only."""

import asyncio
from typing import Any
from uuid import uuid4

from ishop.settings import Role
from tests.databases import TestDatabase

CLAIM = "SELECT * FROM ops.claim_v1($1, $2, $3)"
ANSWER = "SELECT ops.answer_v1($1, $2, 201, '{}', $3)"


async def claim(connection: Any, key: str, request: bytes = b"one", principal: str = "ani") -> Any:
    return await connection.fetchrow(CLAIM, principal, key, request)


class TestClaim:
    async def test_the_second_gets_the_first_answer(self, database: TestDatabase) -> None:
        connection = await database.connect(Role.orders)
        async with connection.transaction():
            assert (await claim(connection, "k"))["claimed"]
            await connection.fetchval(ANSWER, "ani", "k", b"the answer")
        again = await claim(connection, "k")
        assert (again["claimed"], again["same_request"], again["status"], again["body"]) == (
            False, True, 201, b"the answer",
        )  # fmt: skip
        await connection.close()

    async def test_nothing_of_the_answer_is_told_when_the_request_is_another(self, database: TestDatabase) -> None:
        connection = await database.connect(Role.orders)
        async with connection.transaction():
            await claim(connection, "k")
            await connection.fetchval(ANSWER, "ani", "k", b"the answer")
        await connection.close()
        other = await database.connect(Role.catalog)
        refused = await claim(other, "k", b"two")
        assert (refused["claimed"], refused["same_request"], refused["status"], refused["body"]) == (
            False, False, None, None,
        )  # fmt: skip
        await other.close()

    async def test_free_again_when_the_first_was_rolled_back(self, database: TestDatabase) -> None:
        connection = await database.connect(Role.orders)
        transaction = connection.transaction()
        await transaction.start()
        assert (await claim(connection, "k"))["claimed"]
        await transaction.rollback()
        assert (await claim(connection, "k"))["claimed"]
        await connection.close()

    async def test_a_key_belongs_to_its_principal(self, database: TestDatabase) -> None:
        connection = await database.connect(Role.orders)
        assert (await claim(connection, "k", principal="ani"))["claimed"]
        assert (await claim(connection, "k", principal="budi"))["claimed"]
        await connection.close()


class TestTwins:
    async def test_409_when_a_twin_in_another_process_takes_longer_than_two_seconds(self, market: Any) -> None:
        """Another process is another connection that holds the claim; the caller is told to come back."""
        consumer = await market.client("consumer@demo.test")
        me = (await consumer.get("/v1/me")).json()["id"]
        key = str(uuid4())
        elsewhere = await market.connect(Role.orders)
        transaction = elsewhere.transaction()
        await transaction.start()
        await claim(elsewhere, key, principal=me)
        waiting = asyncio.create_task(
            consumer.post("/v1/orders", json=await order(market), headers={"Idempotency-Key": key})
        )
        answer = await waiting
        assert (answer.status_code, answer.json()["code"]) == (409, "request_in_flight")
        assert answer.headers["Retry-After"] == "2"
        await transaction.rollback()
        await elsewhere.close()
        again = await consumer.post("/v1/orders", json=await order(market), headers={"Idempotency-Key": key})
        assert again.status_code == 201
        assert len(await market.fetch("SELECT FROM orders.orders")) == 1

    async def test_one_order_through_the_gateway_when_two_hundred_are_sent_at_once(self, market: Any) -> None:
        consumer = await market.client("consumer@demo.test")
        body, key = await order(market), str(uuid4())
        answers = await asyncio.gather(
            *(consumer.post("/v1/orders", json=body, headers={"Idempotency-Key": key}) for _ in range(200))
        )
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 199
        assert len(await market.fetch("SELECT FROM orders.orders")) == 1
        assert await market.broken() == []

    async def test_a_patch_sent_again_with_its_key_is_done_once(self, market: Any) -> None:
        vendor = await market.client("vendor@demo.test")
        row = (await vendor.get("/v1/stock", params={"limit": 1})).json()["items"][0]
        change = {"count": row["on_hand"] + 5, "expected_count": row["on_hand"]}
        first, again = [
            await vendor.patch(f"/v1/stock/{row['sku_id']}", json=change, headers={"Idempotency-Key": "p"})
            for _ in range(2)
        ]
        assert (first.status_code, again.status_code) == (200, 200)
        assert again.content == first.content
        assert again.headers["Idempotency-Replayed"] == "true"


async def order(market: Any) -> dict[str, Any]:
    """An order of one pack that is in stock."""
    products = (await market.anonymous.get("/v1/products", params={"in_stock": True})).json()["items"]
    sku = next(s for p in products for s in p["skus"] if s["in_stock"] and s["min_quantity"] == 1)
    return {
        "lines": [{"sku_id": sku["id"], "quantity": sku["order_multiple"]}],
        "payment_method": "cod",
        "ship_to": {
            "name": "Siti", "phone": "081234567890", "address": "Jl. Pejanggik 1",
            "region_code": "52.71", "postal_code": "83121",
        },
    }  # fmt: skip
