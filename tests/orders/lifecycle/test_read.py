"""GET /v1/orders and /v1/orders/{id}."""

import pytest

from services.orders.lifecycle.schemas import OrderDetail, OrderSummary
from tests.orders.shops import Shop, rupiah


class TestRead:
    async def test_shows_all_that_happened(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(10_000), 1), (await shop.add_sku(vendor=shop.second), 1)])
        await shop.move(shop.second, order, "reject", {"reason": "other", "note": "Mesin rusak"})
        await shop.move(shop.first, order, "accept")
        answer = await shop.consumer.get(f"/v1/orders/{order['id']}")
        read = answer.json()
        OrderDetail.model_validate(read)
        assert answer.headers["etag"] == '"3"'
        assert answer.headers["cache-control"] == "no-store"
        assert read["total"] == rupiah(20_000)
        assert read["original_total"] == order["total"] == rupiah(58_000)
        assert [part["status"] for part in read["vendor_orders"]] == ["accepted", "rejected"]
        assert [(step["from_status"], step["to_status"], step["reason"]) for step in read["history"]] == [
            (None, "confirmed", None),
            (None, "placed", None),
            (None, "placed", None),
            ("placed", "rejected", "other: Mesin rusak"),
            ("placed", "accepted", None),
        ]

    @pytest.mark.parametrize(
        ("who", "retail", "organization"),
        [
            ("anonymous", 401, 401),
            ("consumer", 200, 404),
            ("stranger", 404, 404),
            ("requester", 404, 200),
            ("finance", 404, 200),
            ("rival_hotel", 404, 404),
            ("office", 200, 200),
            ("admin", 200, 200),
        ],
    )
    async def test_is_for_the_parties(self, shop: Shop, who: str, retail: int, organization: int) -> None:
        sku = await shop.add_sku()
        own = await shop.order([(sku, 1)])
        hotels = await shop.order([(sku, 1)], shop.approver, organization_id=str(shop.hotel))
        client = getattr(shop, who)
        assert (await client.get(f"/v1/orders/{own['id']}")).status_code == retail
        assert (await client.get(f"/v1/orders/{hotels['id']}")).status_code == organization

    async def test_vendors_see_their_part_only_at_their_own_desk(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(), 1)])
        assert (await shop.first.client.get(f"/v1/orders/{order['id']}")).status_code == 404


class TestList:
    async def test_shows_own_orders_newest_first_page_by_page(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        await shop.order([(sku, 1)], shop.stranger)
        placed = [(await shop.order([(sku, 1)]))["id"] for _ in range(5)]
        seen, cursor, pages = [], None, 0
        while True:
            parameters = {"limit": 2, **({"cursor": cursor} if cursor else {})}
            page = (await shop.consumer.get("/v1/orders", params=parameters)).json()
            for one in page["items"]:
                OrderSummary.model_validate(one)
            seen += [one["id"] for one in page["items"]]
            pages += 1
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert (seen, pages) == (placed[::-1], 3)

    async def test_filters_by_state(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        confirmed = await shop.order([(sku, 1)])
        waiting = await shop.order([(sku, 1)], payment_method="manual_transfer")
        for status, order in (("confirmed", confirmed), ("awaiting_payment", waiting)):
            items = (await shop.consumer.get(f"/v1/orders?status={status}")).json()["items"]
            assert [one["id"] for one in items] == [order["id"]]
        assert (await shop.consumer.get("/v1/orders?status=expired")).json()["items"] == []

    async def test_shows_an_organizations_orders_to_its_members(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        ordered = await shop.order([(sku, 1)], shop.approver, organization_id=str(shop.hotel))
        query = f"/v1/orders?organization_id={shop.hotel}"
        assert [one["id"] for one in (await shop.finance.get(query)).json()["items"]] == [ordered["id"]]
        assert (await shop.finance.get("/v1/orders")).json()["items"] == []
        assert [one["id"] for one in (await shop.approver.get("/v1/orders")).json()["items"]] == [ordered["id"]]
        assert (await shop.rival_hotel.get(query)).status_code == 404
        assert (await shop.consumer.get(query)).status_code == 404

    async def test_refuses_a_cursor_of_another_list(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        for _ in range(2):
            await shop.order([(sku, 1)], shop.approver, organization_id=str(shop.hotel))
        cursor = (await shop.approver.get("/v1/orders?limit=1")).json()["next_cursor"]
        assert (await shop.approver.get("/v1/orders", params={"cursor": cursor})).status_code == 200
        for other in ("/v1/bulk-orders", "/v1/orders?status=confirmed", f"/v1/orders?organization_id={shop.hotel}"):
            path, _, query = other.partition("?")
            parameters = dict([query.split("=")]) if query else {}
            answer = await shop.approver.get(path, params={**parameters, "cursor": cursor})
            assert answer.status_code == 422, other
            assert answer.json()["errors"][0]["code"] == "invalid_cursor"

    async def test_shows_twenty_vendor_orders_of_an_order_and_how_many_there_are(self, shop: Shop) -> None:
        vendors = [await shop.add_vendor(f"Toko {number}") for number in range(21)]
        order = await shop.order([(await shop.add_sku(vendor=vendor), 1) for vendor in vendors])
        assert len((await shop.read(order))["vendor_orders"]) == 21
        (listed,) = (await shop.consumer.get("/v1/orders")).json()["items"]
        OrderSummary.model_validate(listed)
        assert (listed["vendor_order_count"], listed["line_count"]) == (21, 21)
        shown = [part["id"] for part in listed["vendor_orders"]]
        assert shown == sorted(part["id"] for part in order["vendor_orders"])[:20]

    async def test_is_for_callers(self, shop: Shop) -> None:
        assert (await shop.anonymous.get("/v1/orders")).status_code == 401
