"""What each write has done, by the tables: once if it was answered, not at all if none of its sendings arrived whole.

SQL of its own, and no code of the market, so that a mistake in it cannot hide itself.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import asyncpg

from benchmarks.faults.verdict import stock_unbalanced
from benchmarks.prove.market import ADDRESS
from benchmarks.prove.repeats import Sent

Row = Mapping[str, Any]


async def effects_broken(connection: asyncpg.Connection, writes: Sequence[Sent]) -> list[str]:
    """Effects that are missing, doubled or other than the callers were told."""
    tables = Tables(
        orders=_by(await connection.fetch(ORDERS, f"{ADDRESS}%"), "key"),
        steps=_by(await connection.fetch(STEPS), "subject"),
        payments=_by(await connection.fetch(PAYMENTS), "key"),
        deltas=_by(await connection.fetch(DELTAS), "key"),
        movements=_by(await connection.fetch(ENDS), "subject"),
    )
    broken = [what for sent in writes for what in tables.broken(sent)]
    sent_keys = {sent.write.key for sent in writes}
    broken += [f"order {key} is there and was never sent" for key in tables.orders.keys() - sent_keys]
    return broken + await stock_unbalanced(connection)


def _by(rows: Sequence[Row], name: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row[name], []).append(row)
    return found


class Tables:
    """What the tables hold, by what it belongs to."""

    def __init__(
        self,
        *,
        orders: Mapping[str, list[Row]],
        steps: Mapping[str, list[Row]],
        payments: Mapping[str, list[Row]],
        deltas: Mapping[str, list[Row]],
        movements: Mapping[str, list[Row]],
    ) -> None:
        self.orders = orders
        self._steps = steps
        self._payments = payments
        self._deltas = deltas
        self._movements = movements
        self._kinds: Mapping[str, Callable[[Sent], Iterator[str]]] = {
            "order": self._order, "bulk order": self._order, "cancel": self._cancel, "payment": self._payment,
            "stock batch": self._rows, "delta": self._rows, "accept": self._accept, "reject": self._reject,
        }  # fmt: skip

    def broken(self, sent: Sent) -> Iterator[str]:
        """What is wrong with the effect of one write."""
        for what in self._kinds[sent.write.kind](sent):
            yield f"{sent.write.kind}: {what}"

    def _order(self, sent: Sent) -> Iterator[str]:
        rows = self.orders.get(sent.write.key, [])
        yield from _times("it", len(rows), sent)
        if len(rows) != 1 or sent.answer is None:
            return
        (row,) = rows
        wanted: Counter[str] = Counter()
        for line in sent.write.body["lines"]:
            wanted[line["sku_id"]] += line["quantity"]
        if row["id"] != sent.answer["id"]:
            yield "its answer tells of another order"
        if dict(zip(row["skus"] or (), row["taken"] or (), strict=True)) != wanted:
            yield "it took other units from the stock than were ordered"

    def _cancel(self, sent: Sent) -> Iterator[str]:
        order = sent.write.about["order"]
        cancelled = sum(step["to_status"] == "cancelled" for step in self._steps.get(order["id"], []))
        yield from _times("it", cancelled, sent)
        yield from self._given_back(sent, order["vendor_orders"], {"release"})

    def _reject(self, sent: Sent) -> Iterator[str]:
        part = sent.write.about["part"]
        rejected = sum(step["to_status"] == "rejected" for step in self._steps.get(part["id"], []))
        yield from _times("it", rejected, sent)
        kind = "out_of_stock" if sent.write.body["reason"] == "out_of_stock" else "release"
        yield from self._given_back(sent, [part], {kind})

    def _given_back(self, sent: Sent, parts: Sequence[Row], kinds: set[str]) -> Iterator[str]:
        for part in parts:
            wanted = Counter({line["sku_id"]: line["quantity"] for line in part["lines"]} if sent.answer else {})
            found: Counter[str] = Counter()
            for movement in self._movements.get(part["id"], []):
                found[movement["sku"]] -= movement["reserved_change"]
                if movement["kind"] not in kinds:
                    yield f"a movement is {movement['kind']}"
            if found != wanted:
                yield f"{found.total()} units were given back instead of {wanted.total()}"

    def _accept(self, sent: Sent) -> Iterator[str]:
        accepted = sum(step["to_status"] == "accepted" for step in self._steps.get(sent.write.about["part"]["id"], []))
        yield from _times("it", accepted, sent)

    def _payment(self, sent: Sent) -> Iterator[str]:
        rows = self._payments.get(sent.write.about["order"]["id"], [])
        yield from _times("it", len(rows), sent)
        if len(rows) == 1 and sent.answer is not None:
            (row,) = rows
            amount, extra = sent.write.body["amount"]["amount"], sent.write.about["extra"]
            if (row["amount"], row["paid"], row["refunds"]) != (amount, amount, extra):
                yield f"{row['paid']} counts as paid and {row['refunds']} is due back, instead of {amount} and {extra}"

    def _rows(self, sent: Sent) -> Iterator[str]:
        moved = Counter(
            (row["sku"], row["on_hand_change"], row["sequence"]) for row in self._deltas.get(sent.write.key, [])
        )
        wanted = Counter((row["sku_id"], row["delta"], row["sequence"]) for row in sent.write.about["rows"])
        if sent.answer is None:
            wanted.clear()
        if moved != wanted:
            yield f"{moved.total()} movements are there, {(moved & wanted).total()} of {wanted.total()} that should be"


def _times(what: str, times: int, sent: Sent) -> Iterator[str]:
    expected = 0 if sent.answer is None else 1
    if times != expected:
        yield f"{what} was done {times} times instead of {expected}"


ORDERS: Final = """
SELECT o.id::text, substr(o.ship_to ->> 'address', 9) AS key, m.skus, m.taken
FROM orders.orders o LEFT JOIN LATERAL (
    SELECT array_agg(t.sku) AS skus, array_agg(t.taken) AS taken FROM (
        SELECT m.sku_id::text AS sku, sum(m.reserved_change)::bigint AS taken
        FROM vendors.stock_movements m JOIN orders.vendor_orders v ON v.id = m.vendor_order_id
        WHERE v.order_id = o.id AND m.kind = 'reserve' GROUP BY m.sku_id
    ) t
) m ON true
WHERE o.ship_to ->> 'address' LIKE $1
"""
STEPS: Final = "SELECT coalesce(vendor_order_id, order_id)::text AS subject, to_status FROM orders.transitions"
PAYMENTS: Final = """
SELECT p.order_id::text AS key, p.amount, o.paid,
       (SELECT coalesce(sum(r.amount), 0)::bigint FROM orders.refunds r WHERE r.order_id = o.id) AS refunds
FROM orders.payments p JOIN orders.orders o ON o.id = p.order_id
"""
DELTAS: Final = """
SELECT device_id AS key, sku_id::text AS sku, on_hand_change, sequence FROM vendors.stock_movements
WHERE device_id IS NOT NULL
"""
ENDS: Final = """
SELECT vendor_order_id::text AS subject, sku_id::text AS sku, kind, reserved_change FROM vendors.stock_movements
WHERE kind IN ('release', 'out_of_stock', 'ship')
"""
