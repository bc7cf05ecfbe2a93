"""POST /v1/orders/preview and /v1/bulk-orders/preview."""

from datetime import timedelta
from typing import Any

import pytest

from ishop.clock import business_date, now
from services.orders.placement.schemas import OrderPreview
from tests.orders.shops import SHIP_TO, Shop, order_body, rupiah


def basket(lines: list[tuple[Any, int]], **more: Any) -> dict[str, Any]:
    """The least that a preview needs."""
    wanted = [{"sku_id": str(sku), "quantity": quantity} for sku, quantity in lines]
    return {"lines": wanted, "ship_to": {"region_code": "52.71"}, **more}


class TestPreview:
    async def test_says_what_the_order_then_costs(self, shop: Shop) -> None:
        pkp = await shop.add_vendor("Minyak Jaya", pkp=True, region="52.06")
        lines = [(await shop.add_sku(10_000, tiers={5: 9000}), 6), (await shop.add_sku(17_000, vendor=pkp), 1)]
        answer = await shop.consumer.post("/v1/orders/preview", json=basket(lines))
        assert answer.status_code == 200, answer.text
        shown = answer.json()
        OrderPreview.model_validate(shown)
        order = await shop.order(lines)
        for field in ("lines", "subtotal", "shipping", "tax", "total"):
            assert shown[field] == order[field]
        assert [part["total"] for part in shown["vendor_orders"]] == [part["total"] for part in order["vendor_orders"]]
        today = business_date(now())
        assert [(part["days_min"], part["days_max"], part["deliver_by"]) for part in shown["vendor_orders"]] == [
            (1, 2, str(today + timedelta(2))),
            (3, 5, str(today + timedelta(5))),
        ]
        assert shown["short"] == []

    async def test_lists_what_is_short_and_writes_nothing(self, shop: Shop) -> None:
        few, none, plenty = await shop.add_sku(stock=3), await shop.add_sku(stock=0), await shop.add_sku()
        before = await shop.everything()
        answer = await shop.consumer.post(
            "/v1/orders/preview", json=basket([(plenty, 1), (few, 2), (none, 1), (few, 2)])
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["short"] == [
            {"pointer": "/lines/1", "sku_id": str(few), "requested": 4, "available": 3},
            {"pointer": "/lines/2", "sku_id": str(none), "requested": 1, "available": 0},
        ]
        assert answer.json()["total"] == rupiah(10_000 * 6 + 6 * 10_000)
        assert await shop.everything() == before

    async def test_takes_the_body_of_the_order(self, shop: Shop) -> None:
        body = order_body([(await shop.add_sku(), 1)], expected_total=rupiah(1))
        assert (await shop.consumer.post("/v1/orders/preview", json=body)).status_code == 200

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"ship_to": {"region_code": "99.99"}}, "/ship_to/region_code"),
            ({"ship_to": {}}, "/ship_to/region_code"),
            ({"lines": []}, "/lines"),
            ({"lines": [{"sku_id": "0198c5b7-6f0e-7d3a-9f0e-2f4f3f1f6a10", "quantity": 1}]}, "/lines/0/sku_id"),
            ({"total": 1}, "/total"),
        ],
    )
    async def test_names_the_wrong_field(self, shop: Shop, body: dict[str, Any], pointer: str) -> None:
        answer = await shop.consumer.post("/v1/orders/preview", json={**basket([(await shop.add_sku(), 1)]), **body})
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == pointer

    async def test_refuses_what_lacks_its_certificate(self, shop: Shop) -> None:
        sku = await shop.add_sku(rules=["HALAL"])
        answer = await shop.consumer.post("/v1/orders/preview", json=basket([(sku, 1)]))
        assert (answer.status_code, answer.json()["code"]) == (409, "certificate_expired")

    async def test_needs_a_caller(self, shop: Shop) -> None:
        assert (await shop.anonymous.post("/v1/orders/preview", json={})).status_code == 401


class TestPreviewBulk:
    async def test_promises_the_wanted_day(self, shop: Shop) -> None:
        wanted = str(business_date(now()) + timedelta(30))
        body = basket([(await shop.add_sku(), 1)], organization_id=str(shop.hotel), deliver_on=wanted)
        answer = await shop.requester.post("/v1/bulk-orders/preview", json=body)
        assert answer.status_code == 200, answer.text
        assert [part["deliver_by"] for part in answer.json()["vendor_orders"]] == [wanted]

    @pytest.mark.parametrize(
        ("days", "code"), [(-1, "too_early"), (0, "too_early"), (367, "too_late"), (None, "invalid_date")]
    )
    async def test_refuses_a_day_that_cannot_be(self, shop: Shop, days: int | None, code: str) -> None:
        wanted = 1893456000 if days is None else str(business_date(now()) + timedelta(days))
        body = basket([(await shop.add_sku(), 1)], organization_id=str(shop.hotel), deliver_on=wanted)
        answer = await shop.requester.post("/v1/bulk-orders/preview", json=body)
        assert answer.status_code == 422, answer.text
        assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [("/deliver_on", code)]

    async def test_takes_the_body_of_the_bulk_order(self, shop: Shop) -> None:
        body = order_body(
            [(await shop.add_sku(), 1)],
            organization_id=str(shop.hotel),
            po_number="PO-1",
            deliver_on=str(business_date(now()) + timedelta(1)),
            ship_to=SHIP_TO,
        )
        assert (await shop.requester.post("/v1/bulk-orders/preview", json=body)).status_code == 200

    @pytest.mark.parametrize(
        ("who", "status"),
        [("anonymous", 401), ("consumer", 403), ("finance", 403), ("rival_hotel", 404), ("approver", 200)],
    )
    async def test_is_for_those_who_buy_for_the_hotel(self, shop: Shop, who: str, status: int) -> None:
        body = basket([(await shop.add_sku(), 1)], organization_id=str(shop.hotel))
        assert (await getattr(shop, who).post("/v1/bulk-orders/preview", json=body)).status_code == status
