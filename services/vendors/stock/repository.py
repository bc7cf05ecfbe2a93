"""The SQL of stock. A change locks the rows in sku order first, and decides in a later statement, under the lock."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ishop.auth import Principal
from ishop.context import request_id
from ishop.errors import NotFound
from services.vendors.stock.schemas import StockMovementRead, StockRead

GET = text(
    "SELECT sku_id, on_hand, reserved, greatest(0, on_hand - reserved) AS available, shortfall, version"
    " FROM vendors.stock WHERE sku_id = :sku_id AND (:is_office OR vendor_id = ANY (CAST(:vendors AS uuid[])))"
)

PAGE = text(
    "SELECT sku_id, on_hand, reserved, greatest(0, on_hand - reserved) AS available, shortfall, version"
    " FROM vendors.stock WHERE vendor_id = ANY (CAST(:vendors AS uuid[])) AND sku_id > CAST(:after AS uuid)"
    " ORDER BY sku_id LIMIT :limit"
)

MOVEMENTS = text(
    "SELECT id, kind, on_hand_change, reserved_change, vendor_order_id, device_id, sequence, reason, actor_id,"
    " created_at"
    " FROM vendors.stock_movements WHERE sku_id = :sku_id AND id < :before ORDER BY id DESC LIMIT :limit"
)

LOCK = text(
    "SELECT sku_id, on_hand, reserved, greatest(0, on_hand - reserved) AS available, shortfall, version"
    " FROM vendors.stock"
    " WHERE sku_id = ANY (CAST(:sku_ids AS uuid[])) AND vendor_id = ANY (CAST(:vendors AS uuid[]))"
    " ORDER BY sku_id FOR NO KEY UPDATE"
)

# A delta is known by its key, so it is looked up first: what was taken before stays a duplicate, whatever is there now
# (a scalar subquery, because EXISTS may be planned as one pass over all movements there ever were).
# The insert of the movement decides between two that come at once with one key for different skus; it is in key order,
# so that they cannot wait for each other. A count that changes nothing leaves no movement.
WRITE = text("""
WITH change AS (
    SELECT u.*, s.vendor_id, s.on_hand, s.reserved, s.shortfall, s.version,
           coalesce(u.counted, s.on_hand + u.delta) AS target
    FROM unnest(
        CAST(:row AS integer[]), CAST(:sku_id AS uuid[]), CAST(:counted AS bigint[]),
        CAST(:expected_version AS bigint[]), CAST(:expected_count AS bigint[]), CAST(:delta AS bigint[]),
        CAST(:device_id AS text[]), CAST(:sequence AS bigint[]), CAST(:reason AS text[])
    ) AS u (row, sku_id, counted, expected_version, expected_count, delta, device_id, sequence, reason)
    JOIN vendors.stock s ON s.sku_id = u.sku_id
), decided AS MATERIALIZED (
    SELECT c.*, CASE
        WHEN c.device_id IS NOT NULL AND (
            SELECT true FROM vendors.stock_movements m
            WHERE m.vendor_id = c.vendor_id AND m.device_id = c.device_id AND m.sequence = c.sequence
        ) THEN 'duplicate'
        WHEN c.expected_version <> c.version OR c.expected_count <> c.on_hand THEN 'stock_conflict'
        WHEN c.target < 0 THEN 'stock_below_zero'
        WHEN c.target > 1000000000 THEN 'stock_above_limit'
        ELSE 'applied' END AS verdict
    FROM change c
), moved AS (
    INSERT INTO vendors.stock_movements
        (sku_id, vendor_id, kind, on_hand_change, reserved_change, device_id, sequence, reason, actor_id, request_id)
    SELECT d.sku_id, d.vendor_id, CASE WHEN d.device_id IS NULL THEN 'count' ELSE 'delta' END, d.target - d.on_hand, 0,
           d.device_id, d.sequence, d.reason, CAST(:actor AS uuid), CAST(:request_id AS text)
    FROM decided d
    WHERE d.verdict = 'applied' AND (d.device_id IS NOT NULL OR d.target <> d.on_hand)
    ORDER BY d.vendor_id, d.device_id, d.sequence, d.row
    ON CONFLICT (vendor_id, device_id, sequence) WHERE device_id IS NOT NULL DO NOTHING
    RETURNING sku_id, on_hand_change
), written AS (
    UPDATE vendors.stock s
    SET on_hand = d.target, shortfall = greatest(0, d.reserved - d.target), version = s.version + 1, updated_at = now()
    FROM decided d JOIN moved m ON m.sku_id = d.sku_id
    WHERE s.sku_id = d.sku_id AND m.on_hand_change <> 0
    RETURNING s.sku_id, s.on_hand, s.shortfall, s.version
)
SELECT d.row,
       CASE WHEN d.verdict = 'applied' AND d.device_id IS NOT NULL AND m.sku_id IS NULL THEN 'duplicate'
            ELSE d.verdict END AS verdict,
       coalesce(w.on_hand, d.on_hand) AS on_hand, d.reserved,
       greatest(0, coalesce(w.on_hand, d.on_hand) - d.reserved) AS available,
       coalesce(w.shortfall, d.shortfall) AS shortfall, coalesce(w.version, d.version) AS version
FROM decided d LEFT JOIN moved m ON m.sku_id = d.sku_id LEFT JOIN written w ON w.sku_id = d.sku_id
""")

BEFORE_ALL = UUID(int=0)
AFTER_ALL = 2**63 - 1


class Level(NamedTuple):
    """The stock of a sku at one moment."""

    on_hand: int
    reserved: int
    available: int
    shortfall: int
    version: int


class Change(NamedTuple):
    """One change to make, either a count with what it is based on or a delta with its key; `row` comes back with it."""

    row: int
    sku_id: UUID
    counted: int | None
    expected_version: int | None
    expected_count: int | None
    delta: int | None
    device_id: str | None
    sequence: int | None
    reason: str | None


class Outcome(NamedTuple):
    """What became of a change: `applied`, `duplicate` or the code of a conflict; and the stock after it."""

    row: int
    verdict: str
    level: Level


async def get(session: AsyncSession, caller: Principal, sku_id: UUID) -> StockRead:
    """The stock of a sku of one of the caller's vendors, or of any for the office; NotFound for everybody else."""
    found = await session.execute(
        GET, {"sku_id": sku_id, "is_office": caller.is_office, "vendors": list(caller.vendors)}
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound
    return StockRead.model_validate(row)


async def page(session: AsyncSession, vendors: Sequence[UUID], after: UUID | None, limit: int) -> list[StockRead]:
    """Up to `limit` skus of these vendors behind the sku `after`, in sku order."""
    found = await session.execute(PAGE, {"vendors": list(vendors), "after": after or BEFORE_ALL, "limit": limit})
    return [StockRead.model_validate(row) for row in found]


async def movements(session: AsyncSession, sku_id: UUID, before: int | None, limit: int) -> list[StockMovementRead]:
    """Up to `limit` movements of a sku that the caller has been found to see, older than `before`, newest first."""
    found = await session.execute(MOVEMENTS, {"sku_id": sku_id, "before": before or AFTER_ALL, "limit": limit})
    return [StockMovementRead.model_validate(row) for row in found]


async def lock(session: AsyncSession, caller: Principal, sku_ids: Sequence[UUID]) -> dict[UUID, Level]:
    """Lock the stock of these skus until the transaction ends; those of other vendors are left out."""
    found = await session.execute(LOCK, {"sku_ids": list(sku_ids), "vendors": list(caller.vendors)})
    return {sku_id: Level(*level) for sku_id, *level in found}


async def write(session: AsyncSession, caller: Principal, changes: Sequence[Change]) -> list[Outcome]:
    """Decide on these changes and make them, in one statement. Their skus are distinct and locked."""
    columns = dict(zip(Change._fields, map(list, zip(*changes, strict=True)), strict=True))
    found = await session.execute(WRITE, {**columns, "actor": caller.id, "request_id": request_id.get()})
    return [Outcome(row, verdict, Level(*level)) for row, verdict, *level in found]
