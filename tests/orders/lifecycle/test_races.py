"""Orders, cancellations, payments, vendors and the clock, all at once on parallel connections."""

import asyncio
import random
from collections import Counter
from typing import Any

from tests.orders.lifecycle.test_clock import UNANSWERED, UNPAID, let_time_pass, tick
from tests.orders.shops import Shop, all_at_once

ROUNDS = 12


async def cancel(shop: Shop, order: Any) -> Any:
    """Cancel as the buyer."""
    return await shop.consumer.post(f"/v1/orders/{order['id']}/cancel")


class TestRaces:
    async def test_payment_cancel_and_expiry_end_in_one_state_and_balance(self, shop: Shop) -> None:
        sku = await shop.add_sku(10_000, stock=ROUNDS * 2)
        orders = [await shop.order([(sku, 2)], payment_method="manual_transfer") for _ in range(ROUNDS)]
        await let_time_pass(shop)
        dice = random.Random(3)  # noqa: S311 - the same mixture in every run; nothing here is secret.
        work: list[Any] = [tick(shop, UNPAID) for _ in range(3)]
        work += [shop.pay(order, 40_000) for order in orders]
        work += [cancel(shop, order) for order in orders]
        dice.shuffle(work)
        answers = await asyncio.gather(*work)
        statuses = Counter(answer.status_code for answer in answers if answer is not None)
        assert set(statuses) <= {200, 201, 409}
        assert statuses[201] == ROUNDS
        ends = Counter([(await shop.read(order))["status"] for order in orders])
        assert set(ends) <= {"confirmed", "cancelled", "expired"}
        assert await shop.level(sku) == (ROUNDS * 2, 2 * ends["confirmed"])
        for order in orders:
            read = await shop.read(order)
            assert read["paid"]["amount"] - read["total"]["amount"] <= read["refund_due"]["amount"] <= 40_000
        assert await shop.broken() == []

    async def test_a_vendor_who_accepts_and_a_buyer_who_cancels_cannot_both_win(self, shop: Shop) -> None:
        sku = await shop.add_sku(stock=ROUNDS)
        orders = [await shop.order([(sku, 1)]) for _ in range(ROUNDS)]
        answers = await all_at_once(
            *(shop.move(shop.first, order, "accept") for order in orders), *(cancel(shop, order) for order in orders)
        )
        accepted, cancelled = answers[:ROUNDS], answers[ROUNDS:]
        for one, other in zip(accepted, cancelled, strict=True):
            assert sorted([one.status_code, other.status_code]) == [200, 409]
        won = sum(answer.status_code == 200 for answer in accepted)
        assert await shop.level(sku) == (ROUNDS, won)
        assert await shop.broken() == []

    async def test_two_vendors_of_one_order_wait_for_each_other(self, shop: Shop) -> None:
        sku, other = await shop.add_sku(10_000, stock=100), await shop.add_sku(20_000, vendor=shop.second, stock=100)
        orders = [await shop.order([(sku, 1), (other, 1)], payment_method="manual_transfer") for _ in range(ROUNDS)]
        await all_at_once(*(shop.pay(order, order["total"]["amount"]) for order in orders))
        reason = {"reason": "other"}
        answers = await all_at_once(
            *(shop.move(vendor, order, "reject", reason) for order in orders for vendor in (shop.first, shop.second))
        )
        assert {answer.status_code for answer in answers} == {200}
        for order in orders:
            read = await shop.read(order)
            assert (read["status"], read["refund_due"]) == ("cancelled", order["total"])
        assert await shop.level(sku) == await shop.level(other) == (100, 0)
        assert await shop.broken() == []

    async def test_a_busy_market_balances(self, shop: Shop) -> None:
        dice = random.Random(11)  # noqa: S311 - the same mixture in every run; nothing here is secret.
        skus = [await shop.add_sku(stock=40, vendor=(shop.first, shop.second)[number % 2]) for number in range(6)]
        both = [shop.first, shop.second]
        placed = []
        for number in range(20):
            lines = [(sku, dice.randint(1, 2)) for sku in dice.sample(skus, 4)]
            method = ("cod", "manual_transfer")[number % 2]
            answer = await shop.post_order(shop.consumer, lines, payment_method=method)
            if answer.status_code == 201:
                placed.append(answer.json())

        async def vendor_moves(order: Any, vendor: Any) -> None:
            if any(part["vendor_id"] == str(vendor.id) for part in order["vendor_orders"]):
                first = dice.choice(["accept", "reject"])
                body = {"reason": dice.choice(["out_of_stock", "other"])} if first == "reject" else None
                await shop.move(vendor, order, first, body)
                await shop.move(vendor, order, "ship")
                await shop.move(vendor, order, "deliver")

        await let_time_pass(shop)
        work: list[Any] = [vendor_moves(order, vendor) for order in placed for vendor in both]
        work += [cancel(shop, order) for order in placed[::3]]
        work += [shop.pay(order, order["total"]["amount"]) for order in placed[1::2]]
        work += [tick(shop, UNPAID), tick(shop, UNANSWERED)]
        work += [shop.post_order(shop.stranger, [(sku, 1) for sku in dice.sample(skus, 4)]) for _ in range(20)]
        dice.shuffle(work)
        answers = await asyncio.gather(*work)
        assert {answer.status_code for answer in answers if answer is not None} <= {200, 201, 409}
        assert await shop.broken() == []
