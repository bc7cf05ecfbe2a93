"""POST /v1/orders/{id}/payments."""

from typing import Any
from uuid import uuid4

import pytest

from services.orders.payments.schemas import PaymentRead
from tests.orders.shops import Shop, all_at_once, key_header, rupiah

TOTAL = 20_000


async def place(shop: Shop, **more: Any) -> Any:
    """An order over 20,000 that waits for its transfer."""
    return await shop.order([(await shop.add_sku(10_000), 1)], **{"payment_method": "manual_transfer", **more})


class TestRecord:
    async def test_confirms_the_order_when_it_is_enough(self, shop: Shop) -> None:
        order = await place(shop)
        answer = await shop.pay(order, TOTAL, reference="BNTB-1")
        assert answer.status_code == 201, answer.text
        payment = answer.json()
        PaymentRead.model_validate(payment)
        assert (payment["allocated"], payment["order_status"]) == (True, "confirmed")
        assert (payment["paid"], payment["due"], payment["refund"]) == (rupiah(TOTAL), rupiah(0), rupiah(0))
        read = await shop.read(order)
        assert (read["status"], read["paid"], read["due"]) == ("confirmed", rupiah(TOTAL), rupiah(0))
        assert read["vendor_orders"][0]["accept_by"] is not None
        assert read["history"][-1]["reason"] == "paid"
        assert await shop.broken() == []

    async def test_lets_the_order_wait_when_it_is_less(self, shop: Shop) -> None:
        order = await place(shop)
        assert (await shop.pay(order, TOTAL - 1)).json()["due"] == rupiah(1)
        assert (await shop.read(order))["status"] == "awaiting_payment"
        assert (await shop.pay(order, 1)).json()["order_status"] == "confirmed"
        assert await shop.broken() == []

    async def test_makes_due_back_what_is_too_much(self, shop: Shop) -> None:
        order = await place(shop)
        assert (await shop.pay(order, TOTAL + 500)).json()["refund"] == rupiah(500)
        assert (await shop.pay(order, 700)).json()["refund"] == rupiah(700)
        read = await shop.read(order)
        assert (read["paid"], read["due"], read["refund_due"]) == (rupiah(TOTAL + 1200), rupiah(0), rupiah(1200))
        refunds = await shop.fetch("SELECT amount, reason, status FROM orders.refunds ORDER BY amount")
        assert [tuple(row) for row in refunds] == [(500, "overpaid", "due"), (700, "overpaid", "due")]
        assert await shop.broken() == []

    @pytest.mark.parametrize("end", ["cancelled", "expired"])
    async def test_keeps_for_refund_what_comes_too_late(self, shop: Shop, end: str) -> None:
        order = await place(shop)
        if end == "cancelled":
            await shop.consumer.post(f"/v1/orders/{order['id']}/cancel")
        else:
            await shop.fetch("UPDATE orders.vendor_orders SET status = 'cancelled'")
            await shop.fetch("UPDATE orders.orders SET status = 'expired', subtotal = 0, shipping = 0, total = 0")
        payment = (await shop.pay(order, TOTAL)).json()
        assert (payment["allocated"], payment["order_status"]) == (False, end)
        assert (payment["paid"], payment["refund"]) == (rupiah(0), rupiah(TOTAL))
        read = await shop.read(order)
        assert (read["status"], read["paid"], read["refund_due"]) == (end, rupiah(0), rupiah(TOTAL))
        (refund,) = await shop.fetch("SELECT amount, reason FROM orders.refunds")
        assert tuple(refund) == (TOTAL, "late_payment")

    async def test_of_terms_comes_after_the_delivery(self, shop: Shop) -> None:
        order = await place(shop, client=shop.approver, payment_method="terms", organization_id=str(shop.hotel))
        for action in ("accept", "ship", "deliver"):
            assert (await shop.move(shop.first, order, action)).status_code == 200
        assert (await shop.read(order, shop.finance))["due"] == rupiah(TOTAL)
        assert (await shop.pay(order, TOTAL)).json()["order_status"] == "completed"
        assert (await shop.read(order, shop.finance))["due"] == rupiah(0)
        assert await shop.broken() == []

    async def test_takes_a_reference_once(self, shop: Shop) -> None:
        order, other = await place(shop), await place(shop)
        assert (await shop.pay(order, 5000, reference="BNTB-1")).status_code == 201
        before = await shop.everything()
        for one in (order, other):
            answer = await shop.pay(one, 5000, reference=" BNTB-1 ")
            assert (answer.status_code, answer.json()["code"]) == (409, "duplicate_payment_reference")
        assert await shop.everything() == before

    async def test_takes_a_reference_once_from_many_at_once(self, shop: Shop) -> None:
        orders = [await place(shop) for _ in range(4)]
        answers = await all_at_once(*(shop.pay(order, TOTAL, reference="BNTB-1") for order in orders * 3))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 11
        assert await shop.broken() == []

    @pytest.mark.parametrize(
        ("who", "status"),
        [("anonymous", 401), ("consumer", 403), ("approver", 403), ("admin", 201), ("office", 201)],
    )
    async def test_is_for_the_office(self, shop: Shop, who: str, status: int) -> None:
        order = await place(shop)
        before = await shop.everything()
        body = {"amount": rupiah(TOTAL), "reference": "BNTB-1"}
        path = f"/v1/orders/{order['id']}/payments"
        answer = await getattr(shop, who).post(path, json=body, headers=key_header())
        assert answer.status_code == status, answer.text
        assert (await shop.everything() == before) == (status != 201)
        assert (await shop.first.client.post(path, json=body, headers=key_header())).status_code == 403

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"amount": rupiah(0), "reference": "a"}, "/amount/amount"),
            ({"amount": rupiah(-5), "reference": "a"}, "/amount/amount"),
            ({"amount": rupiah(2**53), "reference": "a"}, "/amount/amount"),
            ({"amount": {"amount": 5, "currency": "USD"}, "reference": "a"}, "/amount/currency"),
            ({"amount": 5, "reference": "a"}, "/amount"),
            ({"amount": rupiah(5), "reference": ""}, "/reference"),
            ({"amount": rupiah(5), "reference": "x" * 101}, "/reference"),
            ({"amount": rupiah(5), "reference": "cod:1"}, "/reference"),
            ({"amount": rupiah(5)}, "/reference"),
            ({"amount": rupiah(5), "reference": "a", "allocated": True}, "/allocated"),
        ],
    )
    async def test_names_the_wrong_field(self, shop: Shop, body: dict[str, Any], pointer: str) -> None:
        order = await place(shop)
        before = await shop.everything()
        answer = await shop.office.post(f"/v1/orders/{order['id']}/payments", json=body, headers=key_header())
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == pointer
        assert await shop.everything() == before

    async def test_refuses_more_than_can_be_counted(self, shop: Shop) -> None:
        order = await place(shop)
        assert (await shop.pay(order, 2**53 - 1)).status_code == 201
        before = await shop.everything()
        answer = await shop.pay(order, 1)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "amount_too_large")
        assert await shop.everything() == before

    async def test_needs_a_key_and_an_order(self, shop: Shop) -> None:
        order = await place(shop)
        body = {"amount": rupiah(5), "reference": "a"}
        answer = await shop.office.post(f"/v1/orders/{order['id']}/payments", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")
        assert (await shop.pay({"id": uuid4()}, 5)).status_code == 404
