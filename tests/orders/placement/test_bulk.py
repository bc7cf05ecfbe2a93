"""POST and GET /v1/bulk-orders."""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from httpx import AsyncClient, Response

from ishop.clock import business_date, now
from tests.orders.shops import Shop, key_header, order_body


def day(days: int) -> date:
    """The business day so many days from today: asked anew, as a run of the tests may well go past midnight."""
    return business_date(now()) + timedelta(days)


def bulk_body(shop: Shop, lines: list[tuple[Any, Any]], **more: Any) -> dict[str, Any]:
    """A bulk order of the hotel on terms, for a week from now."""
    return order_body(
        lines,
        **{
            "organization_id": str(shop.hotel),
            "po_number": "PO-2026-0117",
            "deliver_on": str(day(7)),
            "payment_method": "terms",
            **more,
        },
    )


async def post(client: AsyncClient, body: dict[str, Any]) -> Response:
    """Place a bulk order."""
    return await client.post("/v1/bulk-orders", json=body, headers=key_header())


class TestPlace:
    async def test_takes_fifty_exact_skus_of_several_vendors_in_one_call(self, shop: Shop) -> None:
        vendors = [shop.first, shop.second, await shop.add_vendor("Kelor", region="52.04", pkp=True)]
        skus = [await shop.add_sku(1000 + number, vendor=vendors[number % 3], tiers={10: 900}) for number in range(50)]
        answer = await post(shop.approver, bulk_body(shop, [(sku, 5 + number % 10) for number, sku in enumerate(skus)]))
        assert answer.status_code == 201, answer.text
        order = answer.json()
        assert answer.headers["location"] == f"/v1/bulk-orders/{order['id']}"
        assert (order["organization_id"], order["po_number"]) == (str(shop.hotel), "PO-2026-0117")
        assert order["deliver_on"] == str(day(7))
        assert [line["sku_id"] for line in order["lines"]] == [str(sku) for sku in skus]
        assert [len(part["lines"]) for part in order["vendor_orders"]] == [17, 17, 16]
        assert sum(line["total"]["amount"] for line in order["lines"]) == order["subtotal"]["amount"]
        assert sum(part["total"]["amount"] for part in order["vendor_orders"]) == order["total"]["amount"]
        read = (await shop.receiver.get(answer.headers["location"])).json()
        assert len(read.pop("history")) == 4
        assert read == order
        assert await shop.broken() == []

    async def test_takes_a_po_number_twice(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        first = await post(shop.requester, bulk_body(shop, [(sku, 1)]))
        second = await post(shop.requester, bulk_body(shop, [(sku, 1)]))
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json()["id"] != second.json()["id"]

    @pytest.mark.parametrize(
        ("who", "status"),
        [
            ("anonymous", 401),
            ("consumer", 403),
            ("office", 403),
            ("receiver", 403),
            ("finance", 403),
            ("rival_hotel", 404),
            ("requester", 201),
            ("approver", 201),
        ],
    )
    async def test_is_for_those_who_buy_for_the_hotel(self, shop: Shop, who: str, status: int) -> None:
        sku = await shop.add_sku()
        before = await shop.everything()
        answer = await post(getattr(shop, who), bulk_body(shop, [(sku, 1)], payment_method="cod"))
        assert answer.status_code == status, answer.text
        assert (await shop.everything() == before) == (status != 201)

    @pytest.mark.parametrize(
        ("field", "value", "code"),
        [
            ("deliver_on", timedelta(-1), "too_early"),
            ("deliver_on", timedelta(0), "too_early"),
            ("deliver_on", timedelta(367), "too_late"),
            ("deliver_on", "2026-02-30", "date_from_datetime_parsing"),
            ("deliver_on", "soon", "invalid_date"),
            ("deliver_on", "1893456000", "invalid_date"),
            ("deliver_on", "2030-01-01T00:00:00", "invalid_date"),
            ("deliver_on", 1893456000, "invalid_date"),
            ("deliver_on", None, "invalid_date"),
            ("po_number", "", "string_too_short"),
            ("po_number", "   ", "string_too_short"),
            ("po_number", "x" * 65, "string_too_long"),
            ("po_number", "PO\n1", "string_pattern_mismatch"),
            ("organization_id", None, "uuid_type"),
        ],
    )
    async def test_names_the_wrong_field(self, shop: Shop, field: str, value: Any, code: str) -> None:
        sku = await shop.add_sku()
        before = await shop.everything()
        wrong = str(day(value.days)) if isinstance(value, timedelta) else value
        answer = await post(shop.approver, bulk_body(shop, [(sku, 1)], **{field: wrong}))
        assert answer.status_code == 422, answer.text
        assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(f"/{field}", code)]
        assert await shop.everything() == before

    @pytest.mark.parametrize("days", [1, 366])
    async def test_takes_the_first_and_the_last_possible_day(self, shop: Shop, days: int) -> None:
        wanted = str(day(days))
        answer = await post(shop.approver, bulk_body(shop, [(await shop.add_sku(), 1)], deliver_on=wanted))
        assert answer.status_code == 201, answer.text
        assert answer.json()["deliver_on"] == wanted

    async def test_does_not_promise_a_day_on_which_a_vendor_cannot_be_there(self, shop: Shop) -> None:
        # The second vendor needs 3 to 5 days: its certificate, good until tomorrow, will be void when the goods arrive.
        await shop.add_certificate(shop.second, "HALAL", day(1))
        sku, near = await shop.add_sku(vendor=shop.second, rules=["HALAL"]), await shop.add_sku()
        before = await shop.everything()
        for days, status, code in ((0, 422, "too_early"), (2, 422, "too_early"), (3, 409, "certificate_expired")):
            body = bulk_body(shop, [(near, 1), (sku, 1)], deliver_on=str(day(days)))
            for answer in (
                await post(shop.approver, body),
                await shop.approver.post("/v1/bulk-orders/preview", json=body),
            ):
                assert answer.status_code == status, answer.text
                assert answer.json()["errors"][0]["code"] == code
        assert await shop.everything() == before

    async def test_wants_certificates_on_the_day_of_delivery(self, shop: Shop) -> None:
        await shop.add_certificate(shop.first, "HALAL", day(7))
        sku = await shop.add_sku(rules=["HALAL"])
        late = await post(shop.approver, bulk_body(shop, [(sku, 1)], deliver_on=str(day(8))))
        assert (late.status_code, late.json()["code"]) == (409, "certificate_expired")
        assert (await post(shop.approver, bulk_body(shop, [(sku, 1)]))).status_code == 201

    async def test_needs_a_key(self, shop: Shop) -> None:
        body = bulk_body(shop, [(await shop.add_sku(), 1)])
        answer = await shop.approver.post("/v1/bulk-orders", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")


class TestRead:
    async def test_lists_the_bulk_orders_of_the_organization_only(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        placed = (await post(shop.approver, bulk_body(shop, [(sku, 1)]))).json()
        await shop.order([(sku, 1)], shop.approver, organization_id=str(shop.hotel))
        rival = bulk_body(shop, [(sku, 1)], organization_id=str(shop.other_hotel), payment_method="cod")
        assert (await post(shop.rival_hotel, rival)).status_code == 201
        for query in ("", f"?organization_id={shop.hotel}", "?status=confirmed"):
            listed = (await shop.finance.get(f"/v1/bulk-orders{query}")).json()
            assert [order["id"] for order in listed["items"]] == [placed["id"]]
        assert (await shop.finance.get("/v1/bulk-orders?status=cancelled")).json()["items"] == []

    @pytest.mark.parametrize(
        ("who", "listing", "one"),
        [
            ("anonymous", 401, 401),
            ("consumer", 403, 404),
            ("rival_hotel", 404, 404),
            ("office", 403, 200),
            ("receiver", 200, 200),
        ],
    )
    async def test_is_for_members(self, shop: Shop, who: str, listing: int, one: int) -> None:
        placed = (await post(shop.approver, bulk_body(shop, [(await shop.add_sku(), 1)]))).json()
        client = getattr(shop, who)
        assert (await client.get(f"/v1/bulk-orders?organization_id={shop.hotel}")).status_code == listing
        assert (await client.get(f"/v1/bulk-orders/{placed['id']}")).status_code == one

    async def test_does_not_show_an_order_that_is_no_bulk_order(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(), 1)], shop.approver, organization_id=str(shop.hotel))
        assert (await shop.approver.get(f"/v1/bulk-orders/{order['id']}")).status_code == 404
        assert (await shop.approver.get(f"/v1/bulk-orders/{uuid4()}")).status_code == 404
