"""Buyers and twins at other processes of the service: what only the database can settle between them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest
from httpx import ASGITransport, AsyncClient

from ishop.service import Runtime
from ishop.settings import Role
from services.orders.app import create_app
from tests.orders.shops import Shop, all_at_once

RESERVE = "SELECT * FROM vendors.reserve_v1($1, $2, $3)"
CLAIM = "SELECT claimed FROM ops.claim_v3($1, $2, '\\x00', 201, '{}', 'first')"
WAITING = (
    "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
    " WHERE NOT l.granted AND a.datname = current_database()"
)


@asynccontextmanager
async def process(shop: Shop) -> AsyncIterator[AsyncClient]:
    """The consumer's door to one more process of the service, with connections of its own."""
    app = create_app(Runtime.of(shop.database.settings))
    try:
        async with AsyncClient(
            transport=ASGITransport(app), base_url="http://orders.test", headers=shop.consumer.headers, timeout=120
        ) as client:
            yield client
    finally:
        await app.state.database.close()


@asynccontextmanager
async def somebody_else(shop: Shop) -> AsyncIterator[asyncpg.Connection]:
    """The transaction of an order that is being placed elsewhere; committed at the end."""
    connection = await shop.database.connect(Role.orders)
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()


async def until_one_waits(shop: Shop) -> None:
    """Return when somebody waits for a lock in this database."""
    async with asyncio.timeout(10):
        while not (await shop.fetch(WAITING))[0][0]:
            pass  # The round trip is pause enough.


class TestHotSku:
    async def test_is_sold_exactly_over_sixty_four_connections(self, shop: Shop) -> None:
        sku = await shop.add_sku(stock=150)
        async with AsyncExitStack() as stack:
            # Sixteen connections of each are lent to writers.
            doors = [await stack.enter_async_context(process(shop)) for _ in range(4)]
            answers = await all_at_once(*(shop.post_order(doors[n % 4], [(sku, 1)]) for n in range(320)))
        assert Counter(answer.status_code for answer in answers) == {201: 150, 409: 170}
        assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"insufficient_stock"}
        assert await shop.level(sku) == (150, 150)
        assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 150
        assert (await shop.fetch("SELECT count(*) FROM orders.orders"))[0][0] == 150
        assert (await shop.fetch("SELECT count(*) FROM ops.idempotency_keys"))[0][0] == 150
        assert await shop.broken() == []

    @pytest.mark.parametrize("beside", [0, 1])
    async def test_is_refused_to_who_comes_second_for_the_last_unit(self, shop: Shop, beside: int) -> None:
        plenty = [(await shop.add_sku(), 2)] * beside
        last = await shop.add_sku(stock=1)
        async with somebody_else(shop) as other:
            await other.fetch(RESERVE, [uuid4()], [last], [1])
            # What the other takes is not committed, so the quote still sees it; the lock and a fresh snapshot decide.
            late = asyncio.create_task(shop.post_order(shop.consumer, [*plenty, (last, 1)], key="late"))
            await until_one_waits(shop)
        answer = await late
        assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_stock")
        assert answer.json()["errors"] == [
            {
                "pointer": f"/lines/{beside}",
                "code": "insufficient_stock",
                "sku_id": str(last),
                "requested": 1,
                "available": 0,
            }
        ]
        assert await shop.level(last) == (1, 1)
        for sku, _ in plenty:
            assert await shop.level(sku) == (100, 0)
        for table in ("orders.orders", "orders.vendor_orders", "orders.transitions", "ops.idempotency_keys"):
            assert await shop.fetch(f"SELECT 1 FROM {table}") == []
        await shop.fetch("UPDATE vendors.stock SET on_hand = on_hand + 1")
        assert (await shop.post_order(shop.consumer, [*plenty, (last, 1)], key="late")).status_code == 201


class TestTwins:
    async def test_at_two_processes_are_one_order(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        async with process(shop) as here, process(shop) as there:
            for number in range(20):
                twins = await all_at_once(
                    *(shop.post_order(door, [(sku, 2)], key=f"twin-{number}") for door in (here, there))
                )
                assert [twin.status_code for twin in twins] == [201, 201]
                assert twins[0].content == twins[1].content
                assert [twin.headers.get("idempotency-replayed") for twin in twins].count("true") == 1
        assert await shop.level(sku) == (100, 40)
        assert (await shop.fetch("SELECT count(*) FROM orders.orders"))[0][0] == 20
        assert await shop.broken() == []

    async def test_is_told_to_come_back_when_the_first_takes_too_long(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        async with somebody_else(shop) as first:
            assert await first.fetchval(CLAIM, str(shop.consumer_id), "one")
            before = await shop.everything()
            answer = await shop.post_order(shop.consumer, [(sku, 1)], key="one")
            assert (answer.status_code, answer.json()["code"]) == (409, "request_in_flight")
            assert int(answer.headers["retry-after"]) >= 1
            assert await shop.everything() == before
        answer = await shop.post_order(shop.consumer, [(sku, 1)], key="one")
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
        assert await shop.level(sku) == (100, 0)
