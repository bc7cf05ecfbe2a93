"""POST /v1/vendor-orders/{id}/accept, reject, ship and deliver."""

from typing import Any
from uuid import uuid4

import pytest

from tests.orders.shops import Shop, rupiah

MOVES: dict[str, Any] = {"accept": None, "reject": {"reason": "other"}, "ship": None, "deliver": None}
BECOMES = {"accept": "accepted", "reject": "rejected", "ship": "shipped", "deliver": "delivered"}
WAYS: dict[str, list[str]] = {
    "placed": [],
    "accepted": ["accept"],
    "shipped": ["accept", "ship"],
    "delivered": ["accept", "ship", "deliver"],
    "rejected": ["reject"],
}
LEGAL = {
    ("placed", "accept"),
    ("placed", "reject"),
    ("accepted", "ship"),
    ("accepted", "reject"),
    ("shipped", "deliver"),
}


class TestMoves:
    @pytest.mark.parametrize("action", MOVES)
    @pytest.mark.parametrize("state", WAYS)
    async def test_follow_the_table(self, shop: Shop, state: str, action: str) -> None:
        order = await shop.order([(await shop.add_sku(), 1)])
        for step in WAYS[state]:
            assert (await shop.move(shop.first, order, step, MOVES[step])).status_code == 200
        before = await shop.everything()
        answer = await shop.move(shop.first, order, action, MOVES[action])
        if (state, action) in LEGAL:
            assert (answer.status_code, answer.json()["status"]) == (200, BECOMES[action])
        elif state == BECOMES[action]:
            assert (answer.status_code, answer.json()["status"]) == (200, state)
            assert await shop.everything() == before
        else:
            assert (answer.status_code, answer.json()["code"]) == (409, "illegal_transition")
            assert answer.json()["errors"][0]["from"] == state
            assert answer.json()["errors"][0]["to"] == BECOMES[action]
            assert await shop.everything() == before
        assert await shop.broken() == []

    @pytest.mark.parametrize("action", ["accept", "reject"])
    async def test_wait_for_the_payment(self, shop: Shop, action: str) -> None:
        order = await shop.order([(await shop.add_sku(), 1)], payment_method="manual_transfer")
        before = await shop.everything()
        answer = await shop.move(shop.first, order, action, MOVES[action])
        assert (answer.status_code, answer.json()["code"]) == (409, "order_not_confirmed")
        assert await shop.everything() == before

    async def test_are_refused_when_the_buyer_has_cancelled(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(), 1)])
        await shop.consumer.post(f"/v1/orders/{order['id']}/cancel")
        answer = await shop.move(shop.first, order, "accept")
        assert (answer.status_code, answer.json()["code"]) == (409, "illegal_transition")
        assert answer.json()["errors"][0]["from"] == "cancelled"

    @pytest.mark.parametrize("action", MOVES)
    async def test_are_for_the_vendor(self, shop: Shop, action: str) -> None:
        order = await shop.order([(await shop.add_sku(), 1)])
        path = f"/v1/vendor-orders/{order['vendor_orders'][0]['id']}/{action}"
        before = await shop.everything()
        for client, status in (
            (shop.anonymous, 401),
            (shop.consumer, 403),
            (shop.approver, 403),
            (shop.office, 403),
            (shop.second.client, 404),
        ):
            assert (await client.post(path, json=MOVES[action])).status_code == status
        unknown = f"/v1/vendor-orders/{uuid4()}/{action}"
        assert (await shop.first.client.post(unknown, json=MOVES[action])).status_code == 404
        assert await shop.everything() == before


class TestAccept:
    async def test_is_recorded(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(), 1)])
        answer = await shop.move(shop.first, order, "accept")
        assert answer.headers["etag"] == '"2"'
        assert answer.json()["ship_to"] == order["ship_to"]
        (step,) = await shop.fetch("SELECT * FROM orders.transitions WHERE to_status = 'accepted'")
        assert (step["from_status"], str(step["order_id"])) == ("placed", order["id"])
        assert step["actor_id"] is not None


class TestReject:
    async def test_leaves_the_rest_and_makes_money_due_back(self, shop: Shop) -> None:
        sku, other = await shop.add_sku(10_000), await shop.add_sku(20_000, vendor=shop.second)
        order = await shop.order([(sku, 1), (other, 1)], payment_method="manual_transfer")
        await shop.pay(order, 68_000)
        answer = await shop.move(shop.second, order, "reject", {"reason": "cannot_deliver", "note": "Kapal batal"})
        assert answer.json()["ship_to"] is None
        read = await shop.read(order)
        assert (read["status"], read["total"], read["original_total"]) == ("confirmed", rupiah(20_000), rupiah(68_000))
        assert (read["shipping"], read["paid"], read["refund_due"]) == (rupiah(10_000), rupiah(68_000), rupiah(48_000))
        assert await shop.level(other) == (100, 0)
        (refund,) = await shop.fetch("SELECT amount, reason, status FROM orders.refunds")
        assert tuple(refund) == (48_000, "rejected", "due")
        assert await shop.broken() == []

    async def test_for_want_of_goods_lowers_the_stock(self, shop: Shop) -> None:
        sku = await shop.add_sku(stock=10)
        order = await shop.order([(sku, 4)])
        await shop.move(shop.first, order, "reject", {"reason": "out_of_stock"})
        assert await shop.level(sku) == (6, 0)
        assert (await shop.read(order))["status"] == "cancelled"
        assert await shop.broken() == []

    async def test_after_accepting_is_the_way_out(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        order = await shop.order([(sku, 4)])
        await shop.move(shop.first, order, "accept")
        assert (await shop.move(shop.first, order, "reject", {"reason": "other"})).status_code == 200
        assert await shop.level(sku) == (100, 0)

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({}, "/reason"),
            ({"reason": "mood"}, "/reason"),
            ({"reason": "other", "note": "x" * 501}, "/note"),
            ({"reason": "other", "refund": 5}, "/refund"),
            (None, ""),
        ],
    )
    async def test_needs_a_reason(self, shop: Shop, body: Any, pointer: str) -> None:
        order = await shop.order([(await shop.add_sku(), 1)])
        answer = await shop.move(shop.first, order, "reject", body)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == pointer
        assert (await shop.read(order))["status"] == "confirmed"


class TestShip:
    async def test_takes_the_goods_out_of_the_stock(self, shop: Shop) -> None:
        sku = await shop.add_sku(stock=10)
        order = await shop.order([(sku, 4)])
        await shop.move(shop.first, order, "accept")
        answer = await shop.move(shop.first, order, "ship", {"tracking_number": "JT0012345678"})
        assert (answer.json()["status"], answer.json()["tracking_number"]) == ("shipped", "JT0012345678")
        assert await shop.level(sku) == (6, 0)
        assert (await shop.read(order))["vendor_orders"][0]["tracking_number"] == "JT0012345678"
        assert await shop.broken() == []

    async def test_refuses_a_number_that_is_none(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(), 1)])
        await shop.move(shop.first, order, "accept")
        for number in ("", "x" * 101, "a\nb", 7):
            answer = await shop.move(shop.first, order, "ship", {"tracking_number": number})
            assert answer.status_code == 422


class TestDeliver:
    async def test_completes_the_order_and_collects_the_cash(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(10_000), 1), (await shop.add_sku(20_000, vendor=shop.second), 1)])
        for vendor in (shop.first, shop.second):
            for action in ("accept", "ship"):
                await shop.move(vendor, order, action)
        await shop.move(shop.first, order, "deliver")
        half = await shop.read(order)
        assert (half["status"], half["paid"], half["due"]) == ("confirmed", rupiah(20_000), rupiah(48_000))
        await shop.move(shop.second, order, "deliver")
        done = await shop.read(order)
        assert (done["status"], done["paid"], done["due"]) == ("completed", rupiah(68_000), rupiah(0))
        assert done["refund_due"] == rupiah(0)
        assert await shop.broken() == []

    async def test_collects_only_what_was_not_paid_before(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(10_000), 1)])
        await shop.pay(order, 15_000)
        for action in ("accept", "ship", "deliver"):
            await shop.move(shop.first, order, action)
        assert (await shop.read(order))["paid"] == rupiah(20_000)
        assert await shop.broken() == []

    async def test_collects_nothing_when_it_was_paid_by_transfer(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(10_000), 1)], payment_method="manual_transfer")
        await shop.pay(order, 20_000)
        for action in ("accept", "ship", "deliver"):
            await shop.move(shop.first, order, action)
        done = await shop.read(order)
        assert (done["status"], done["paid"], done["refund_due"]) == ("completed", rupiah(20_000), rupiah(0))
        assert await shop.broken() == []
