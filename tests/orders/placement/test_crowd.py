"""Many buyers at once: nothing is oversold, and what is sent again is not done again."""

import random
from collections import Counter
from uuid import uuid4

from tests.orders.shops import Shop, all_at_once


class TestCrowd:
    async def test_five_hundred_buyers_share_a_hundred_units(self, shop: Shop) -> None:
        sku = await shop.add_sku(stock=100)
        answers = await all_at_once(*(shop.post_order(shop.consumer, [(sku, 1)]) for _ in range(500)))
        assert Counter(answer.status_code for answer in answers) == {201: 100, 409: 400}
        refused = [answer.json() for answer in answers if answer.status_code == 409]
        assert {problem["code"] for problem in refused} == {"insufficient_stock"}
        assert await shop.level(sku) == (100, 100)
        (taken,) = await shop.fetch(
            "SELECT count(*), sum(reserved_change) FROM vendors.stock_movements WHERE kind = 'reserve'"
        )
        assert tuple(taken) == (100, 100)
        assert await shop.broken() == []

    async def test_buyers_of_overlapping_goods_neither_deadlock_nor_oversell(self, shop: Shop) -> None:
        dice = random.Random(7)  # noqa: S311 - the same baskets in every run; nothing here is secret.
        skus = [await shop.add_sku(stock=30, vendor=(shop.first, shop.second)[number % 2]) for number in range(12)]
        baskets = [[(sku, dice.randint(1, 3)) for sku in dice.sample(skus, 5)] for _ in range(150)]
        answers = await all_at_once(*(shop.post_order(shop.consumer, lines) for lines in baskets))
        assert set(Counter(answer.status_code for answer in answers)) == {201, 409}
        for sku in skus:
            on_hand, reserved = await shop.level(sku)
            assert on_hand == 30
            assert 0 <= reserved <= 30
        assert await shop.broken() == []

    async def test_two_hundred_twins_are_one_order(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        key = str(uuid4())
        answers = await all_at_once(*(shop.post_order(shop.consumer, [(sku, 2)], key=key) for _ in range(200)))
        assert Counter(answer.status_code for answer in answers) == {201: 200}
        assert len({answer.content for answer in answers}) == 1
        assert sum(answer.headers.get("idempotency-replayed") == "true" for answer in answers) == 199
        assert await shop.level(sku) == (100, 2)
        assert (await shop.fetch("SELECT count(*) FROM orders.orders"))[0][0] == 1
        assert await shop.broken() == []
