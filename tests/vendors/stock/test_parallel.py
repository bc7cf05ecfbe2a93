"""Stock under many hands at once, on real connections: nothing oversold, nothing lost, no deadlock."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from httpx import Response

from ishop.settings import Role
from tests.vendors.stalls import RELEASE, RESERVE, SHIP, Stall

CONNECTIONS = 16


@asynccontextmanager
async def till(stall: Stall) -> AsyncIterator[asyncpg.Pool]:
    """Connections of the orders service. A deadlock would raise asyncpg.DeadlockDetectedError from one of them."""
    async with asyncpg.create_pool(stall.database.dsn(Role.orders), min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        yield pool


async def buy(pool: asyncpg.Pool, lines: Sequence[tuple[UUID, int]]) -> UUID | None:
    """Reserve as an order does, last in its transaction; the vendor order, or None when something was short."""
    order = uuid4()
    skus, quantities = [sku for sku, _ in lines], [quantity for _, quantity in lines]
    async with pool.acquire() as connection, connection.transaction():
        short = await connection.fetch(RESERVE, [order] * len(lines), skus, quantities)
    return None if short else order


def basket(chance: random.Random, skus: Sequence[UUID]) -> list[tuple[UUID, int]]:
    """Some lines in any order, now and then two of one sku."""
    return [(sku, chance.randint(1, 3)) for sku in chance.choices(skus, k=chance.randint(1, 8))]


async def held(stall: Stall) -> dict[UUID, int]:
    """What open vendor orders hold of each sku."""
    rows = await stall.fetch(
        "SELECT sku_id, sum(quantity) AS quantity FROM vendors.reservations WHERE state = 'held' GROUP BY sku_id"
    )
    return {row["sku_id"]: int(row["quantity"]) for row in rows}


class TestReserve:
    async def test_sells_exactly_what_is_there_when_500_buy_one_of_100(self, stall: Stall) -> None:
        sku = await stall.add_stock(100)
        async with till(stall) as pool:
            sold = await asyncio.gather(*(buy(pool, [(sku, 1)]) for _ in range(500)))
        assert sum(order is not None for order in sold) == 100
        assert await stall.level(sku) == (100, 100, 0, 1)
        assert len(await stall.movements(sku)) == 100
        assert await stall.take_emitted() == [str(sku)]
        assert await stall.broken() == []

    async def test_never_deadlocks_when_64_buyers_take_overlapping_skus(self, stall: Stall) -> None:
        skus = [await stall.add_stock(100) for _ in range(12)]
        chance = random.Random(3)  # noqa: S311 - seeded, so that a failure comes again.
        baskets = [[basket(chance, skus) for _ in range(8)] for _ in range(64)]

        async with till(stall) as pool:

            async def shop(wanted: list[list[tuple[UUID, int]]]) -> int:
                sold = 0
                for lines in wanted:
                    if await buy(pool, lines) is not None:
                        sold += sum(quantity for _, quantity in lines)
                return sold

            sold = sum(await asyncio.gather(*map(shop, baskets)))
        now_held = await held(stall)
        assert sum(now_held.values()) == sold
        assert all(100 - 3 * 8 < quantity <= 100 for quantity in now_held.values())
        assert await stall.broken() == []


class TestEndingReservations:
    async def test_ends_each_once_when_releases_and_shipments_race(self, stall: Stall) -> None:
        skus = [await stall.add_stock(1000) for _ in range(6)]
        orders = [uuid4() for _ in range(20)]
        for order in orders:
            await stall.reserve(order, [(sku, 2) for sku in skus])

        async with till(stall) as pool:

            async def end(number: int) -> int:
                order = orders[number % len(orders)]
                if number % 3 == 0:
                    return int(await pool.fetchval(SHIP, order))
                # Whole heaps of orders at once, as an expiry does, and each more than once.
                several = [order, orders[(number * 7) % len(orders)]]
                return int(await pool.fetchval(RELEASE, several, number % 3 == 1))

            ended = await asyncio.gather(*map(end, range(120)))
        assert sum(ended) == len(orders) * len(skus)
        assert await held(stall) == {}
        assert {(await stall.level(sku))[1] for sku in skus} == {0}
        assert await stall.broken() == []


class TestVendorChanges:
    async def test_takes_every_delta_once_when_all_come_at_once(self, stall: Stall) -> None:
        sku = await stall.add_stock(100)

        async def sell(sequence: int) -> Response:
            body = {"delta": -1, "device_id": "phone", "sequence": sequence % 40}
            return await stall.owner.patch(f"/v1/stock/{sku}", json=body)

        answers = await asyncio.gather(*map(sell, range(80)))
        assert Counter(answer.json()["status"] for answer in answers) == {"applied": 40, "duplicate": 40}
        assert await stall.level(sku) == (60, 0, 0, 41)
        assert await stall.broken() == []

    async def test_takes_one_count_when_several_are_based_on_the_same_version(self, stall: Stall) -> None:
        sku = await stall.add_stock(100)

        async def count(number: int) -> Response:
            return await stall.owner.patch(f"/v1/stock/{sku}", json={"count": number, "expected_version": 1})

        answers = await asyncio.gather(*map(count, range(20)))
        assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 19}
        (winner,) = (answer.json()["on_hand"] for answer in answers if answer.status_code == 200)
        assert await stall.level(sku) == (winner, 0, 0, 2)

    async def test_makes_a_batch_once_when_it_is_sent_several_times_at_once(self, stall: Stall) -> None:
        sku = await stall.add_stock(100)
        batch = {"mode": "partial", "rows": [{"sku_id": str(sku), "count": 90, "expected_version": 1}]}

        async def send(_: int) -> Response:
            return await stall.owner.post("/v1/stock/batch", json=batch, headers={"Idempotency-Key": "key-1"})

        answers = await asyncio.gather(*map(send, range(20)))
        assert {answer.content for answer in answers} == {answers[0].content}
        assert answers[0].json()["results"][0]["status"] == "applied"
        assert await stall.movements(sku) == [("count", -10, 0)]

    async def test_is_503_and_then_a_duplicate_when_another_sku_is_using_the_key(self, stall: Stall) -> None:
        first, second = await stall.add_stock(10), await stall.add_stock(10)
        body = {"delta": -1, "device_id": "phone", "sequence": 1}
        connection = await stall.database.connect(Role.vendors)
        try:
            async with connection.transaction():
                await connection.fetch(
                    "SELECT vendors.change_stock('partial', $1, $2, '{null}', '{null}', '{null}', '{-1}', '{phone}',"
                    " '{1}', '{null}', null, null)",
                    [stall.own],
                    [first],
                )
                waiting = asyncio.create_task(stall.owner.patch(f"/v1/stock/{second}", json=body))
                async with asyncio.timeout(10):
                    while not await stall.fetch("SELECT 1 FROM pg_locks WHERE NOT granted"):
                        pass  # The round trip is pause enough.
            answer = await waiting
        finally:
            await connection.close()
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert await stall.level(second) == (10, 0, 0, 1)
        again = await stall.owner.patch(f"/v1/stock/{second}", json=body)
        assert again.json()["status"] == "duplicate"
        assert await stall.broken() == []


class TestEverybody:
    async def test_balances_when_buyers_and_vendor_work_on_the_same_skus(self, stall: Stall) -> None:
        skus = [await stall.add_stock(40) for _ in range(8)]
        chance = random.Random(11)  # noqa: S311 - seeded, so that a failure comes again.

        async with till(stall) as pool:

            async def shop(_: int) -> str:
                order = await buy(pool, basket(chance, skus))
                if order is None:
                    return "short"
                kind = chance.choice(["keep", "release", "out_of_stock", "ship"])
                if kind == "ship":
                    await pool.fetchval(SHIP, order)
                elif kind != "keep":
                    await pool.fetchval(RELEASE, [order], kind == "out_of_stock")
                return kind

            async def count(number: int) -> str:
                rows: list[dict[str, Any]] = []
                for sku in chance.sample(skus, k=5):
                    on_hand, _, _, version = await stall.level(sku)
                    rows.append({"sku_id": str(sku), "count": max(0, on_hand - 1), "expected_version": version})
                rows += [
                    {"sku_id": str(chance.choice(skus)), "delta": 3, "device_id": f"phone-{number}", "sequence": place}
                    for place in range(3)
                ]
                answer = await stall.owner.post(
                    "/v1/stock/batch",
                    json={"mode": chance.choice(["atomic", "partial"]), "rows": rows},
                    headers={"Idempotency-Key": f"key-{number}"},
                )
                assert answer.status_code in {200, 409}, answer.text
                return str(answer.status_code)

            work = [shop(number) for number in range(200)] + [count(number) for number in range(40)]
            chance.shuffle(work)
            kinds = Counter(await asyncio.gather(*work))
        assert {"keep", "release", "out_of_stock", "ship", "200"} <= set(kinds)
        assert await stall.broken() == []
        reserved = {sku: (await stall.level(sku))[1] for sku in skus}
        assert {sku: quantity for sku, quantity in reserved.items() if quantity} == await held(stall)
