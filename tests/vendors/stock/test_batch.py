"""POST /v1/stock/batch: many changes at once, a result for each."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx import AsyncClient, Response

from ishop.auth import Principal
from tests.vendors.stalls import Stall


async def send(client: AsyncClient, rows: Sequence[Any], mode: str = "partial", key: str | None = None) -> Response:
    return await client.post(
        "/v1/stock/batch",
        json={"mode": mode, "rows": rows},
        headers={"Idempotency-Key": key or str(uuid4()), "Accept-Language": "en"},
    )


def counted(sku: UUID, count: int, **base: int) -> dict[str, Any]:
    return {"sku_id": str(sku), "count": count, **base}


def moved(sku: UUID, delta: int, sequence: int, device_id: str = "phone") -> dict[str, Any]:
    return {"sku_id": str(sku), "delta": delta, "device_id": device_id, "sequence": sequence}


def brief(answer: Response) -> list[tuple[int, str, str | None, int | None, int | None]]:
    """row, status, code, on_hand and version of every result."""
    assert answer.status_code == 200, answer.text
    fields = ("row", "status", "code", "on_hand", "version")
    return [tuple(result[field] for field in fields) for result in answer.json()["results"]]


class TestPartial:
    async def test_answers_each_row_in_order_when_they_end_differently(self, stall: Stall) -> None:
        first, second, third = [await stall.add_stock(10) for _ in range(3)]
        foreign = await stall.add_stock(10, stall.other)
        answer = await send(
            stall.owner,
            [
                counted(first, 12, expected_version=1),
                counted(second, 12, expected_count=11),
                moved(third, -4, 1),
                moved(third, -4, 1),
                counted(foreign, 1, expected_count=10),
                {"sku_id": str(third), "count": -1, "expected_version": 1},
                moved(third, -7, 2),
                "nonsense",
            ],
        )
        assert brief(answer) == [
            (0, "applied", None, 12, 2),
            (1, "conflict", "stock_conflict", 10, 1),
            (2, "applied", None, 6, 2),
            (3, "duplicate", None, 6, 2),
            (4, "invalid", "unknown_sku", None, None),
            (5, "invalid", "greater_than_equal", None, None),
            (6, "conflict", "stock_below_zero", 6, 2),
            (7, "invalid", "model_attributes_type", None, None),
        ]
        results = answer.json()["results"]
        assert results[0] == {
            "row": 0,
            "sku_id": str(first),
            "status": "applied",
            "on_hand": 12,
            "reserved": 0,
            "available": 12,
            "shortfall": 0,
            "version": 2,
            "code": None,
            "detail": None,
        }
        assert results[4]["detail"] == "Your vendor has no such sku."
        assert answer.headers["Content-Language"] == "en"
        assert results[5]["sku_id"] == str(third)
        assert results[5]["detail"] == "/count: Input should be greater than or equal to 0"
        assert results[7]["sku_id"] is None
        assert await stall.level(foreign) == (10, 0, 0, 1)
        assert await stall.broken() == []

    async def test_does_not_tell_a_foreign_sku_from_one_that_is_not_there(self, stall: Stall) -> None:
        foreign = await stall.add_stock(10, stall.other)
        answer = await send(
            stall.owner, [counted(foreign, 1, expected_count=10), counted(uuid4(), 1, expected_count=10)]
        )
        one, other = ({**result, "row": 0, "sku_id": None} for result in answer.json()["results"])
        assert one == other

    async def test_takes_the_rows_of_one_sku_in_their_order(self, stall: Stall) -> None:
        sku = await stall.add_stock(10)
        other = await stall.add_stock(1)
        answer = await send(
            stall.owner,
            [
                counted(sku, 5, expected_version=1),
                moved(other, -1, 1),
                moved(sku, -2, 2),
                counted(sku, 9, expected_count=3),
                counted(sku, 8, expected_version=3),
            ],
        )
        assert brief(answer) == [
            (0, "applied", None, 5, 2),
            (1, "applied", None, 0, 2),
            (2, "applied", None, 3, 3),
            (3, "applied", None, 9, 4),
            (4, "conflict", "stock_conflict", 9, 4),
        ]
        assert await stall.movements(sku) == [("count", -5, 0), ("delta", -2, 0), ("count", 6, 0)]
        assert await stall.take_emitted() == [str(other)]
        assert await stall.broken() == []

    async def test_announces_nothing_when_a_sku_ran_out_and_came_back_within(self, stall: Stall) -> None:
        sku = await stall.add_stock(3)
        await send(stall.owner, [moved(sku, -3, 1), moved(sku, 1, 2)])
        assert await stall.level(sku) == (1, 0, 0, 3)
        assert await stall.take_emitted() == []

    async def test_takes_a_key_once_when_two_skus_of_a_batch_have_it(self, stall: Stall) -> None:
        first, second = await stall.add_stock(10), await stall.add_stock(10)
        answer = await send(stall.owner, [moved(first, -1, 1), moved(second, -1, 1)])
        assert brief(answer) == [(0, "applied", None, 9, 2), (1, "duplicate", None, 10, 1)]
        assert await stall.broken() == []

    async def test_reaches_all_vendors_of_the_caller(self, stall: Stall) -> None:
        both = stall.client(Principal(UUID(int=9), vendors={stall.own: "staff", stall.other: "staff"}))
        own, other = await stall.add_stock(10), await stall.add_stock(10, stall.other)
        # The same device may number the changes of each vendor for itself.
        answer = await send(both, [moved(own, -1, 1), moved(other, -2, 1)])
        assert brief(answer) == [(0, "applied", None, 9, 2), (1, "applied", None, 8, 2)]

    async def test_is_a_handful_of_statements_however_many_rows(self, stall: Stall) -> None:
        skus = [await stall.add_stock(10) for _ in range(30)]
        with stall.count_queries() as statements:
            answer = await send(stall.owner, [counted(sku, 0, expected_version=1) for sku in skus])
        assert {result["status"] for result in answer.json()["results"]} == {"applied"}
        # The claim of the key, the change and the stored answer.
        assert len(statements) == 3
        assert await stall.take_emitted() == sorted(str(sku) for sku in skus)


class TestAtomic:
    async def test_writes_all_when_every_row_is_right(self, stall: Stall) -> None:
        first, second = await stall.add_stock(10), await stall.add_stock(20)
        answer = await send(stall.owner, [moved(first, 1, 1), moved(second, 2, 2)], "atomic")
        assert brief(answer) == [(0, "applied", None, 11, 2), (1, "applied", None, 22, 2)]

    async def test_is_409_and_writes_nothing_when_a_row_fails(self, stall: Stall) -> None:
        first, second = await stall.add_stock(10), await stall.add_stock(20)
        before = await stall.everything()
        rows = [moved(first, -4, 1), moved(first, -7, 2), counted(second, 1, expected_version=1), {"count": 3}]
        answer = await send(stall.owner, rows, "atomic", "key-1")
        assert answer.status_code == 409
        problem = answer.json()
        assert problem["code"] == "stock_batch_refused"
        assert problem["detail"] == "2 of 4 rows were refused, so nothing was written; see `errors`."
        conflict, invalid = problem["errors"]
        # The stock is what it is now, not what the first row would have left of it.
        assert (conflict["pointer"], conflict["row"], conflict["code"]) == ("/rows/1", 1, "stock_below_zero")
        assert (conflict["sku_id"], conflict["on_hand"], conflict["version"]) == (str(first), 10, 1)
        assert (invalid["pointer"], invalid["status"], invalid["on_hand"]) == ("/rows/3", "invalid", None)
        assert await stall.everything() == before
        # A refused batch leaves no claim: the key may be used for the corrected one.
        assert (await send(stall.owner, rows[:1], "atomic", "key-1")).status_code == 200

    async def test_accepts_duplicates(self, stall: Stall) -> None:
        sku = await stall.add_stock(10)
        await send(stall.owner, [moved(sku, -4, 1)], "atomic")
        answer = await send(stall.owner, [moved(sku, -4, 1), moved(sku, -1, 2)], "atomic")
        assert brief(answer) == [(0, "duplicate", None, 6, 2), (1, "applied", None, 5, 3)]


class TestRetry:
    async def test_answers_the_same_and_changes_nothing_when_sent_twice(self, stall: Stall) -> None:
        sku = await stall.add_stock(10)
        rows = [counted(sku, 12, expected_version=1)]
        first = await send(stall.owner, rows, key="key-1")
        before = await stall.everything()
        second = await send(stall.owner, rows, key="key-1")
        assert second.headers["Idempotency-Replayed"] == "true"
        assert (second.status_code, second.content) == (200, first.content)
        assert await stall.everything() == before

    async def test_is_422_when_the_key_comes_with_another_body(self, stall: Stall) -> None:
        sku = await stall.add_stock(10)
        await send(stall.owner, [counted(sku, 12, expected_version=1)], key="key-1")
        answer = await send(stall.owner, [counted(sku, 13, expected_version=2)], key="key-1")
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
        assert (await stall.level(sku))[0] == 12

    async def test_is_400_without_a_key(self, stall: Stall) -> None:
        sku = await stall.add_stock(10)
        answer = await stall.owner.post(
            "/v1/stock/batch", json={"mode": "partial", "rows": [counted(sku, 12, expected_version=1)]}
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")
        assert await stall.level(sku) == (10, 0, 0, 1)


class TestBadInput:
    @pytest.fixture
    def stall(self, shared_stall: Stall) -> Stall:
        """One for all: nothing here changes anything but what it made itself."""
        return shared_stall

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"mode": "partial", "rows": []}, "/rows"),
            ({"mode": "partial", "rows": [{}] * 10_001}, "/rows"),
            ({"mode": "partial", "rows": {"0": {}}}, "/rows"),
            ({"mode": "some", "rows": [{}]}, "/mode"),
            ({"rows": [{}]}, "/mode"),
            ({"mode": "partial"}, "/rows"),
            ({"mode": "partial", "rows": [{}], "price": 1}, "/price"),
        ],
    )
    async def test_is_422_when_the_batch_itself_is_wrong(
        self, stall: Stall, body: dict[str, Any], pointer: str
    ) -> None:
        answer = await stall.owner.post("/v1/stock/batch", json=body, headers={"Idempotency-Key": "key-1"})
        assert answer.status_code == 422
        assert pointer in {error["pointer"] for error in answer.json()["errors"]}

    @pytest.mark.parametrize(
        ("row", "code"),
        [
            ({"sku_id": "x", "count": 1, "expected_version": 1}, "uuid_parsing"),
            ({"count": 1, "expected_version": 1}, "missing"),
            ({"sku_id": str(UUID(int=1)), "count": 10**30, "expected_version": 1}, "less_than_equal"),
            ({"sku_id": str(UUID(int=1)), "count": 1}, "value_error"),
            ({"sku_id": str(UUID(int=1)), "delta": 1, "device_id": 7, "sequence": 1}, "string_type"),
            ({"sku_id": [], "delta": {}}, "int_type"),
            (None, "model_attributes_type"),
            ([], "model_attributes_type"),
            (True, "model_attributes_type"),
        ],
    )
    async def test_is_an_invalid_row_when_a_row_is_wrong(self, stall: Stall, row: Any, code: str) -> None:
        sku = await stall.add_stock(10)
        answer = await send(stall.owner, [row, counted(sku, 11, expected_version=1)])
        assert [(status, reason) for _, status, reason, _, _ in brief(answer)] == [("invalid", code), ("applied", None)]

    async def test_is_an_invalid_row_when_a_text_cannot_be_stored(self, stall: Stall) -> None:
        sku = await stall.add_stock(10)
        row = f'{{"sku_id": "{sku}", "delta": 1, "device_id": "\\ud800", "sequence": 1}}'
        answer = await stall.owner.post(
            "/v1/stock/batch",
            content=f'{{"mode": "partial", "rows": [{row}]}}',
            headers={"Idempotency-Key": "key-1", "Content-Type": "application/json"},
        )
        assert [(status, code) for _, status, code, _, _ in brief(answer)] == [("invalid", "string_unicode")]
