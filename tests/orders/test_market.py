"""The demo market through the gateway: what a consumer, a hotel, two vendors and the office do with orders."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from httpx import AsyncClient

from demo.accounts import CONSUMER, HOTEL, OFFICE, SECOND_VENDOR, VENDOR
from ishop.clock import business_date, now
from tests.markets import TestMarket
from tests.orders.shops import SHIP_TO, key_header, order_body

FOR_SALE = """
SELECT o.sku_id, o.vendor_id, greatest(o.min_quantity, o.order_multiple) AS quantity
FROM catalog.offers_v1 o JOIN vendors.stock_v1 s USING (sku_id)
WHERE o.certified_until > current_date + 30 AND o.min_quantity % o.order_multiple = 0 AND s.available >= o.min_quantity
  AND o.vendor_id = (SELECT m.vendor_id FROM vendors.vendor_members m JOIN identity.users u ON u.id = m.user_id
                     WHERE u.email = $1)
ORDER BY o.sku_id LIMIT $2
"""


async def for_sale(market: TestMarket, vendor: str, count: int) -> list[tuple[Any, int]]:
    """Lines of what a vendor can sell for weeks."""
    return [(row["sku_id"], row["quantity"]) for row in await market.fetch(FOR_SALE, vendor, count)]


async def part_of(client: AsyncClient, order: Any) -> str:
    """The path of the vendor order that `client` sees of an order."""
    items = (await client.get("/v1/vendor-orders")).json()["items"]
    (part,) = [one["id"] for one in items if one["order_id"] == order["id"]]
    return f"/v1/vendor-orders/{part}"


class TestMarketDay:
    async def test_a_consumer_orders_from_two_vendors_who_deliver(self, market: TestMarket) -> None:
        consumer, office = await market.client(CONSUMER), await market.client(OFFICE)
        vendors = [await market.client(VENDOR), await market.client(SECOND_VENDOR)]
        lines = await for_sale(market, VENDOR, 1) + await for_sale(market, SECOND_VENDOR, 1)
        shown = (await consumer.post("/v1/orders/preview", json=order_body(lines))).json()
        body = order_body(lines, expected_total=shown["total"], payment_method="manual_transfer")
        headers = key_header()
        answer = await consumer.post("/v1/orders", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        order = answer.json()
        assert len(order["vendor_orders"]) == 2
        again = await consumer.post("/v1/orders", json=body, headers=headers)
        assert (again.json(), again.headers["idempotency-replayed"]) == (order, "true")
        paid = await office.post(
            f"/v1/orders/{order['id']}/payments",
            json={"amount": order["total"], "reference": str(uuid4())},
            headers=key_header(),
        )
        assert paid.status_code == 201, paid.text
        for vendor in vendors:
            path = await part_of(vendor, order)
            for action in ("accept", "ship", "deliver"):
                moved = await vendor.post(f"{path}/{action}")
                assert moved.status_code == 200, moved.text
        done = (await consumer.get(answer.headers["location"])).json()
        assert (done["status"], done["due"]["amount"], done["refund_due"]["amount"]) == ("completed", 0, 0)
        assert await market.broken() == []

    async def test_a_hotel_orders_fifty_skus_on_terms_and_cancels(self, market: TestMarket) -> None:
        hotel = await market.client(HOTEL)
        organization = (await hotel.get("/v1/organizations")).json()["items"][0]
        lines = await for_sale(market, VENDOR, 50)
        assert len(lines) == 50
        body = order_body(
            lines,
            organization_id=organization["id"],
            po_number="PO-2026-0117",
            deliver_on=str(business_date(now()) + timedelta(7)),
            payment_method="terms",
            ship_to={**SHIP_TO, "region_code": organization["region_code"]},
        )
        answer = await hotel.post("/v1/bulk-orders", json=body, headers=key_header())
        assert answer.status_code == 201, answer.text
        order = answer.json()
        assert (len(order["lines"]), order["status"]) == (50, "confirmed")
        listed = (await hotel.get("/v1/bulk-orders")).json()["items"]
        assert [one["id"] for one in listed] == [order["id"]]
        cancelled = (await hotel.post(f"/v1/orders/{order['id']}/cancel")).json()
        assert cancelled["status"] == "cancelled"
        assert await market.broken() == []
