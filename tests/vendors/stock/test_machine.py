"""Stock as a state machine: whatever vendor and buyers do, and in whatever order, the database agrees with a model."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID, uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.vendors.stalls import Stall

SKUS = 3
OPENING = 10
LIMITS = settings(
    max_examples=30, stateful_step_count=20, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)

LEVELS = """
SELECT on_hand, reserved, shortfall, version FROM vendors.stock
WHERE sku_id = ANY ($1) ORDER BY array_position($1, sku_id)
"""

Answer = TypeVar("Answer")
Asked = tuple[int, str, int, int]
"""A change to try: which sku, what kind, the amount, and the key of a delta or how far off the base of a count is."""

places = st.integers(0, SKUS - 1)
amounts = st.integers(0, 15)
lines = st.lists(st.tuples(places, st.integers(1, 6)), min_size=1, max_size=5)
# Few keys, so that many come again.
keys = st.integers(0, 12)
deltas = st.tuples(places, st.just("delta"), st.integers(-6, 6), keys)
# What a count is based on: the version or the amount, right or off by a little.
counts = st.tuples(places, st.sampled_from(["version", "amount"]), amounts, st.sampled_from([0, 0, 0, 1, -1]))
changes = st.one_of(counts, deltas)


@dataclass
class Level:
    """What the model knows of one sku."""

    on_hand: int = OPENING
    version: int = 1
    held: dict[UUID, int] = field(default_factory=dict)

    @property
    def reserved(self) -> int:
        return sum(self.held.values())

    @property
    def shortfall(self) -> int:
        return max(0, self.reserved - self.on_hand)

    def become(self, on_hand: int) -> None:
        """Have so much on hand from now on."""
        self.version += on_hand != self.on_hand
        self.on_hand = on_hand

    def end(self, orders: Sequence[UUID], kind: str) -> None:
        """End what these orders hold."""
        quantity = sum(self.held.get(order, 0) for order in set(orders))
        leaving = {"release": 0, "ship": min(quantity, self.on_hand), "out_of_stock": max(0, quantity - self.shortfall)}
        self.become(self.on_hand - leaving[kind])
        for order in orders:
            self.held.pop(order, None)


class StockMachine(RuleBasedStateMachine):
    """Runs in a thread of its own and has the loop of the test do what is asynchronous."""

    orders = Bundle("orders")

    def __init__(self, stall: Stall, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.stall, self.loop = stall, loop
        self.skus: list[UUID] = []
        self.levels = [Level() for _ in range(SKUS)]
        self.taken: set[int] = set()
        self.device = str(uuid4())

    def wait(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    @initialize()
    def open(self) -> None:
        self.skus = [self.wait(self.stall.add_stock(OPENING)) for _ in range(SKUS)]

    @rule(target=orders, wanted=lines)
    def reserve(self, wanted: list[tuple[int, int]]) -> Any:
        order = uuid4()
        found = self.wait(self.stall.reserve(order, [(self.skus[place], quantity) for place, quantity in wanted]))
        sums = [sum(quantity for line, quantity in wanted if line == place) for place in range(SKUS)]
        short = {
            (self.skus[place], sums[place], max(0, level.on_hand - level.reserved))
            for place, level in enumerate(self.levels)
            if sums[place] > max(0, level.on_hand - level.reserved)
        }
        assert set(map(tuple, found)) == short
        if short:
            return multiple()
        for place, quantity in enumerate(sums):
            if quantity:
                self.levels[place].held[order] = quantity
        return order

    @rule(some=st.lists(orders, min_size=1, max_size=3), out_of_stock=st.booleans())
    def release(self, some: list[UUID], out_of_stock: bool) -> None:
        self.end(some, "out_of_stock" if out_of_stock else "release")

    @rule(order=consumes(orders))
    def ship(self, order: UUID) -> None:
        self.end([order], "ship")

    def end(self, some: list[UUID], kind: str) -> None:
        if kind == "ship":
            ended = self.wait(self.stall.ship(some[0]))
        else:
            ended = self.wait(self.stall.release(*some, out_of_stock=kind == "out_of_stock"))
        assert ended == sum(order in level.held for level in self.levels for order in set(some))
        for level in self.levels:
            level.end(some, kind)

    @rule(asked=changes)
    def change(self, asked: Asked) -> None:
        body = self.body(asked, self.levels)
        answer = self.wait(self.stall.owner.patch(f"/v1/stock/{self.skus[asked[0]]}", json=body))
        (verdict,) = self.decide([asked], [body], "partial")
        assert answer.json()["code" if answer.status_code == 409 else "status"] == verdict

    @rule(asked=st.lists(changes, min_size=1, max_size=8), mode=st.sampled_from(["partial", "atomic"]))
    def change_batch(self, asked: list[Asked], mode: str) -> None:
        bodies = [self.body(one, self.levels) for one in asked]
        rows = [{"sku_id": str(self.skus[one[0]]), **body} for one, body in zip(asked, bodies, strict=True)]
        answer = self.wait(
            self.stall.owner.post(
                "/v1/stock/batch", json={"mode": mode, "rows": rows}, headers={"Idempotency-Key": str(uuid4())}
            )
        )
        verdicts = self.decide(asked, bodies, mode)
        refused = [place for place, verdict in enumerate(verdicts) if verdict not in {"applied", "duplicate"}]
        if mode == "atomic" and refused:
            assert answer.status_code == 409
            assert [error["row"] for error in answer.json()["errors"]] == refused
        else:
            assert [row["code"] or row["status"] for row in answer.json()["results"]] == verdicts

    def body(self, asked: Asked, levels: Sequence[Level]) -> dict[str, Any]:
        place, kind, amount, more = asked
        if kind == "delta":
            return {"delta": amount, "device_id": self.device, "sequence": more}
        if kind == "version":
            return {"count": amount, "expected_version": max(1, levels[place].version + more)}
        return {"count": amount, "expected_count": max(0, levels[place].on_hand + more)}

    def decide(self, asked: Sequence[Asked], bodies: Sequence[dict[str, Any]], mode: str) -> list[str]:
        """The verdicts of the model, which becomes what they say."""
        before = [(level.on_hand, level.version) for level in self.levels]
        seen: dict[int, str] = {}
        verdicts = []
        for (place, *_), body in zip(asked, bodies, strict=True):
            key = body.get("sequence")
            if key in seen:
                verdict = "duplicate" if seen[key] in {"applied", "duplicate"} else seen[key]
            elif key in self.taken:
                verdict = "duplicate"
            else:
                verdict = self.apply(self.levels[place], body)
            if key is not None:
                seen.setdefault(key, verdict)
            verdicts.append(verdict)
        if mode == "atomic" and set(verdicts) - {"applied", "duplicate"}:
            for level, (on_hand, version) in zip(self.levels, before, strict=True):
                level.on_hand, level.version = on_hand, version
        else:
            self.taken |= {key for key, verdict in seen.items() if verdict == "applied"}
        return verdicts

    @staticmethod
    def apply(level: Level, body: dict[str, Any]) -> str:
        if "delta" in body:
            if level.on_hand + body["delta"] < 0:
                return "stock_below_zero"
            level.become(level.on_hand + body["delta"])
        else:
            if body.get("expected_version", level.version) != level.version:
                return "stock_conflict"
            if body.get("expected_count", level.on_hand) != level.on_hand:
                return "stock_conflict"
            level.become(body["count"])
        return "applied"

    @invariant()
    def the_database_agrees(self) -> None:
        rows = self.wait(self.stall.fetch(LEVELS, self.skus))
        expected = [(level.on_hand, level.reserved, level.shortfall, level.version) for level in self.levels]
        assert [tuple(row) for row in rows] == expected[: len(self.skus)]

    def teardown(self) -> None:
        """The sums of movements and what is held agree too; once an example, because it looks at all rows."""
        assert self.wait(self.stall.broken()) == []


async def test_stock_agrees_with_its_model_whatever_happens(stall: Stall) -> None:
    loop = asyncio.get_running_loop()

    class OnThisStall(StockMachine):
        def __init__(self) -> None:
            super().__init__(stall, loop)

    await asyncio.to_thread(run_state_machine_as_test, OnThisStall, settings=LIMITS)
