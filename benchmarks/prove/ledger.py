"""The journal of the crowd against the tables, in SQL and rules of its own: nothing of the market's code is used here.

The movements of each sku are played again from what was there at the beginning. They are numbered under the lock of the
sku's stock, so their order is that in which things happened. Every movement must be one that a caller was told of, with
exactly the change that it must make at its moment; nothing that a caller was told of may be missing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg

from benchmarks.faults.verdict import stock_unbalanced
from benchmarks.prove.crowd import OUT_OF_STOCK, Journal
from benchmarks.prove.market import ADDRESS

Row = Mapping[str, Any]

LIVE: Final = frozenset({"placed", "accepted"})
ENDS: Final = frozenset({"release", "ship", OUT_OF_STOCK})
LATE: Final = "late"
"""The fact that the vendor order's time to be answered, or its order's to be paid, was over at some moment."""
PAID: Final = {None: "never made", True: "in time", False: "too late"}
# What must have happened to a vendor order in each state (one of these), and what must not have.
EXPLAINED_BY: Final[Mapping[str, frozenset[str]]] = {
    "accepted": frozenset({"accepted"}),
    "shipped": frozenset({"shipped"}),
    "rejected": frozenset({"rejected", LATE}),
    "cancelled": frozenset({"cancelled", LATE}),
}
RULED_OUT_BY: Final[Mapping[str, frozenset[str]]] = {
    "placed": frozenset({"accepted", "shipped", "rejected", "cancelled"}),
    "accepted": frozenset({"shipped", "rejected", "cancelled"}),
    "shipped": frozenset({"rejected", "cancelled"}),
    "rejected": frozenset({"shipped", "cancelled"}),
    "cancelled": frozenset({"accepted", "shipped", "rejected"}),
}


@dataclass(slots=True)
class Shelf:
    """What should be there of one sku, by our own reckoning."""

    on_hand: int
    reserved: int

    @property
    def shortfall(self) -> int:
        """How much less is there than is promised, because the vendor said so after it was promised."""
        return max(0, self.reserved - self.on_hand)


@dataclass
class Findings:
    """What the tables say, held against the journal."""

    broken: list[str] = field(default_factory=list)
    oversold: int = 0
    shortfall: int = 0
    expired: int = 0


@dataclass(frozen=True, slots=True)
class Opening:
    """The stock at the beginning, and the last movement before it."""

    shelves: Mapping[str, Shelf]
    last_movement: int


async def opening(connection: asyncpg.Connection) -> Opening:
    """Look before anything happens."""
    last = await connection.fetchval("SELECT coalesce(max(id), 0) FROM vendors.stock_movements")
    rows = await connection.fetch(STOCK)
    return Opening({row["sku"]: Shelf(row["on_hand"], row["reserved"]) for row in rows}, last)


async def examine(connection: asyncpg.Connection, journal: Journal, start: Opening) -> Findings:
    """Everything that does not add up."""
    orders = await connection.fetch(ORDERS, f"{ADDRESS}%")
    parts = await connection.fetch(PARTS, f"{ADDRESS}%")
    movements = await connection.fetch(MOVEMENTS, start.last_movement)
    stock = await connection.fetch(STOCK)
    findings = Findings(expired=sum(row["status"] == "expired" for row in orders))
    findings.broken += orders_broken(journal, orders)
    findings.broken += parts_broken(journal, parts)
    books = Books(journal, parts, start)
    books.play(movements)
    findings.shortfall = books.close(stock)
    findings.oversold = books.oversold
    findings.broken += books.broken
    findings.broken += await stock_unbalanced(connection)
    return findings


def orders_broken(journal: Journal, rows: Sequence[Row]) -> Iterator[str]:
    """Orders that are missing, doubled, changed, or that nobody was told of."""
    kept: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        kept[row["key"]].append(row)
    for key in kept.keys() - journal.attempts.keys():
        yield f"{key} is there and was never sent"
    for key, attempt in journal.attempts.items():
        found = kept.get(key, [])
        if len(found) != (attempt.order is not None):
            yield f"{key} was {'accepted' if attempt.order else 'refused'} and is there {len(found)} times"
        elif attempt.order is not None:
            (row,) = found
            if row["id"] != attempt.order["id"] or row["original_total"] != attempt.order["total"]["amount"]:
                yield f"{key} is another order than its answer said"
            in_time = journal.paid.get(row["id"])
            if row["paid"] != (row["original_total"] if in_time else 0):
                yield f"{key} counts {row['paid']} as paid, its payment was {PAID[in_time]}"
            if in_time and row["status"] == "expired":
                yield f"{key} expired after it was paid"
            if dict(zip(row["skus"], row["quantities"], strict=True)) != attempt.lines:
                yield f"{key} has other lines than were sent"


def parts_broken(journal: Journal, parts: Sequence[Row]) -> Iterator[str]:
    """Vendor orders in a state that what their parties were told does not explain."""
    for part in parts:
        status, facts = part["status"], journal.facts.get(part["id"], set())
        if status in EXPLAINED_BY and not EXPLAINED_BY[status] & facts:
            yield f"a vendor order is {status}, which nobody was told"
        if RULED_OUT_BY[status] & facts:
            yield f"a vendor order is {status} after it was {', '.join(sorted(RULED_OUT_BY[status] & facts))}"


class Books:
    """The stock by our own reckoning: every movement is played again, and judged by what callers were told."""

    def __init__(self, journal: Journal, parts: Sequence[Row], start: Opening) -> None:
        self.broken: list[str] = []
        self.oversold = 0
        self._start = start
        self._shelves = {sku: Shelf(shelf.on_hand, shelf.reserved) for sku, shelf in start.shelves.items()}
        status = {part["id"]: part["status"] for part in parts}
        lines = journal.lines()
        self._promises = Promises(lines, status, journal)
        self._live: Counter[str] = Counter()
        for (part, sku), quantity in lines.items():
            self._live[sku] += quantity if status.get(part) in LIVE else 0
        self._counts = {sku: Counter(told) for sku, told in journal.counts.items()}
        self._deltas = dict(journal.deltas)

    def play(self, movements: Iterable[Row]) -> None:
        """Move what was moved, in the same order."""
        for row in movements:
            shelf, kind = self._shelves[row["sku"]], row["kind"]
            change = (row["on_hand_change"], row["reserved_change"])
            expected = self._expected(row, shelf)
            if expected is None:
                self.broken.append(f"a movement ({kind}) is there that nobody was told of")
            elif change != expected:
                self.broken.append(f"a movement ({kind}) changes {change}, it should {expected}")
            if kind == "reserve":
                self.oversold += max(0, change[1] - max(0, shelf.on_hand - shelf.reserved))
            shelf.on_hand += change[0]
            shelf.reserved += change[1]

    def close(self, stock: Iterable[Row]) -> int:
        """Compare where that leads with the stock that the table holds; the units of shortfall that are left."""
        self.broken += self._promises.missing()
        left = sum(told.total() for told in self._counts.values())
        self.broken += ["a count was taken and has no movement"] * left
        self.broken += ["a delta was taken and has no movement"] * len(self._deltas)
        for row in stock:
            shelf, live = self._shelves[row["sku"]], self._live[row["sku"]]
            if (row["on_hand"], row["reserved"]) != (shelf.on_hand, shelf.reserved):
                self.broken.append("a sku's stock is not what its movements lead to")
            if row["reserved"] != live + self._start.shelves[row["sku"]].reserved:
                self.broken.append("a sku's reserved units are not those of the orders that callers were told of")
            if row["shortfall"] != shelf.shortfall:
                self.broken.append(
                    f"a sku has a shortfall of {row['shortfall']}, the vendor's words make {shelf.shortfall}"
                )
            # What is promised to buyers beyond what is reserved for them and beyond what is there at all.
            self.oversold += max(0, live - max(row["reserved"], row["on_hand"]))
        if self.oversold:
            self.broken.append(f"{self.oversold} units were sold that were not there")
        return sum(shelf.shortfall for shelf in self._shelves.values())

    def _expected(self, row: Row, shelf: Shelf) -> tuple[int, int] | None:
        """What this movement must change; None where it must not be there."""
        if row["kind"] == "reserve":
            return self._promises.reserved(row)
        if row["kind"] in ENDS:
            return self._promises.ended(row, shelf)
        change = row["on_hand_change"]
        if row["kind"] == "count":
            told = self._counts.get(row["sku"], Counter())
            if not told[change]:
                return None
            told[change] -= 1
            return change, 0
        sku, delta = self._deltas.pop((row["device_id"], row["sequence"]), (None, 0))
        return (delta, 0) if sku == row["sku"] else None


class Promises:
    """The movements that the orders of the journal must have: each line reserved once, and ended once if it ended."""

    def __init__(self, promised: Mapping[tuple[str, str], int], status: Mapping[str, str], journal: Journal) -> None:
        self._promised = promised
        self._status = status
        self._journal = journal
        self._to_reserve = set(promised)
        self._to_end = {line for line in promised if status.get(line[0]) not in LIVE}

    def reserved(self, row: Row) -> tuple[int, int] | None:
        """What this reservation must change; None where it must not be there."""
        line = (row["part"], row["sku"])
        if line not in self._to_reserve:
            return None
        self._to_reserve.remove(line)
        return 0, self._promised[line]

    def ended(self, row: Row, shelf: Shelf) -> tuple[int, int] | None:
        """What this end of a reservation must change; None where it must not be there."""
        line, kind = (row["part"], row["sku"]), row["kind"]
        if line not in self._to_end or kind not in self._allowed(row["part"]):
            return None
        self._to_end.remove(line)
        quantity = self._promised[line]
        leaving = {
            "release": 0,
            "ship": min(quantity, shelf.on_hand),
            # What a count has said to be missing has left the stock with that count.
            OUT_OF_STOCK: max(0, quantity - shelf.shortfall),
        }[kind]
        return -leaving, -quantity

    def missing(self) -> Iterator[str]:
        """What should have moved and did not."""
        for part, _ in self._to_reserve:
            yield f"a line of a vendor order ({self._status.get(part)}) took nothing from the stock"
        for part, _ in self._to_end:
            yield f"a line of a vendor order ({self._status.get(part)}) gave nothing back"

    def _allowed(self, part: str) -> set[str]:
        status, facts = self._status.get(part), self._journal.facts.get(part, set())
        if status == "shipped":
            return {"ship"}
        if status == "rejected" and OUT_OF_STOCK in facts:
            # If the clock was first, the vendor's word came too late to change anything.
            return {OUT_OF_STOCK, "release"} if LATE in facts else {OUT_OF_STOCK}
        return {"release"}


STOCK: Final = "SELECT sku_id::text AS sku, on_hand, reserved, shortfall FROM vendors.stock"
ORDERS: Final = """
SELECT o.id::text, substr(o.ship_to ->> 'address', 9) AS key, o.status, o.original_total, o.paid,
       array_agg(l.sku ORDER BY l.sku) AS skus, array_agg(l.quantity ORDER BY l.sku) AS quantities
FROM orders.orders o LEFT JOIN LATERAL (
    SELECT l.sku_id::text AS sku, sum(l.quantity)::bigint AS quantity FROM orders.order_lines l
    WHERE l.order_id = o.id GROUP BY l.sku_id
) l ON true
WHERE o.ship_to ->> 'address' LIKE $1 GROUP BY o.id
"""
PARTS: Final = """
SELECT v.id::text, v.status FROM orders.vendor_orders v JOIN orders.orders o ON o.id = v.order_id
WHERE o.ship_to ->> 'address' LIKE $1
"""
MOVEMENTS: Final = """
SELECT sku_id::text AS sku, kind, on_hand_change, reserved_change, vendor_order_id::text AS part, device_id, sequence
FROM vendors.stock_movements WHERE id > $1 ORDER BY id
"""
