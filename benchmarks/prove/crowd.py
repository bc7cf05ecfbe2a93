"""Sixty-four callers who want the same few goods, and the journal of what each was told.

Buyers order, cancel; vendors accept, reject, ship, count and send deltas; the clock ends what it has made due. Nobody
waits for anybody but for his own answer, so every order of events happens.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from benchmarks.prove.goods import Good, delivery_day
from benchmarks.prove.market import ADDRESS, SHIP_TO, Answer, Client, Unusable

MOST_LINES: Final = 5
MOST_PACKS: Final = 3
RECENT: Final = 400
"""Orders that are changed by their parties are young, so that several parties change one at once."""
BATCH_ROWS: Final = 5

ORDER, CANCEL, PAY, ACCEPT, REJECT, SHIP = "order", "cancel", "payment", "accept", "reject", "ship"
COUNT, BATCH = "count", "batch"
MIX: Final[Mapping[str, int]] = {ORDER: 70, CANCEL: 7, PAY: 3, ACCEPT: 5, REJECT: 4, SHIP: 3, COUNT: 4, BATCH: 4}
"""Of a hundred requests, so many are of each kind."""
REFUSALS: Final[Mapping[str, frozenset[str]]] = {
    ORDER: frozenset({"insufficient_stock"}),
    CANCEL: frozenset({"cannot_cancel"}),
    PAY: frozenset(),
    ACCEPT: frozenset({"illegal_transition", "order_not_confirmed"}),
    REJECT: frozenset({"illegal_transition", "order_not_confirmed"}),
    SHIP: frozenset({"illegal_transition", "order_not_confirmed"}),
    COUNT: frozenset({"stock_conflict"}),
    BATCH: frozenset(),
}
"""Codes of the 409 that each may be answered with; everything else but success is a fault."""
OUT_OF_STOCK: Final = "out_of_stock"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One order that was tried: what was wanted of each sku, and the order that the answer told of."""

    lines: Mapping[str, int]
    order: Mapping[str, Any] | None


@dataclass
class Journal:
    """What the callers were told. Facts of a vendor order are the words for what happened to it."""

    attempts: dict[str, Attempt] = field(default_factory=dict)
    facts: dict[str, set[str]] = field(default_factory=dict)
    counts: dict[str, Counter[int]] = field(default_factory=dict)
    """By sku: how far each count that was taken moved the stock from what it was based on."""
    deltas: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    """By device and sequence: sku and delta of those that were taken."""
    paid: dict[str, bool] = field(default_factory=dict)
    """By order that somebody paid: whether its payment came in time."""
    faults: list[str] = field(default_factory=list)
    """Answers that nobody should ever get."""
    order_seconds: list[float] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    """How often each kind of request was taken or refused."""

    def lines(self) -> dict[tuple[str, str], int]:
        """What was promised, by vendor order and sku."""
        return {
            (part["id"], line["sku_id"]): line["quantity"]
            for attempt in self.attempts.values()
            if attempt.order is not None
            for part in attempt.order["vendor_orders"]
            for line in part["lines"]
        }

    def note(self, vendor_order: str, fact: str) -> None:
        """Remember what happened to a vendor order."""
        self.facts.setdefault(vendor_order, set()).add(fact)


@dataclass(frozen=True, slots=True)
class Parties:
    """The doors of those who call, of one gateway."""

    consumer: Client
    hotel: Client
    vendor: Client
    office: Client


class Crowd:
    """The callers, of whom each does one thing after the other until enough orders were tried."""

    def __init__(self, goods: Sequence[Good], organization: str, attempts: int) -> None:
        self.journal = Journal()
        self._goods = goods
        self._organization = organization
        self._attempts = attempts
        self._random = Random(5)  # noqa: S311 - it decides what happens next.
        self._orders: deque[tuple[Client, str]] = deque(maxlen=RECENT)
        self._unpaid: deque[Mapping[str, Any]] = deque(maxlen=RECENT)
        self._parts: deque[str] = deque(maxlen=RECENT)
        self._accepted: deque[str] = deque(maxlen=RECENT)
        self._rejected: set[str] = set()
        self._batches = 0
        self._delivery = delivery_day().isoformat()

    @property
    def tried(self) -> int:
        """Orders that were sent until now."""
        return len(self.journal.attempts)

    async def run(self, callers: int, parties_of: Callable[[int], Parties]) -> None:
        """Let so many callers do their worst at once, the n-th at the door of `parties_of(n)`."""
        await asyncio.gather(*(self._caller(number, parties_of) for number in range(callers)))

    async def _caller(self, number: int, parties_of: Callable[[int], Parties]) -> None:
        doings = {
            ORDER: self._order, CANCEL: self._cancel, PAY: self._pay, ACCEPT: self._accept,
            REJECT: self._reject, SHIP: self._ship, COUNT: self._count, BATCH: self._batch,
        }  # fmt: skip
        kinds, weights = list(MIX), list(MIX.values())
        while self.tried < self._attempts:
            (kind,) = self._random.choices(kinds, weights)
            try:
                await doings[kind](parties_of(number))
            except Unusable as unusable:
                self.journal.faults.append(f"{unusable}: {kind}")

    def _good(self) -> Good:
        """Some are wanted much more than others."""
        return self._goods[int(len(self._goods) * self._random.random() ** 2)]

    async def _order(self, parties: Parties) -> None:
        key = f"order-{self.tried}"
        chosen = [self._good() for _ in range(self._random.randint(1, MOST_LINES))]
        lines: list[dict[str, Any]] = [
            {"sku_id": good.sku, "quantity": good.pack * self._random.randint(1, MOST_PACKS)} for good in chosen
        ]
        wanted: Counter[str] = Counter()
        for line in lines:
            wanted[line["sku_id"]] += line["quantity"]
        body: dict[str, Any] = {"lines": lines, "ship_to": {**SHIP_TO, "address": ADDRESS + key}}
        buyer, path = parties.consumer, "/v1/orders"
        if self._random.random() < 0.25:
            buyer, path = parties.hotel, "/v1/bulk-orders"
            body |= {"organization_id": self._organization, "payment_method": "terms", "po_number": key,
                     "deliver_on": self._delivery}  # fmt: skip
        else:
            body["payment_method"] = self._random.choice(("cod", "manual_transfer"))
        self.journal.attempts[key] = Attempt(wanted, None)
        began = time.perf_counter()
        answer = await buyer.send("POST", path, body, key=key)
        self.journal.order_seconds.append(time.perf_counter() - began)
        if self._took(ORDER, answer, 201):
            self.journal.attempts[key] = Attempt(wanted, answer.body)
            self._orders.append((buyer, answer.body["id"]))
            if answer.body["status"] == "awaiting_payment":
                self._unpaid.append(answer.body)
            self._parts.extend(part["id"] for part in answer.body["vendor_orders"])
        elif answer.code == "insufficient_stock":
            for short in answer.body.get("errors", []):
                if short["requested"] != wanted[short["sku_id"]] or short["available"] >= short["requested"]:
                    self.journal.faults.append(f"{key} was refused for want of what is there: {short}")

    async def _cancel(self, _parties: Parties) -> None:
        if not self._orders:
            return
        buyer, order = self._random.choice(self._orders)
        answer = await buyer.send("POST", f"/v1/orders/{order}/cancel", {})
        if self._took(CANCEL, answer, 200):
            for part in answer.body["vendor_orders"]:
                if part["status"] == "cancelled":
                    self.journal.note(part["id"], "cancelled")

    async def _pay(self, parties: Parties) -> None:
        if not self._unpaid:
            return
        order = self._unpaid.popleft()
        body = {"amount": order["total"], "reference": f"UJI-{order['number']}"}
        answer = await parties.office.send("POST", f"/v1/orders/{order['id']}/payments", body, key=order["number"])
        if self._took(PAY, answer, 201):
            self.journal.paid[order["id"]] = answer.body["allocated"]

    async def _accept(self, parties: Parties) -> None:
        await self._move(parties, ACCEPT, "accepted", self._parts)

    async def _ship(self, parties: Parties) -> None:
        await self._move(parties, SHIP, "shipped", self._accepted)

    async def _reject(self, parties: Parties) -> None:
        reason = self._random.choice((OUT_OF_STOCK, "cannot_deliver", "other"))
        await self._move(parties, REJECT, "rejected", self._parts, {"reason": reason})

    async def _move(
        self, parties: Parties, kind: str, fact: str, among: Sequence[str], body: dict[str, Any] | None = None
    ) -> None:
        if not among:
            return
        part = self._random.choice(among)
        if kind == REJECT:
            # Once, so that the journal knows for which reason it was done.
            if part in self._rejected:
                return
            self._rejected.add(part)
        answer = await parties.vendor.send("POST", f"/v1/vendor-orders/{part}/{kind}", body)
        if self._took(kind, answer, 200):
            self.journal.note(part, fact)
            if kind == ACCEPT:
                self._accepted.append(part)
            if body is not None:
                self.journal.note(part, body["reason"])

    async def _count(self, parties: Parties) -> None:
        sku = self._good().sku
        level = await parties.vendor.get(f"/v1/stock/{sku}")
        counted = max(0, level["on_hand"] + self._random.randint(-6, 8))
        base = self._random.choice(({"expected_version": level["version"]}, {"expected_count": level["on_hand"]}))
        answer = await parties.vendor.send("PATCH", f"/v1/stock/{sku}", {"count": counted, **base})
        # A count of what is there anyway moves nothing.
        if self._took(COUNT, answer, 200) and counted != level["on_hand"]:
            self.journal.counts.setdefault(sku, Counter())[counted - level["on_hand"]] += 1

    async def _batch(self, parties: Parties) -> None:
        self._batches += 1
        device = f"phone-{self._batches}"
        goods = {good.sku: good for good in (self._good() for _ in range(BATCH_ROWS))}
        rows: list[dict[str, Any]] = [
            {"sku_id": sku, "delta": good.pack * self._random.randint(-3, 9), "device_id": device, "sequence": place}
            for place, (sku, good) in enumerate(goods.items())
        ]
        answer = await parties.vendor.send("POST", "/v1/stock/batch", {"mode": "partial", "rows": rows}, key=device)
        if not self._took(BATCH, answer, 200):
            return
        for row, result in zip(rows, answer.body["results"], strict=True):
            if result["status"] == "applied":
                self.journal.deltas[device, row["sequence"]] = (row["sku_id"], row["delta"])
            elif result["code"] != "stock_below_zero":
                self.journal.faults.append(f"a delta was answered {result['status']} {result['code']}")

    def _took(self, kind: str, answer: Answer, success: int) -> bool:
        """Whether it was done; what is neither success nor a refusal that such a request may get is a fault."""
        if answer.status == success:
            self.journal.told[f"{kind} taken"] += 1
            return True
        self.journal.told[f"{kind} refused"] += 1
        if answer.status != 409 or answer.code not in REFUSALS[kind]:
            self.journal.faults.append(f"a caller was answered {answer.status} {answer.code} to: {kind}")
        return False
