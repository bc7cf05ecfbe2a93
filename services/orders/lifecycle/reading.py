"""The SQL that reads orders: one statement each, so that the parts of an answer are of one moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ishop.auth import Principal
from services.orders.lifecycle.domain import OrderStatus
from services.orders.lifecycle.records import (
    LISTED_PARTS,
    LineRecord,
    ListedOrder,
    OrderBook,
    OrderRecord,
    TransitionRecord,
    VendorOrderRecord,
)
from services.orders.lifecycle.repository import OWN, access

_ORDER = """o.id, o.number, o.status, o.payment_method, o.organization_id, o.po_number, o.deliver_on, o.subtotal,
    o.shipping, o.tax, o.total, o.original_total, o.paid,
    (SELECT coalesce(sum(r.amount), 0)::bigint FROM orders.refunds r WHERE r.order_id = o.id AND r.status = 'due')
    AS refund_due, o.ship_to, o.expires_at, o.version, o.created_at"""
_VENDOR_ORDER = """v.id, v.vendor_id, v.vendor_name, v.status, v.subtotal, v.shipping, v.tax, v.total, v.weight_grams,
    v.accept_by, v.tracking_number"""
_LINE = "l.vendor_order_id, l.sku_id, l.name, l.unit, l.quantity, l.unit_price, l.total, l.tax"
_STEP = "t.vendor_order_id, t.from_status, t.to_status, t.reason, t.created_at"
_ORDER_WIDTH = len(OrderRecord._fields)

READ_ORDER = text(f"""
    SELECT {_ORDER},
           ARRAY(SELECT ROW({_VENDOR_ORDER}) FROM orders.vendor_orders v WHERE v.order_id = o.id) AS parts,
           ARRAY(SELECT ROW({_LINE}) FROM orders.order_lines l WHERE l.order_id = o.id ORDER BY l.position) AS lines,
           ARRAY(SELECT ROW({_STEP}) FROM orders.transitions t WHERE t.order_id = o.id ORDER BY t.id) AS history
    FROM orders.orders o
    WHERE o.id = :id AND (CAST(:office AS boolean) OR {OWN}) AND (o.bulk OR NOT CAST(:bulk_only AS boolean))
""")  # noqa: S608 - the only parts put together are constants of this module; every value is a parameter.

# The filters stand in the statement only when they are asked for, so that every variant has the plan of its own index.
_PAGE = """
    SELECT {order},
           (SELECT count(*) FROM orders.order_lines l WHERE l.order_id = o.id) AS line_count,
           (SELECT count(*) FROM orders.vendor_orders v WHERE v.order_id = o.id) AS vendor_order_count,
           (SELECT json_agg(json_build_object('id', v.id, 'vendor_id', v.vendor_id, 'vendor_name', v.vendor_name,
                                              'status', v.status, 'total', v.total) ORDER BY v.id)
            FROM (SELECT v.id, v.vendor_id, v.vendor_name, v.status, v.total FROM orders.vendor_orders v
                  WHERE v.order_id = o.id ORDER BY v.id LIMIT {listed}) v) AS parts
    FROM {orders}
    WHERE {conditions} ORDER BY o.id DESC LIMIT :rows
"""
# Organizations are looked up one by one, because an index has the orders of each in order, not those of several.
_OF_ORGANIZATIONS = """
    unnest(CAST(:organizations AS uuid[])) AS own (organization_id)
    CROSS JOIN LATERAL (
        SELECT o.* FROM orders.orders o
        WHERE o.organization_id = own.organization_id AND {conditions} ORDER BY o.id DESC LIMIT :rows
    ) o
"""


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders a list shows: those of the caller himself, or of these organizations of his."""

    organizations: Sequence[UUID] | None = None
    bulk_only: bool = False
    status: OrderStatus | None = None


async def read_order(
    session: AsyncSession, caller: Principal, order_id: UUID, *, bulk_only: bool
) -> tuple[OrderBook, list[TransitionRecord]] | None:
    """An order that the caller may see (his own, his organization's, or any for the office), with its steps, oldest
    first."""
    row = (
        await session.execute(
            READ_ORDER, {"id": order_id, "office": caller.is_office, "bulk_only": bulk_only, **access(caller)}
        )
    ).one_or_none()
    if row is None:
        return None
    found_parts, found_lines, found_steps = row[_ORDER_WIDTH:]
    parts = {part.id: part for part in map(VendorOrderRecord._make, found_parts)}
    lines = [LineRecord._make(line) for line in found_lines]
    named = dict.fromkeys(line.vendor_order_id for line in lines)
    book = OrderBook(
        OrderRecord._make(row[:_ORDER_WIDTH]), [parts[vendor_order_id] for vendor_order_id in named], lines
    )
    return book, [TransitionRecord._make(step) for step in found_steps]


async def list_orders(
    session: AsyncSession, caller: Principal, wanted: OrderFilter, behind: UUID | None, limit: int
) -> list[ListedOrder]:
    """One order more than `limit`, newest first."""
    conditions = [OWN]
    values: dict[str, Any] = {**access(caller), "rows": limit + 1}
    if wanted.organizations is None:
        conditions.append("o.buyer_id = :caller")
    else:
        conditions = ["true"]
        values["organizations"] = [one for one in wanted.organizations if one in caller.organizations]
    if wanted.bulk_only:
        conditions.append("o.bulk")
    if wanted.status is not None:
        conditions.append("o.status = :status")
        values["status"] = wanted.status
    if behind is not None:
        conditions.append("o.id < :behind")
        values["behind"] = behind
    together = " AND ".join(conditions)
    orders = "orders.orders o" if wanted.organizations is None else _OF_ORGANIZATIONS.format(conditions=together)
    statement = text(_PAGE.format(order=_ORDER, listed=LISTED_PARTS, orders=orders, conditions=together))
    return [
        ListedOrder(OrderRecord._make(row[:_ORDER_WIDTH]), *row[_ORDER_WIDTH:])
        for row in await session.execute(statement, values)
    ]
