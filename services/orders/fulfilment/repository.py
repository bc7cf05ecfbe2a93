"""The SQL that reads vendor orders, of the caller's vendors only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ishop.auth import Principal
from services.orders.fulfilment.schemas import VendorOrderHead
from services.orders.lifecycle.domain import VendorOrderStatus
from services.orders.lifecycle.records import LineRecord, TransitionRecord, VendorOrderRecord

_PART_WIDTH = len(VendorOrderRecord._fields)
_COLUMNS = """v.id, v.vendor_id, v.vendor_name, v.status, v.subtotal, v.shipping, v.tax, v.total, v.weight_grams,
    v.accept_by, v.tracking_number,
    o.id AS order_id, o.number, o.status AS order_status, o.version, o.payment_method, o.deliver_on, o.created_at,
    (SELECT count(*) FROM orders.order_lines l WHERE l.vendor_order_id = v.id) AS line_count"""

# Why the order as a whole moved may be another vendor's word to the buyer.
READ = text(f"""
    SELECT {_COLUMNS}, o.ship_to,
           ARRAY(SELECT ROW(l.vendor_order_id, l.sku_id, l.name, l.unit, l.quantity, l.unit_price, l.total, l.tax)
                 FROM orders.order_lines l WHERE l.vendor_order_id = v.id ORDER BY l.position) AS lines,
           ARRAY(SELECT ROW(t.vendor_order_id, t.from_status, t.to_status,
                            CASE WHEN t.vendor_order_id IS NOT NULL THEN t.reason END, t.created_at)
                 FROM orders.transitions t
                 WHERE t.order_id = o.id AND (t.vendor_order_id IS NULL OR t.vendor_order_id = v.id)
                 ORDER BY t.id) AS history
    FROM orders.vendor_orders v JOIN orders.orders o ON o.id = v.order_id
    WHERE v.id = :id AND v.vendor_id = ANY (CAST(:vendors AS uuid[]))
""")  # noqa: S608 - the only part put in is a constant of this module; every value is a parameter.
# The filters stand in the statement only when they are asked for, so that every variant has the plan of its own index.
# Vendors are looked up one by one, because an index has the vendor orders of each in order, not those of several.
_PAGE = """
    SELECT {columns}
    FROM unnest(CAST(:vendors AS uuid[])) AS own (vendor_id)
    CROSS JOIN LATERAL (
        SELECT v.* FROM orders.vendor_orders v WHERE {conditions} ORDER BY v.id DESC LIMIT :rows
    ) v
    JOIN orders.orders o ON o.id = v.order_id
    ORDER BY v.id DESC LIMIT :rows
"""


@dataclass(frozen=True, slots=True)
class VendorOrderFilter:
    """Which vendor orders a list shows; without a vendor those of all vendors of the caller."""

    vendor_id: UUID | None = None
    status: VendorOrderStatus | None = None


async def read(
    session: AsyncSession, caller: Principal, vendor_order_id: UUID
) -> tuple[VendorOrderHead, dict[str, Any], list[LineRecord], list[TransitionRecord]] | None:
    """A vendor order of one of the caller's vendors, with the buyer's address, its lines and its history."""
    row = (await session.execute(READ, {"id": vendor_order_id, "vendors": list(caller.vendors)})).one_or_none()
    if row is None:
        return None
    *columns, ship_to, lines, steps = row
    return (
        _head(columns),
        ship_to,
        [LineRecord._make(line) for line in lines],
        [TransitionRecord._make(step) for step in steps],
    )


async def list_page(
    session: AsyncSession, caller: Principal, wanted: VendorOrderFilter, behind: UUID | None, limit: int
) -> list[VendorOrderHead]:
    """One vendor order more than `limit`, newest first."""
    vendors = [one for one in caller.vendors if wanted.vendor_id in {None, one}]
    conditions = ["v.vendor_id = own.vendor_id"]
    values: dict[str, Any] = {"vendors": vendors, "rows": limit + 1}
    if wanted.status is not None:
        conditions.append("v.status = :status")
        values["status"] = wanted.status
    if behind is not None:
        conditions.append("v.id < :behind")
        values["behind"] = behind
    statement = text(_PAGE.format(columns=_COLUMNS, conditions=" AND ".join(conditions)))
    return [_head(row) for row in await session.execute(statement, values)]


def _head(row: Sequence[Any]) -> VendorOrderHead:
    return VendorOrderHead(VendorOrderRecord._make(row[:_PART_WIDTH]), *row[_PART_WIDTH:])
