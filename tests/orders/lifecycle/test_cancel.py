"""POST /v1/orders/{id}/cancel."""

import pytest

from tests.orders.shops import Shop, key_header, rupiah


class TestCancel:
    async def test_gives_everything_back_before_a_vendor_accepts(self, shop: Shop) -> None:
        sku, other = await shop.add_sku(), await shop.add_sku(vendor=shop.second)
        order = await shop.order([(sku, 3), (other, 2)])
        answer = await shop.consumer.post(f"/v1/orders/{order['id']}/cancel", json={"reason": "Salah pesan"})
        assert answer.status_code == 200, answer.text
        cancelled = answer.json()
        assert cancelled["status"] == "cancelled"
        assert [part["status"] for part in cancelled["vendor_orders"]] == ["cancelled", "cancelled"]
        assert cancelled["total"] == cancelled["due"] == cancelled["refund_due"] == rupiah(0)
        assert cancelled["original_total"] == order["total"]
        assert cancelled["history"][-1]["reason"] == "Salah pesan"
        assert answer.headers["etag"] == '"2"'
        assert await shop.level(sku) == await shop.level(other) == (100, 0)
        assert await shop.broken() == []

    async def test_leaves_what_a_vendor_accepted(self, shop: Shop) -> None:
        sku, other = await shop.add_sku(10_000), await shop.add_sku(vendor=shop.second)
        order = await shop.order([(sku, 3), (other, 2)])
        await shop.move(shop.first, order, "accept")
        answer = await shop.consumer.post(f"/v1/orders/{order['id']}/cancel")
        assert answer.status_code == 200
        left = answer.json()
        assert left["status"] == "confirmed"
        assert [part["status"] for part in left["vendor_orders"]] == ["accepted", "cancelled"]
        assert left["total"] == rupiah(60_000)
        assert await shop.level(sku) == (100, 3)
        assert await shop.level(other) == (100, 0)
        again = await shop.consumer.post(f"/v1/orders/{order['id']}/cancel")
        assert (again.status_code, again.json()["code"]) == (409, "cannot_cancel")
        assert await shop.broken() == []

    async def test_makes_what_was_paid_due_back(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(10_000), 1)], payment_method="manual_transfer")
        await shop.pay(order, 15_000)
        cancelled = (await shop.consumer.post(f"/v1/orders/{order['id']}/cancel")).json()
        assert (cancelled["status"], cancelled["refund_due"]) == ("cancelled", rupiah(15_000))
        assert await shop.broken() == []

    async def test_again_changes_nothing(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(), 1)])
        await shop.consumer.post(f"/v1/orders/{order['id']}/cancel")
        before = await shop.everything()
        again = await shop.consumer.post(f"/v1/orders/{order['id']}/cancel")
        assert (again.status_code, again.json()["status"]) == (200, "cancelled")
        assert await shop.everything() == before

    async def test_honours_a_key(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(), 1)])
        headers = key_header()
        first = await shop.consumer.post(f"/v1/orders/{order['id']}/cancel", headers=headers)
        again = await shop.consumer.post(f"/v1/orders/{order['id']}/cancel", headers=headers)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.content == first.content

    async def test_is_refused_when_the_order_is_over(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(), 1)])
        for action in ("accept", "ship", "deliver"):
            await shop.move(shop.first, order, action)
        before = await shop.everything()
        answer = await shop.consumer.post(f"/v1/orders/{order['id']}/cancel")
        assert (answer.status_code, answer.json()["code"]) == (409, "cannot_cancel")
        assert await shop.everything() == before

    @pytest.mark.parametrize(
        ("who", "status"),
        [
            ("anonymous", 401),
            ("stranger", 404),
            ("consumer", 404),
            ("rival_hotel", 404),
            ("office", 404),
            ("receiver", 403),
            ("finance", 403),
            ("requester", 200),
            ("approver", 200),
        ],
    )
    async def test_is_for_those_who_buy(self, shop: Shop, who: str, status: int) -> None:
        order = await shop.order([(await shop.add_sku(), 1)], shop.requester, organization_id=str(shop.hotel))
        before = await shop.everything()
        answer = await getattr(shop, who).post(f"/v1/orders/{order['id']}/cancel")
        assert answer.status_code == status, answer.text
        assert (await shop.everything() == before) == (status != 200)

    async def test_is_not_for_the_vendor(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(), 1)])
        assert (await shop.first.client.post(f"/v1/orders/{order['id']}/cancel")).status_code == 404

    async def test_names_the_wrong_field(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(), 1)])
        for body, pointer in (({"reason": ""}, "/reason"), ({"reason": 7}, "/reason"), ({"refund": 1}, "/refund")):
            answer = await shop.consumer.post(f"/v1/orders/{order['id']}/cancel", json=body)
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["pointer"] == pointer
        assert (await shop.read(order))["status"] == "confirmed"
