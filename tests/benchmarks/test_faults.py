"""The short drill: every process killed once under a light load; and a checker that sees what it is there to see."""

import signal
from collections.abc import Sequence
from typing import Any

import aiohttp
import pytest

from benchmarks.faults.drill import KILLS, Plan, drill
from benchmarks.faults.parts import IN_ONE_PROCESS, POSTGRES, PROCESSES, SERVICES
from benchmarks.faults.traffic import BROKEN_OFF, CUT, Failure, Traffic, Write
from benchmarks.faults.verdict import Fault, batches_broken, errors_unexplained, money_broken, orders_broken
from tests.ishop.homes import temporary_home

UNAVAILABLE = "503 unavailable"
SENT: Any = {"lines": [{"sku_id": "a"}, {"sku_id": "b"}]}
ROW: Any = {
    "id": "1", "status": "confirmed", "address": "Jl. Uji order-0", "skus": ["a", "b"], "reserved": 2, "held": 2,
}  # fmt: skip
CHANGE: Any = {"sku_id": "a", "delta": 1}
MOVED: Any = {"device_id": "batch-0", "sku_id": "a", "on_hand_change": 1}
PAID: Any = {
    "id": "1", "status": "confirmed", "payment_method": "manual_transfer", "paid": 9, "total": 9, "due_back": 0,
    "references": ["payment-0"], "amounts": [9],
}  # fmt: skip

RESTARTS = ((POSTGRES, signal.SIGINT), (POSTGRES, signal.SIGQUIT))
"""PostgreSQL's fast and its immediate shutdown."""


@pytest.mark.parametrize(
    ("processes", "ends", "door"),
    [
        (PROCESSES, (*KILLS, *RESTARTS), "gateway"),
        (IN_ONE_PROCESS, (("market", signal.SIGKILL), ("worker", signal.SIGKILL), *RESTARTS), "market"),
    ],
    ids=["over http", "in process"],
)
async def test_a_process_killed_or_a_database_restarted_costs_only_errors_that_say_so(
    processes: Sequence[str], ends: Sequence[tuple[str, signal.Signals]], door: str
) -> None:
    with temporary_home() as home:
        results = await drill(Plan(rate=30, calm_seconds=0.7, away_seconds=1.5, ends=ends), home, processes)
    assert results.broken == []
    assert (results.unsettled, results.turned_away) == (0, 0)
    costs: dict[str, set[str]] = {}
    for outcome in results.outcomes:
        costs.setdefault(outcome.part, set()).update(outcome.errors)
    assert list(costs) == list(dict.fromkeys(part for part, _ in ends))
    assert costs["worker"] == set()
    assert CUT in costs[door]
    assert costs[POSTGRES] == {UNAVAILABLE}
    assert all(costs[part] == {UNAVAILABLE} for part in SERVICES if part in costs)
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
            ([ROW, ROW | {"id": "2"}], "order-0 is there more than once (2 times)"),
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
            (
                200,
                [0, 1, 1],
                [
                    "row 1 of batch-0 was taken more than once (2 times)",
                    "batch-0 was accepted and 3 of 2 rows are there",
                ],
            ),
            (None, [0], ["batch-0 is there by half"]),
            (200, [], ["batch-0 was accepted and is not there"]),
            (None, [], []),
            (200, [0, 1], []),
        ],
    )
    async def test_batches(self, status: int | None, sequences: list[int], says: list[str]) -> None:
        traffic = await self.journal()
        traffic.batches["batch-0"] = Write(
            "stock batch", "batch-0", [CHANGE | {"sequence": place} for place in (0, 1)], status
        )
        rows = [MOVED | {"sequence": sequence} for sequence in sequences]
        assert list(batches_broken(traffic, rows)) == says

    async def test_a_change_of_another_stock_than_was_sent_is_seen(self) -> None:
        traffic = await self.journal()
        traffic.batches["batch-0"] = Write("delta", "batch-0", [CHANGE | {"sequence": 0}], 200)
        rows = [MOVED | {"sequence": 0, "on_hand_change": 2}, MOVED | {"sequence": 0, "device_id": "batch-7"}]
        assert list(batches_broken(traffic, rows)) == [
            "batch-7 was never sent",
            "row 0 of batch-0 changed another stock than was sent",
        ]

    @pytest.mark.parametrize(
        ("changed", "says"),
        [
            ({}, []),
            ({"status": "cancelled", "due_back": 9}, []),
            (
                {"references": [], "amounts": [], "paid": 0, "status": "awaiting_payment"},
                ["payment-0 was accepted and is not there"],
            ),
            ({"references": ["payment-0", "payment-1"]}, ["the order 1 is paid more than once (2 payments)"]),
            (
                {"references": ["payment-1"]},
                ["payment-0 was accepted and is not there", "the order 1 has a payment that was never sent"],
            ),
            ({"amounts": [8], "paid": 8, "total": 8}, ["payment-0 is booked with another amount"]),
            ({"status": "cancelled"}, ["the cancelled order 1 owes 0 of 9"]),
            ({"paid": 18}, ["the order 1 has 18 of 9 paid and owes 0"]),
            ({"status": "awaiting_payment"}, ["the order 1 is awaiting_payment with 9 of 9 paid"]),
        ],
    )
    async def test_money(self, changed: dict[str, Any], says: list[str]) -> None:
        traffic = await self.journal()
        traffic.payments["1"] = Write("payment", "payment-0", {"amount": {"amount": 9}}, 201)
        assert list(money_broken(traffic, [PAID | changed])) == says
