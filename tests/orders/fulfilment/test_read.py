"""GET /v1/vendor-orders and /v1/vendor-orders/{id}."""

from uuid import uuid4

import pytest

from services.orders.fulfilment.schemas import VendorOrderListed, VendorOrderRead
from tests.orders.shops import Shop


class TestRead:
    async def test_shows_the_vendors_part_and_no_more(self, shop: Shop) -> None:
        sku, other = await shop.add_sku(), await shop.add_sku(vendor=shop.second)
        order = await shop.order([(other, 1), (sku, 3)])
        part = order["vendor_orders"][1]
        answer = await shop.first.client.get(f"/v1/vendor-orders/{part['id']}")
        assert answer.status_code == 200, answer.text
        read = answer.json()
        VendorOrderRead.model_validate(read)
        assert (read["order_id"], read["order_number"], read["order_status"]) == (
            order["id"],
            order["number"],
            "confirmed",
        )
        assert read["lines"] == part["lines"]
        for amount in ("subtotal", "shipping", "tax", "total"):
            assert read[amount] == part[amount]
        assert read["ship_to"] == order["ship_to"]
        assert read["weight_grams"] == 3000
        assert [step["vendor_order_id"] for step in read["history"]] == [None, part["id"]]

    async def test_hides_the_address_until_the_buyer_has_paid(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(10_000), 1)], payment_method="manual_transfer")
        path = f"/v1/vendor-orders/{order['vendor_orders'][0]['id']}"
        assert (await shop.first.client.get(path)).json()["ship_to"] is None
        await shop.pay(order, 20_000)
        assert (await shop.first.client.get(path)).json()["ship_to"] == order["ship_to"]
        await shop.consumer.post(f"/v1/orders/{order['id']}/cancel")
        assert (await shop.first.client.get(path)).json()["ship_to"] is None

    async def test_does_not_tell_what_another_vendor_said(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(), 1), (await shop.add_sku(vendor=shop.second), 1)])
        await shop.move(shop.first, order, "reject", {"reason": "other", "note": "rahasia"})
        await shop.move(shop.second, order, "reject", {"reason": "other", "note": "milik sendiri"})
        part = order["vendor_orders"][0]
        text = (await shop.first.client.get(f"/v1/vendor-orders/{part['id']}")).text
        assert "rahasia" in text
        assert "milik sendiri" not in text

    @pytest.mark.parametrize(
        ("who", "status"), [("anonymous", 401), ("consumer", 403), ("approver", 403), ("office", 403)]
    )
    async def test_is_for_vendors(self, shop: Shop, who: str, status: int) -> None:
        order = await shop.order([(await shop.add_sku(), 1)])
        path = f"/v1/vendor-orders/{order['vendor_orders'][0]['id']}"
        assert (await getattr(shop, who).get(path)).status_code == status
        assert (await getattr(shop, who).get("/v1/vendor-orders")).status_code == status

    async def test_of_another_vendor_is_not_there(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(), 1)])
        path = f"/v1/vendor-orders/{order['vendor_orders'][0]['id']}"
        assert (await shop.second.client.get(path)).status_code == 404
        assert (await shop.first.client.get(f"/v1/vendor-orders/{uuid4()}")).status_code == 404


class TestList:
    async def test_shows_own_vendor_orders_newest_first_page_by_page(self, shop: Shop) -> None:
        sku, other = await shop.add_sku(), await shop.add_sku(vendor=shop.second)
        orders = [await shop.order([(sku, 1), (other, 1)]) for _ in range(5)]
        wanted = [order["vendor_orders"][0]["id"] for order in reversed(orders)]
        first = (await shop.first.client.get("/v1/vendor-orders?limit=3")).json()
        rest = (
            await shop.first.client.get("/v1/vendor-orders", params={"limit": 3, "cursor": first["next_cursor"]})
        ).json()
        assert [one["id"] for one in first["items"] + rest["items"]] == wanted
        assert rest["next_cursor"] is None
        for one in first["items"]:
            VendorOrderListed.model_validate(one)

    async def test_filters_by_state_and_vendor(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        accepted, placed = await shop.order([(sku, 1)]), await shop.order([(sku, 1)])
        await shop.move(shop.first, accepted, "accept")
        for status, order in (("accepted", accepted), ("placed", placed)):
            page = (await shop.first.client.get(f"/v1/vendor-orders?status={status}")).json()
            assert [one["order_id"] for one in page["items"]] == [order["id"]]
        own = await shop.first.client.get(f"/v1/vendor-orders?vendor_id={shop.first.id}")
        assert len(own.json()["items"]) == 2
        assert (await shop.first.client.get(f"/v1/vendor-orders?vendor_id={shop.second.id}")).status_code == 404

    async def test_refuses_a_cursor_of_another_list(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        for _ in range(2):
            await shop.order([(sku, 1)])
        foreign = (await shop.consumer.get("/v1/orders?limit=1")).json()["next_cursor"]
        answer = await shop.first.client.get("/v1/vendor-orders", params={"cursor": foreign})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "invalid_cursor")
