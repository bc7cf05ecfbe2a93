"""The SQL of orders: locks in the global order, one statement for a whole change, reads for the parties only."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from ishop.auth import Principal
from ishop.context import request_id
from ishop.contracts.vendors import RELEASE, SHIP
from ishop.errors import AppError
from services.orders.lifecycle.domain import (
    ACCEPT_WINDOW,
    Amounts,
    Cause,
    OrderStatus,
    Part,
    PaymentMethod,
    Settlement,
    Standing,
    VendorOrderStatus,
)
from services.orders.lifecycle.errors import Unsettled

# An organization's order belongs to its present members only: who left may not read or cancel it any more.
OWN = """((o.organization_id IS NULL AND o.buyer_id = :caller)
         OR o.organization_id = ANY (CAST(:organizations AS uuid[])))"""

_LOCKED_COLUMNS = "o.id, o.buyer_id, o.organization_id, o.status, o.payment_method, o.paid"

LOCK_OWN = text(f"""
    SELECT {_LOCKED_COLUMNS} FROM orders.orders o WHERE o.id = :id AND {OWN} FOR UPDATE
""")  # noqa: S608 - the only parts put together are constants of this module; every value is a parameter.
LOCK_ANY = text(f"""
    SELECT {_LOCKED_COLUMNS} FROM orders.orders o WHERE o.id = :id FOR UPDATE
""")  # noqa: S608 - see above.
LOCK_OF_VENDOR = text(f"""
    SELECT {_LOCKED_COLUMNS} FROM orders.orders o
    WHERE o.id = (SELECT v.order_id FROM orders.vendor_orders v
                  WHERE v.id = :vendor_order_id AND v.vendor_id = ANY (CAST(:vendors AS uuid[])))
    FOR UPDATE
""")  # noqa: S608 - see above.
LOCK_UNPAID = text(f"""
    SELECT {_LOCKED_COLUMNS} FROM orders.orders o
    WHERE o.status = 'awaiting_payment' AND o.expires_at <= :moment AND o.id <> ALL (CAST(:left_out AS uuid[]))
    ORDER BY o.expires_at LIMIT :batch FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - see above.
LOCK_UNANSWERED = text(f"""
    SELECT {_LOCKED_COLUMNS} FROM orders.orders o
    WHERE o.status = 'confirmed' AND o.id IN (
        SELECT v.order_id FROM orders.vendor_orders v JOIN orders.orders c ON c.id = v.order_id
        WHERE v.status = 'placed' AND v.accept_by <= :moment AND c.status = 'confirmed'
          AND v.order_id <> ALL (CAST(:left_out AS uuid[]))
        ORDER BY v.accept_by LIMIT :batch)
    ORDER BY o.id FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - see above.

# Its own statement behind the lock of the order: it sees what a rival had committed before he let the lock go, which
# a subquery inside the locking statement would not.
LOCK_PARTS = text("""
    SELECT v.order_id, v.id, v.status, v.subtotal, v.shipping, v.tax, v.accept_by,
           (SELECT coalesce(sum(r.amount), 0)::bigint FROM orders.refunds r
            WHERE r.order_id = v.order_id AND r.reason <> 'late_payment') AS given_back
    FROM orders.vendor_orders v
    WHERE v.order_id = ANY (CAST(:order_ids AS uuid[]))
    ORDER BY v.id FOR UPDATE OF v
""")

CARRY_OUT = text("""
    WITH moved AS (
        UPDATE orders.vendor_orders v
        SET status = m.status, version = v.version + 1,
            tracking_number = coalesce(CAST(:tracking_number AS text), v.tracking_number)
        FROM unnest(CAST(:part_ids AS uuid[]), CAST(:part_statuses AS text[])) AS m (id, status)
        WHERE v.id = m.id
    ), opened AS (
        UPDATE orders.vendor_orders v SET accept_by = CAST(:accept_by AS timestamptz), version = v.version + 1
        WHERE v.order_id = ANY (CAST(:confirmed_ids AS uuid[]))
    ), settled AS (
        UPDATE orders.orders o
        SET status = s.status, subtotal = s.subtotal, shipping = s.shipping, tax = s.tax,
            total = s.subtotal + s.shipping + s.tax, paid = o.paid + s.received, version = o.version + 1
        FROM unnest(CAST(:order_ids AS uuid[]), CAST(:statuses AS text[]), CAST(:subtotals AS bigint[]),
                    CAST(:shippings AS bigint[]), CAST(:taxes AS bigint[]), CAST(:received AS bigint[]))
             AS s (id, status, subtotal, shipping, tax, received)
        WHERE o.id = s.id
    ), history AS (
        INSERT INTO orders.transitions
            (order_id, vendor_order_id, from_status, to_status, actor_id, reason, request_id, created_at)
        SELECT h.order_id, h.vendor_order_id, h.from_status, h.to_status, CAST(:actor AS uuid), CAST(:reason AS text),
               CAST(:request_id AS text), CAST(:moment AS timestamptz)
        FROM unnest(CAST(:step_orders AS uuid[]), CAST(:step_parts AS uuid[]), CAST(:step_from AS text[]),
                    CAST(:step_to AS text[])) AS h (order_id, vendor_order_id, from_status, to_status)
    )
    INSERT INTO orders.refunds (order_id, amount, reason, created_at)
    SELECT r.order_id, r.amount, CAST(:refund_reason AS text), CAST(:moment AS timestamptz)
    -- Refunds keep no journal of who made them due, so the audit log is told, by this statement itself.
    FROM unnest(CAST(:order_ids AS uuid[]), CAST(:refunds AS bigint[])) AS r (order_id, amount),
         ops.acting_v1(CAST(CAST(:actor AS uuid) AS text), CAST(:request_id AS text))
    WHERE r.amount > 0
""")


def access(caller: Principal) -> dict[str, Any]:
    """The parameters of `OWN`."""
    return {"caller": caller.id, "organizations": list(caller.organizations)}


async def lock_own(session: AsyncSession, caller: Principal, order_id: UUID) -> Standing | None:
    """Lock an order of the caller's or of his organization's."""
    return await _one(session, (await session.execute(LOCK_OWN, {"id": order_id, **access(caller)})).mappings().all())


async def lock_for_office(session: AsyncSession, officer: Principal, order_id: UUID) -> Standing | None:
    """Lock any order, for the office."""
    if not officer.is_office:
        return None
    return await _one(session, (await session.execute(LOCK_ANY, {"id": order_id})).mappings().all())


async def lock_for_vendor(session: AsyncSession, caller: Principal, vendor_order_id: UUID) -> Standing | None:
    """Lock the order that holds this vendor order of one of the caller's vendors."""
    found = await session.execute(LOCK_OF_VENDOR, {"vendor_order_id": vendor_order_id, "vendors": list(caller.vendors)})
    return await _one(session, found.mappings().all())


async def lock_unpaid(session: AsyncSession, moment: datetime, batch: int, left_out: Sequence[UUID]) -> list[Standing]:
    """Lock orders whose payment window is over, but for `left_out` and those that somebody else is changing now."""
    found = await session.execute(LOCK_UNPAID, {"moment": moment, "batch": batch, "left_out": left_out})
    return await _standings(session, found.mappings().all())


async def lock_unanswered(
    session: AsyncSession, moment: datetime, batch: int, left_out: Sequence[UUID]
) -> list[Standing]:
    """Lock confirmed orders with vendor orders whose accept window is over; the same leaving out."""
    found = await session.execute(LOCK_UNANSWERED, {"moment": moment, "batch": batch, "left_out": left_out})
    return await _standings(session, found.mappings().all())


@contextmanager
def settling(orders: Sequence[Standing]) -> Iterator[None]:
    """What a rule of ours or a constraint of the database has against the change of these orders becomes Unsettled."""
    try:
        yield
    except (AppError, IntegrityError) as error:
        raise Unsettled([order.id for order in orders]) from error


async def _one(session: AsyncSession, rows: Sequence[RowMapping]) -> Standing | None:
    standings = await _standings(session, rows)
    return standings[0] if standings else None


async def _standings(session: AsyncSession, rows: Sequence[RowMapping]) -> list[Standing]:
    """The locked orders with their vendor orders, which are locked in id order now."""
    if not rows:
        return []
    parts: dict[UUID, list[Part]] = {row["id"]: [] for row in rows}
    given_back: dict[UUID, int] = {}
    for part in await session.execute(LOCK_PARTS, {"order_ids": list(parts)}):
        given_back[part.order_id] = part.given_back
        parts[part.order_id].append(
            Part(
                part.id,
                VendorOrderStatus(part.status),
                Amounts(part.subtotal, part.shipping, part.tax),
                part.accept_by,
            )
        )
    return [
        Standing(
            id=row["id"],
            buyer_id=row["buyer_id"],
            organization_id=row["organization_id"],
            status=OrderStatus(row["status"]),
            payment_method=PaymentMethod(row["payment_method"]),
            paid=row["paid"],
            given_back=given_back[row["id"]],
            parts=tuple(parts[row["id"]]),
        )
        for row in rows
    ]


async def carry_out(session: AsyncSession, settlements: Sequence[Settlement], cause: Cause, moment: datetime) -> None:
    """Write these changes of locked orders, with their history and what is due back, in one statement."""
    steps = [
        (settlement.order.id, None, settlement.order.status, settlement.status)
        for settlement in settlements
        if settlement.status is not settlement.order.status
    ]
    moves = [
        (settlement.order.id, part.id, part.status, settlement.moves[part.id])
        for settlement in settlements
        for part in settlement.order.parts
        if part.id in settlement.moves
    ]
    history = moves + steps
    await session.execute(
        CARRY_OUT,
        {
            "part_ids": [part for _, part, _, _ in moves],
            "part_statuses": [status for *_, status in moves],
            "tracking_number": cause.tracking_number,
            "confirmed_ids": [order for order, _, _, status in steps if status is OrderStatus.confirmed],
            "accept_by": moment + ACCEPT_WINDOW,
            "order_ids": [settlement.order.id for settlement in settlements],
            "statuses": [settlement.status for settlement in settlements],
            "subtotals": [settlement.amounts.subtotal for settlement in settlements],
            "shippings": [settlement.amounts.shipping for settlement in settlements],
            "taxes": [settlement.amounts.tax for settlement in settlements],
            "received": [settlement.received for settlement in settlements],
            "refunds": [settlement.refund for settlement in settlements],
            "refund_reason": cause.refund_reason,
            "step_orders": [order for order, *_ in history],
            "step_parts": [part for _, part, _, _ in history],
            "step_from": [before for _, _, before, _ in history],
            "step_to": [after for *_, after in history],
            "actor": cause.actor,
            "reason": cause.reason,
            "request_id": request_id.get(),
            "moment": moment,
        },
    )


async def release_stock(session: AsyncSession, vendor_order_ids: Sequence[UUID], cause: Cause) -> None:
    """Give back what these vendor orders hold; the last locks of the transaction."""
    await session.execute(
        RELEASE,
        {
            "vendor_order_ids": list(vendor_order_ids),
            "out_of_stock": cause.goods_missing,
            "reason": cause.reason,
            "actor": cause.actor,
            "request_id": request_id.get(),
        },
    )


async def ship_stock(session: AsyncSession, vendor_order_id: UUID, cause: Cause) -> None:
    """The goods of this vendor order leave the stock; the last locks of the transaction."""
    await session.execute(
        SHIP, {"vendor_order_id": vendor_order_id, "actor": cause.actor, "request_id": request_id.get()}
    )
