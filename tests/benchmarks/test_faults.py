"""The short drill: every process killed once under a light load; and a checker that sees what it is there to see."""

from typing import Any

import aiohttp
import pytest

from benchmarks.faults.drill import Plan, drill
from benchmarks.faults.parts import PARTS
from benchmarks.faults.traffic import BROKEN_OFF, CUT, Failure, Traffic, Write
from benchmarks.faults.verdict import Fault, batches_broken, errors_unexplained, orders_broken
from tests.ishop.homes import temporary_home

UNAVAILABLE = "503 unavailable"
SENT: Any = {"lines": [{"sku_id": "a"}, {"sku_id": "b"}]}
ROW: Any = {
    "id": "1", "status": "confirmed", "address": "Jl. Uji order-0", "skus": ["a", "b"], "reserved": 2, "held": 2,
}  # fmt: skip


async def test_every_process_killed_once_costs_only_errors_that_say_so() -> None:
    with temporary_home() as home:
        results = await drill(Plan(rate=30, calm_seconds=1, away_seconds=1.5), home)
    assert results.broken == []
    assert (results.unsettled, results.turned_away) == (0, 0)
    assert [outcome.part for outcome in results.outcomes] == list(PARTS)
    costs = {outcome.part: set(outcome.errors) for outcome in results.outcomes}
    assert costs["worker"] == set()
    assert CUT in costs["gateway"]
    assert UNAVAILABLE in costs["orders"]
    assert UNAVAILABLE in costs["postgres"]
    assert results.orders > 50


class TestErrors:
    @pytest.mark.parametrize(
        ("failure", "explained"),
        [
            (Failure(11, 12, "orders", "/v1/orders", UNAVAILABLE, documented=True), True),
            (Failure(9, 10.5, "orders", "/v1/orders", UNAVAILABLE, documented=True), True),
            (Failure(9, 9.5, "orders", "/v1/orders", UNAVAILABLE, documented=True), False),
            (Failure(20, 21, "orders", "/v1/orders", UNAVAILABLE, documented=True), False),
            (Failure(11, 12, "catalog", "/v1/products", UNAVAILABLE, documented=True), False),
            (Failure(11, 12, "orders", "/v1/orders", CUT, documented=True), False),
            (Failure(11, 12, "orders", "/v1/orders", BROKEN_OFF, documented=True), True),
            (Failure(11, 12, "orders", "/v1/orders", "500 internal_error", documented=False), False),
        ],
    )
    async def test_only_while_the_part_was_down(self, failure: Failure, explained: bool) -> None:
        traffic = Traffic("", aiohttp.ClientSession(), 1, failures=[failure])
        await traffic.http.close()
        fault = Fault("orders", killed=10, started=12, ready=13, whole=14)
        assert (list(errors_unexplained(traffic, [fault])) == []) is explained


class TestData:
    async def journal(self, *writes: Write) -> Traffic:
        async with aiohttp.ClientSession() as http:
            return Traffic("", http, 1, orders={write.key: write for write in writes})

    async def test_whole(self) -> None:
        traffic = await self.journal(Write("order", "order-0", SENT, 201, {"id": "1"}))
        assert list(orders_broken(traffic, [ROW])) == []

    async def test_open_writes_may_be_there_or_not(self) -> None:
        traffic = await self.journal(Write("order", "order-0", SENT))
        assert list(orders_broken(traffic, [])) == list(orders_broken(traffic, [ROW])) == []

    @pytest.mark.parametrize(
        ("rows", "says"),
        [
            ([], "order-0 was accepted and is not there"),
            ([ROW, ROW | {"id": "2"}], "order-0 is there 2 times"),
            ([ROW | {"id": "2"}], "order-0 has another id than its answer said"),
            ([ROW, ROW | {"address": "Jl. Uji order-1"}], "order-1 was never sent"),
            ([ROW | {"skus": ["a"]}], "order-0 has other lines than were sent"),
            ([ROW | {"status": "cancelled", "held": 0}], "order-0 is cancelled, which nobody asked for"),
            ([ROW | {"held": 1}], "order-0 (confirmed) reserved 2 and holds 1 of 2"),
            ([ROW | {"reserved": 4}], "order-0 (confirmed) reserved 4 and holds 2 of 2"),
        ],
    )
    async def test_broken(self, rows: list[Any], says: str) -> None:
        traffic = await self.journal(Write("order", "order-0", SENT, 201, {"id": "1"}))
        assert says in list(orders_broken(traffic, rows))

    async def test_a_cancel_that_was_accepted_is_one(self) -> None:
        traffic = await self.journal(Write("order", "order-0", SENT, 201, {"id": "1"}))
        traffic.cancels["1"] = Write("cancel", "cancel-1", "1", 200)
        assert list(orders_broken(traffic, [ROW])) == ["order-0 is confirmed after it was cancelled"]

    @pytest.mark.parametrize(
        ("status", "sequences", "says"),
        [
            (200, [0], ["batch-0 was accepted and 1 of 2 rows are there"]),
            (200, [0, 1, 1], ["row 1 of batch-0 was taken 2 times", "batch-0 was accepted and 3 of 2 rows are there"]),
            (None, [0], ["batch-0 is there by half"]),
            (None, [], []),
            (200, [0, 1], []),
        ],
    )
    async def test_batches(self, status: int | None, sequences: list[int], says: list[str]) -> None:
        traffic = await self.journal()
        traffic.batches["batch-0"] = Write("batch", "batch-0", [{"sequence": 0}, {"sequence": 1}], status)
        rows = [{"device_id": "batch-0", "sequence": sequence} for sequence in sequences]
        assert list(batches_broken(traffic, rows)) == says
