"""What nobody should send: a documented problem each, nothing written, nothing leaked."""

from typing import Any

import pytest

from tests.orders.shops import SHIP_TO, Shop, key_header, order_body, rupiah

UNKNOWN = "0198c5b7-6f0e-7d3a-9f0e-2f4f3f1f6a10"


def changed(**more: Any) -> dict[str, Any]:
    """A good body but for these fields; the sku is put in by the test."""
    return {**order_body([("SKU", 1)]), **more}


def line(**more: Any) -> dict[str, Any]:
    """A body with one line that is good but for these fields."""
    return {**changed(), "lines": [{"sku_id": "SKU", "quantity": 1, **more}]}


def without(field: str) -> dict[str, Any]:
    """A good body without this field."""
    return {name: value for name, value in changed().items() if name != field}


def address(**more: Any) -> dict[str, Any]:
    """A good body but for these fields of the address."""
    return changed(ship_to={**SHIP_TO, **more})


BODIES: list[tuple[Any, str]] = [
    (line(quantity=0), "/lines/0/quantity"),
    (line(quantity=-1), "/lines/0/quantity"),
    (line(quantity=10**12), "/lines/0/quantity"),
    (line(quantity=1_000_001), "/lines/0/quantity"),
    (line(quantity=1.5), "/lines/0/quantity"),
    (line(quantity=1.0), "/lines/0/quantity"),
    (line(quantity="1"), "/lines/0/quantity"),
    (line(quantity=True), "/lines/0/quantity"),
    (line(quantity=None), "/lines/0/quantity"),
    (line(sku_id="gula-aren"), "/lines/0/sku_id"),
    (line(sku_id=7), "/lines/0/sku_id"),
    (line(sku_id=UNKNOWN), "/lines/0/sku_id"),
    (line(price=1), "/lines/0/price"),
    (line(unit_price=rupiah(1)), "/lines/0/unit_price"),
    (changed(total=rupiah(1)), "/total"),
    (changed(status="confirmed"), "/status"),
    (changed(buyer_id=UNKNOWN), "/buyer_id"),
    (changed(lines=[]), "/lines"),
    (changed(lines="all"), "/lines"),
    (changed(lines=[{"sku_id": "SKU", "quantity": 1}] * 1001), "/lines"),
    (changed(lines=[{"sku_id": "SKU", "quantity": 600_000}] * 2), "/lines/1/quantity"),
    (changed(payment_method="gratis"), "/payment_method"),
    (changed(expected_total={"amount": 1, "currency": "USD"}), "/expected_total/currency"),
    (changed(expected_total={"amount": 1.5, "currency": "IDR"}), "/expected_total/amount"),
    (changed(expected_total={"amount": -1, "currency": "IDR"}), "/expected_total/amount"),
    (changed(expected_total={"amount": 2**53, "currency": "IDR"}), "/expected_total/amount"),
    (changed(expected_total=20_000), "/expected_total"),
    (changed(organization_id="hotel"), "/organization_id"),
    (changed(po_number="PO-1"), "/po_number"),
    (address(region_code="52"), "/ship_to/region_code"),
    (address(region_code="Mataram"), "/ship_to/region_code"),
    (address(region_code="52.99"), "/ship_to/region_code"),
    (address(region_code="99.01"), "/ship_to/region_code"),
    (address(name=""), "/ship_to/name"),
    (address(name="   "), "/ship_to/name"),
    (address(name="x" * 201), "/ship_to/name"),
    (address(phone="call me"), "/ship_to/phone"),
    (address(postal_code="8311"), "/ship_to/postal_code"),
    (address(nik="5271011708450001"), "/ship_to/nik"),
    *((without(field), f"/{field}") for field in ("lines", "ship_to", "payment_method")),
    ([], ""),
    (None, ""),
    ("order", ""),
]


def put_in(value: Any, sku: str) -> Any:
    """The body with the real sku in it."""
    if isinstance(value, dict):
        return {name: put_in(one, sku) for name, one in value.items()}
    if isinstance(value, list):
        return [put_in(one, sku) for one in value]
    return sku if value == "SKU" else value


class TestFields:
    async def test_each_wrong_one_is_named_and_nothing_is_written(self, shop: Shop) -> None:
        sku = str(await shop.add_sku())
        before = await shop.everything()
        for body, pointer in BODIES:
            answer = await shop.consumer.post("/v1/orders", json=put_in(body, sku), headers=key_header())
            problem = answer.json()
            case = f"{str(body)[:200]} -> {str(problem)[:400]}"
            assert answer.status_code == 422, case
            assert answer.headers["content-type"] == "application/problem+json", case
            assert problem["code"] == "invalid_request", case
            assert pointer in {error["pointer"] for error in problem["errors"]}, case
        assert await shop.everything() == before

    async def test_all_wrong_quantities_are_named_at_once(self, shop: Shop) -> None:
        packs, few = await shop.add_sku(multiple=6), await shop.add_sku(minimum=5)
        answer = await shop.post_order(shop.consumer, [(packs, 7), (few, 4), (UNKNOWN, 1)])
        assert answer.status_code == 422
        assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [
            ("/lines/0/quantity", "not_a_multiple"),
            ("/lines/1/quantity", "below_min_quantity"),
            ("/lines/2/sku_id", "unknown_sku"),
        ]

    async def test_a_total_beyond_the_limit_is_refused(self, shop: Shop) -> None:
        skus = [await shop.add_sku(10**9, stock=10**9, weight=1) for _ in range(10)]
        before = await shop.everything()
        answer = await shop.post_order(shop.consumer, [(sku, 10**6) for sku in skus])
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "amount_too_large")
        assert await shop.everything() == before

    async def test_a_thousand_lines_are_taken(self, shop: Shop) -> None:
        sku = await shop.add_sku(stock=1000)
        order = await shop.order([(sku, 1)] * 1000)
        assert [line["quantity"] for line in order["lines"]] == [1000]


class TestBodies:
    @pytest.mark.parametrize(
        ("content", "status", "code"),
        [
            (b'{"lines": [', 400, "malformed_request"),
            (b"", 422, "invalid_request"),
            (b'{"lines": "\xff\xfe"}', 400, "malformed_request"),
            (b'{"lines": "\x00"}', 400, "malformed_request"),
            (b'{"lines": "\\u0000"}', 400, "malformed_request"),
            (b"NaN", 422, "invalid_request"),
        ],
    )
    async def test_that_cannot_be_read_are_refused(self, shop: Shop, content: bytes, status: int, code: str) -> None:
        before = await shop.everything()
        headers = {**key_header(), "Content-Type": "application/json"}
        answer = await shop.consumer.post("/v1/orders", content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert await shop.everything() == before

    async def test_of_another_type_are_refused(self, shop: Shop) -> None:
        for media_type in ("text/plain", "application/xml", "application/x-www-form-urlencoded"):
            answer = await shop.consumer.post(
                "/v1/orders", content=b"{}", headers={**key_header(), "Content-Type": media_type}
            )
            assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")

    async def test_with_half_a_character_are_refused(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        content = f"""{{"lines": [{{"sku_id": "{sku}", "quantity": 1}}], "payment_method": "cod", "ship_to": {{
            "name": "\\ud800", "phone": "0370000111", "address": "Jl.", "region_code": "52.71", "postal_code": "83114"
        }}}}"""
        before = await shop.everything()
        headers = {**key_header(), "Content-Type": "application/json"}
        answer = await shop.consumer.post("/v1/orders", content=content.encode(), headers=headers)
        assert answer.status_code in {400, 422}, answer.text
        assert await shop.everything() == before


class TestAddresses:
    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/v1/orders?colour=red", 422),
            ("/v1/orders?cursor=abc", 422),
            ("/v1/orders?limit=0", 422),
            ("/v1/orders?limit=101", 422),
            ("/v1/orders?status=lost", 422),
            ("/v1/orders?organization_id=hotel", 422),
            ("/v1/orders/not-an-id", 422),
            (f"/v1/orders/{UNKNOWN}", 404),
            (f"/v1/orders/{UNKNOWN}?full=true", 422),
            (f"/v1/orders?organization_id={UNKNOWN}", 404),
        ],
    )
    async def test_that_are_wrong_are_refused(self, shop: Shop, path: str, status: int) -> None:
        answer = await shop.consumer.get(path)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"

    @pytest.mark.parametrize("key", ["", "x" * 256, "ki\tosk"])
    async def test_keys_that_are_none_are_refused(self, shop: Shop, key: str) -> None:
        sku = await shop.add_sku()
        before = await shop.everything()
        answer = await shop.consumer.post("/v1/orders", json=order_body([(sku, 1)]), headers={"Idempotency-Key": key})
        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")
        assert await shop.everything() == before
