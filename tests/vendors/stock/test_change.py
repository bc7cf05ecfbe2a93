"""PATCH /v1/stock/{sku_id}: counts and deltas."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx import AsyncClient, Response

from tests.vendors.stalls import Stall


async def change(client: AsyncClient, sku: UUID, **body: Any) -> Response:
    return await client.patch(f"/v1/stock/{sku}", json=body, headers={"Accept-Language": "en"})


def levels(answer: Response) -> tuple[str, int, int, int, int, int]:
    body = answer.json()
    fields = ("status", "on_hand", "reserved", "available", "shortfall", "version")
    assert set(body) == {"sku_id", *fields}
    return tuple(body[field] for field in fields)


class TestCount:
    async def test_is_applied_when_the_version_is_the_expected_one(self, stall: Stall) -> None:
        sku = await stall.add_stock(43)
        answer = await change(stall.owner, sku, count=40, expected_version=1)
        assert answer.status_code == 200
        assert levels(answer) == ("applied", 40, 0, 40, 0, 2)
        assert await stall.movements(sku) == [("count", -3, 0)]
        assert await stall.broken() == []

    async def test_is_applied_when_the_amount_is_the_expected_one(self, stall: Stall) -> None:
        sku = await stall.add_stock(43)
        answer = await change(stall.staff, sku, count=50, expected_count=43)
        assert levels(answer) == ("applied", 50, 0, 50, 0, 2)

    async def test_conflicts_with_the_current_value_when_the_version_moved(self, stall: Stall) -> None:
        sku = await stall.add_stock(43)
        await change(stall.owner, sku, count=42, expected_version=1)
        answer = await change(stall.owner, sku, count=40, expected_version=1)
        assert answer.status_code == 409
        problem = answer.json()
        assert problem["code"] == "stock_conflict"
        assert problem["detail"] == "The stock has changed since your count; count again from the current value."
        assert problem["errors"] == [
            {
                "pointer": "/expected_version",
                "in": "body",
                "code": "stock_conflict",
                "sku_id": str(sku),
                "on_hand": 42,
                "reserved": 0,
                "available": 42,
                "shortfall": 0,
                "version": 2,
            }
        ]
        assert await stall.level(sku) == (42, 0, 0, 2)

    async def test_conflicts_when_the_amount_is_another(self, stall: Stall) -> None:
        sku = await stall.add_stock(43)
        answer = await change(stall.owner, sku, count=40, expected_count=44)
        assert answer.status_code == 409
        assert answer.json()["errors"][0]["pointer"] == "/expected_count"
        assert answer.json()["errors"][0]["on_hand"] == 43

    async def test_is_not_in_the_way_of_a_sale_made_meanwhile(self, stall: Stall) -> None:
        sku = await stall.add_stock(43)
        assert await stall.reserve(uuid4(), [(sku, 5)]) == []
        answer = await change(stall.owner, sku, count=40, expected_version=1)
        assert levels(answer) == ("applied", 40, 5, 35, 0, 2)

    async def test_reports_the_shortfall_when_it_is_below_what_is_reserved(self, stall: Stall) -> None:
        sku = await stall.add_stock(10)
        await stall.reserve(uuid4(), [(sku, 8)])
        assert levels(await change(stall.owner, sku, count=5, expected_count=10)) == ("applied", 5, 8, 0, 3, 2)
        assert levels(await change(stall.owner, sku, count=7, expected_count=5)) == ("applied", 7, 8, 0, 1, 3)
        assert levels(await change(stall.owner, sku, count=9, expected_count=7)) == ("applied", 9, 8, 1, 0, 4)
        assert await stall.broken() == []

    async def test_moves_neither_version_nor_movements_when_nothing_changed(self, stall: Stall) -> None:
        sku = await stall.add_stock(10)
        assert levels(await change(stall.owner, sku, count=10, expected_version=1)) == ("applied", 10, 0, 10, 0, 1)
        assert await stall.movements(sku) == []


class TestDelta:
    async def test_is_applied_whatever_the_stock_has_become(self, stall: Stall) -> None:
        sku = await stall.add_stock(10)
        await stall.reserve(uuid4(), [(sku, 2)])
        answer = await change(stall.owner, sku, delta=-3, device_id="phone", sequence=7, reason="sold at the stall")
        assert levels(answer) == ("applied", 7, 2, 5, 0, 2)
        (row,) = await stall.fetch(
            "SELECT vendor_id, device_id, sequence, reason, actor_id FROM vendors.stock_movements WHERE kind = 'delta'"
        )
        assert tuple(row) == (stall.own, "phone", 7, "sold at the stall", UUID(int=1))
        assert await stall.broken() == []

    async def test_is_a_duplicate_when_the_device_sent_it_before(self, stall: Stall) -> None:
        sku = await stall.add_stock(4)
        await change(stall.owner, sku, delta=-3, device_id="phone", sequence=7)
        # A second time it would be below zero; it is recognised before that is looked at.
        answer = await change(stall.owner, sku, delta=-3, device_id="phone", sequence=7)
        assert answer.status_code == 200
        assert levels(answer) == ("duplicate", 1, 0, 1, 0, 2)
        assert await stall.movements(sku) == [("delta", -3, 0)]

    async def test_is_a_duplicate_when_the_key_was_used_for_another_sku(self, stall: Stall) -> None:
        first, second = await stall.add_stock(10), await stall.add_stock(20)
        await change(stall.owner, first, delta=-3, device_id="phone", sequence=7)
        answer = await change(stall.owner, second, delta=-4, device_id="phone", sequence=7)
        assert levels(answer) == ("duplicate", 20, 0, 20, 0, 1)

    async def test_is_applied_when_only_another_vendor_used_the_key(self, stall: Stall) -> None:
        own, other = await stall.add_stock(10), await stall.add_stock(10, stall.other)
        await change(stall.owner, own, delta=-1, device_id="phone", sequence=7)
        answer = await change(stall.rival, other, delta=-1, device_id="phone", sequence=7)
        assert levels(answer)[:2] == ("applied", 9)

    async def test_is_applied_when_sequences_come_late_or_leave_gaps(self, stall: Stall) -> None:
        sku = await stall.add_stock(10)
        for sequence in (9, 2, 5):
            answer = await change(stall.owner, sku, delta=-1, device_id="phone", sequence=sequence)
            assert levels(answer)[0] == "applied"
        assert await stall.level(sku) == (7, 0, 0, 4)

    async def test_conflicts_and_keeps_its_key_free_when_it_goes_below_zero(self, stall: Stall) -> None:
        sku = await stall.add_stock(2)
        refused = await change(stall.owner, sku, delta=-3, device_id="phone", sequence=7)
        assert refused.status_code == 409
        assert refused.json()["code"] == "stock_below_zero"
        assert refused.json()["errors"][0]["on_hand"] == 2
        assert await stall.movements(sku) == []
        await change(stall.owner, sku, count=5, expected_count=2)
        answer = await change(stall.owner, sku, delta=-3, device_id="phone", sequence=7)
        assert levels(answer)[:2] == ("applied", 2)

    async def test_conflicts_when_it_goes_above_the_limit(self, stall: Stall) -> None:
        sku = await stall.add_stock(999_999_999)
        answer = await change(stall.owner, sku, delta=2, device_id="phone", sequence=1)
        assert (answer.status_code, answer.json()["code"]) == (409, "stock_above_limit")

    async def test_makes_a_shortfall_when_it_goes_below_what_is_reserved(self, stall: Stall) -> None:
        sku = await stall.add_stock(10)
        await stall.reserve(uuid4(), [(sku, 9)])
        answer = await change(stall.owner, sku, delta=-4, device_id="phone", sequence=1)
        assert levels(answer) == ("applied", 6, 9, 0, 3, 2)


class TestAvailability:
    async def test_is_announced_only_when_a_sku_ran_out_or_came_back(self, stall: Stall) -> None:
        sku = await stall.add_stock(10)
        await change(stall.owner, sku, count=9, expected_count=10)
        assert await stall.take_emitted() == []
        await change(stall.owner, sku, count=0, expected_count=9)
        assert await stall.take_emitted() == [str(sku)]
        await change(stall.owner, sku, delta=3, device_id="phone", sequence=1)
        assert await stall.take_emitted() == [str(sku)]
        await stall.reserve(uuid4(), [(sku, 2)])
        assert await stall.take_emitted() == []
        await change(stall.owner, sku, count=2, expected_count=3)
        assert await stall.take_emitted() == [str(sku)]


class TestBadInput:
    @pytest.fixture
    def stall(self, shared_stall: Stall) -> Stall:
        """One for all: nothing here changes anything but what it made itself."""
        return shared_stall

    @pytest.mark.parametrize(
        ("body", "pointer", "code"),
        [
            ({"count": -1, "expected_version": 1}, "/count", "greater_than_equal"),
            ({"count": 10**12, "expected_version": 1}, "/count", "less_than_equal"),
            ({"count": 1.5, "expected_version": 1}, "/count", "int_type"),
            ({"count": "4", "expected_version": 1}, "/count", "int_type"),
            ({"count": True, "expected_version": 1}, "/count", "int_type"),
            ({"count": 4}, "", "value_error"),
            ({"count": 4, "expected_version": 1, "expected_count": 10}, "", "value_error"),
            ({"count": 4, "delta": 1, "device_id": "a", "sequence": 1}, "/count", "extra_forbidden"),
            ({"delta": -(10**12), "device_id": "a", "sequence": 1}, "/delta", "greater_than_equal"),
            ({"delta": 1, "device_id": "", "sequence": 1}, "/device_id", "string_too_short"),
            ({"delta": 1, "device_id": "a", "sequence": -1}, "/sequence", "greater_than_equal"),
            ({"delta": 1, "device_id": "a", "sequence": 2**63}, "/sequence", "less_than_equal"),
            ({"delta": 1, "device_id": "a"}, "/sequence", "missing"),
            ({"count": 4, "expected_version": 1, "price": 1}, "/price", "extra_forbidden"),
            ({}, "/count", "missing"),
        ],
    )
    async def test_is_422_with_a_pointer_and_changes_nothing(
        self, stall: Stall, body: dict[str, Any], pointer: str, code: str
    ) -> None:
        sku = await stall.add_stock(10)
        before = await stall.everything()
        answer = await change(stall.owner, sku, **body)
        assert answer.status_code == 422
        errors = {(error["pointer"], error["code"]) for error in answer.json()["errors"]}
        assert (pointer, code) in errors
        assert await stall.everything() == before

    @pytest.mark.parametrize(
        "body",
        [
            b"[]",
            b"null",
            b"7",
            b'"count"',
            b'{"count": NaN, "expected_version": 1}',
            b'{"delta": 1, "device_id": "\\ud800", "sequence": 1}',
        ],
    )
    async def test_is_422_when_the_body_is_no_object_or_no_text(self, stall: Stall, body: bytes) -> None:
        sku = await stall.add_stock(10)
        answer = await stall.owner.patch(f"/v1/stock/{sku}", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
        assert await stall.level(sku) == (10, 0, 0, 1)
