"""Whether the promises were kept: the journal of the callers against the tables, in SQL of its own.

Nothing of the market's code is used here, so that a mistake in it cannot hide itself.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from benchmarks.faults.parts import DOORS, POSTGRES
from benchmarks.faults.traffic import BROKEN_OFF, CUT, Failure, Traffic

ADDRESS: Final = "Jl. Uji "
LOST: Final = "was accepted and is not there"
DOUBLED: Final = "more than once"
CLEAR_SECONDS: Final = 2.5
"""How long after all is ready errors may still come: a circuit stays open for a second, a caller is on its way."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kill: when, when the part was started again, when it was ready, and when everything was."""

    part: str
    killed: float
    started: float
    ready: float
    whole: float

    def explains(self, failure: Failure) -> bool:
        """Whether this kill is a reason for that error: its time, and the part that it was at."""
        if failure.ended < self.killed or failure.started > self.whole + CLEAR_SECONDS:
            return False
        if failure.kind == CUT:
            return self.part in DOORS
        if failure.kind == BROKEN_OFF:
            return self.part in (failure.service, *DOORS)
        return self.part in (failure.service, POSTGRES)


def errors_unexplained(traffic: Traffic, faults: list[Fault]) -> Iterator[str]:
    """Errors of no documented kind, and those that came while nothing that they need was down."""
    for failure in traffic.failures:
        if not failure.documented:
            yield f"{failure.kind} from {failure.path} is no documented way to fail"
        elif not any(fault.explains(failure) for fault in faults):
            over = [failure.started - fault.whole for fault in faults if fault.whole < failure.started]
            since = f", {min(over):.1f} s after all was ready again" if over else ""
            yield f"{failure.kind} from {failure.path} while {failure.service} was not down{since}"


def never_answered(traffic: Traffic) -> Iterator[str]:
    """Writes that were sent again until their callers gave up: nobody knows what became of them."""
    yield from (f"{write.key} was never answered" for write in traffic.writes if write.status is None)


async def data_broken(connection: asyncpg.Connection, traffic: Traffic) -> list[str]:
    """What the tables hold otherwise than the callers were told."""
    return [
        *orders_broken(traffic, await connection.fetch(ORDERS)),
        *batches_broken(traffic, await connection.fetch(BATCHES)),
        *money_broken(traffic, await connection.fetch(MONEY)),
        *await stock_unbalanced(connection),
    ]


async def stock_unbalanced(connection: asyncpg.Connection) -> list[str]:
    """The skus whose stock is not what all their movements add up to."""
    return [f"the stock of {row['sku_id']} is not the sum of its movements" for row in await connection.fetch(STOCK)]


ORDERS: Final = """
WITH moved AS (
    SELECT v.order_id, sum(m.reserved_change) FILTER (WHERE m.kind = 'reserve')::int AS reserved,
           sum(m.reserved_change)::int AS held
    FROM vendors.stock_movements m JOIN orders.vendor_orders v ON v.id = m.vendor_order_id GROUP BY v.order_id
), bought AS (
    SELECT order_id, array_agg(sku_id::text ORDER BY position) AS skus FROM orders.order_lines GROUP BY order_id
)
SELECT o.id::text, o.status, o.ship_to ->> 'address' AS address, b.skus, m.reserved, m.held
FROM orders.orders o LEFT JOIN bought b ON b.order_id = o.id LEFT JOIN moved m ON m.order_id = o.id
WHERE o.ship_to ->> 'address' LIKE 'Jl. Uji %'
"""
BATCHES: Final = """
SELECT device_id, sequence, sku_id::text, on_hand_change FROM vendors.stock_movements
WHERE device_id ~ '^(batch|delta)-'
"""
MONEY: Final = """
SELECT o.id::text, o.status, o.payment_method, o.paid, o.total,
    (SELECT coalesce(sum(r.amount), 0)::bigint FROM orders.refunds r WHERE r.order_id = o.id) AS due_back,
    ARRAY(SELECT p.reference FROM orders.payments p WHERE p.order_id = o.id) AS references,
    ARRAY(SELECT p.amount FROM orders.payments p WHERE p.order_id = o.id) AS amounts
FROM orders.orders o WHERE o.ship_to ->> 'address' LIKE 'Jl. Uji %'
"""
STOCK: Final = """
SELECT s.sku_id FROM vendors.stock s LEFT JOIN vendors.stock_movements m USING (sku_id)
GROUP BY s.sku_id, s.on_hand, s.reserved
HAVING s.on_hand <> coalesce(sum(m.on_hand_change), 0) OR s.reserved <> coalesce(sum(m.reserved_change), 0)
"""


def orders_broken(traffic: Traffic, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Orders that are missing, doubled, changed, or hold other goods than they should."""
    kept: dict[str, Mapping[str, Any]] = {}
    for key, times in Counter(row["address"].removeprefix(ADDRESS) for row in rows).items():
        if times > 1:
            yield f"{key} is there {DOUBLED} ({times} times)"
        if key not in traffic.orders:
            yield f"{key} was never sent"
    for row in rows:
        kept[row["address"].removeprefix(ADDRESS)] = row
    for key, write in traffic.orders.items():
        if key not in kept:
            if write.status is not None:
                yield f"{key} {LOST}"
            continue
        row = kept[key]
        if write.status is not None and write.answer["id"] != row["id"]:
            yield f"{key} has another id than its answer said"
        yield from _order(key, write.body, row, traffic.cancels.get(row["id"]))


def _order(key: str, body: Mapping[str, Any], row: Mapping[str, Any], cancel: Any) -> Iterator[str]:
    if row["skus"] != [line["sku_id"] for line in body["lines"]]:
        yield f"{key} has other lines than were sent"
    cancelled = row["status"] == "cancelled"
    if cancelled and cancel is None:
        yield f"{key} is cancelled, which nobody asked for"
    if not cancelled and cancel is not None and cancel.status is not None:
        yield f"{key} is {row['status']} after it was cancelled"
    if (row["reserved"], row["held"]) != (len(body["lines"]), 0 if cancelled else len(body["lines"])):
        yield f"{key} ({row['status']}) reserved {row['reserved']} and holds {row['held']} of {len(body['lines'])}"


def batches_broken(traffic: Traffic, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Stock batches that were taken twice, by half or not at all."""
    kept: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for row in rows:
        kept.setdefault((row["device_id"], row["sequence"]), []).append(row)
        if row["device_id"] not in traffic.batches:
            yield f"{row['device_id']} was never sent"
    for key, write in traffic.batches.items():
        found = 0
        for sent in write.body:
            movements = kept.get((key, sent["sequence"]), [])
            found += len(movements)
            if len(movements) > 1:
                yield f"row {sent['sequence']} of {key} was taken {DOUBLED} ({len(movements)} times)"
            yield from (
                f"row {sent['sequence']} of {key} changed another stock than was sent"
                for row in movements
                if (row["sku_id"], row["on_hand_change"]) != (sent["sku_id"], sent["delta"])
            )
        if write.status is not None and found == 0:
            yield f"{key} {LOST}"
        elif write.status is not None and found != len(write.body):
            yield f"{key} was accepted and {found} of {len(write.body)} rows are there"
        if write.status is None and found not in (0, len(write.body)):
            yield f"{key} is there by half"


def money_broken(traffic: Traffic, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Payments that are missing, doubled or booked otherwise than they were sent, and orders that do not balance."""
    kept = {row["id"]: row for row in rows}
    for order, write in traffic.payments.items():
        row = kept.get(order)
        if write.status is not None and (row is None or write.key not in row["references"]):
            yield f"{write.key} {LOST}"
    for order, row in kept.items():
        sent = traffic.payments.get(order)
        wanted = [] if sent is None else [sent.key]
        if len(row["references"]) > 1:
            yield f"the order {order} is paid {DOUBLED} ({len(row['references'])} payments)"
        elif row["references"] and row["references"] != wanted:
            yield f"the order {order} has a payment that was never sent"
        elif sent is not None and any(amount != sent.body["amount"]["amount"] for amount in row["amounts"]):
            yield f"{sent.key} is booked with another amount"
        yield from _balance(order, row)


def _balance(order: str, row: Mapping[str, Any]) -> Iterator[str]:
    """An order that is cancelled owes what was paid; one that stands has exactly its payments, and waits without."""
    money = sum(row["amounts"])
    if row["status"] == "cancelled":
        if row["due_back"] != money:
            yield f"the cancelled order {order} owes {row['due_back']} of {money}"
        return
    if (row["paid"], row["due_back"]) != (money, 0):
        yield f"the order {order} has {row['paid']} of {money} paid and owes {row['due_back']}"
    waits = row["payment_method"] == "manual_transfer" and money < row["total"]
    if row["status"] != ("awaiting_payment" if waits else "confirmed"):
        yield f"the order {order} is {row['status']} with {money} of {row['total']} paid"
