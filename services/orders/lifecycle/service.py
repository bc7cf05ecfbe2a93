"""Orders after they are placed: read, cancelled, expired, and moved on by vendors and payments.

Locks are taken in one order everywhere: order, vendor orders by id, stock by sku.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from ishop.auth import Principal
from ishop.errors import Forbidden, NotFound
from ishop.routing import Session
from services.orders.lifecycle import reading, repository
from services.orders.lifecycle.domain import (
    DEAD,
    Cause,
    OrderStatus,
    RefundReason,
    Settlement,
    Standing,
    VendorOrderStatus,
    cancellable,
    overdue,
    settle,
)
from services.orders.lifecycle.errors import CannotCancel
from services.orders.lifecycle.reading import OrderFilter
from services.orders.lifecycle.records import ListedOrder, OrderBook, TransitionRecord

BUYING_ROLES = frozenset({"requester", "approver"})
"""The roles of an organization whose holders buy for it: place and cancel its orders."""

OVERDUE_REASON = "not_answered_in_time"
UNPAID_REASON = "not_paid_in_time"


async def read(
    session: Session, caller: Principal, order_id: UUID, *, bulk_only: bool = False
) -> tuple[OrderBook, list[TransitionRecord]]:
    """An order of the caller with its history; NotFound when it is not there or not his."""
    found = await reading.read_order(session, caller, order_id, bulk_only=bulk_only)
    if found is None:
        raise NotFound
    return found


async def list_page(
    session: Session, caller: Principal, wanted: OrderFilter, behind: UUID | None, limit: int
) -> list[ListedOrder]:
    """The caller's orders, newest first, one more than `limit`; NotFound for an organization that is not his."""
    if any(one not in caller.organizations for one in wanted.organizations or ()):
        raise NotFound
    return await reading.list_orders(session, caller, wanted, behind, limit)


async def cancel(session: Session, caller: Principal, order_id: UUID, reason: str | None, moment: datetime) -> None:
    """Cancel what no vendor has answered yet; a cancelled order stays as it is.

    Raises NotFound, Forbidden for a member whose role does not buy, CannotCancel when nothing is left to cancel.
    """
    order = await repository.lock_own(session, caller, order_id)
    if order is None:
        raise NotFound
    if order.organization_id is not None and caller.organizations[order.organization_id] not in BUYING_ROLES:
        raise Forbidden
    if order.status is OrderStatus.cancelled:
        return
    moves = cancellable(order)
    if not moves:
        raise CannotCancel
    await carry_out(session, [settle(order, moves)], Cause(caller.id, reason or "cancelled_by_buyer"), moment)


async def carry_out(session: Session, settlements: Sequence[Settlement], cause: Cause, moment: datetime) -> None:
    """Write changes of locked orders; then the stock: given back where a vendor order died, gone where shipped."""
    await repository.carry_out(session, settlements, cause, moment)
    moves = [move for settlement in settlements for move in settlement.moves.items()]
    died = [vendor_order_id for vendor_order_id, status in moves if status in DEAD]
    if died:
        await repository.release_stock(session, died, cause)
    for vendor_order_id, status in moves:
        if status is VendorOrderStatus.shipped:
            await repository.ship_stock(session, vendor_order_id, cause)


async def lock_for_vendor(session: Session, caller: Principal, vendor_order_id: UUID) -> Standing:
    """The locked order of a vendor order of the caller's; NotFound when it is not there or not his."""
    order = await repository.lock_for_vendor(session, caller, vendor_order_id)
    if order is None:
        raise NotFound
    return order


async def lock_for_office(session: Session, officer: Principal, order_id: UUID) -> Standing:
    """Any order, locked for the office; NotFound when it is not there."""
    order = await repository.lock_for_office(session, officer, order_id)
    if order is None:
        raise NotFound
    return order


async def expire_unpaid(session: Session, moment: datetime, batch: int, left_out: Sequence[UUID]) -> int:
    """End up to `batch` orders that were not paid in time, give their goods back, and say how many they were.

    Raises Unsettled when one of them cannot be ended; nothing may be committed then.
    """
    orders = await repository.lock_unpaid(session, moment, batch, left_out)

    def expired(order: Standing) -> Settlement:
        return settle(order, {part.id: VendorOrderStatus.cancelled for part in order.parts}, OrderStatus.expired)

    return await _end(session, orders, expired, Cause(None, UNPAID_REASON, RefundReason.expired), moment)


async def reject_unanswered(session: Session, moment: datetime, batch: int, left_out: Sequence[UUID]) -> int:
    """Reject, in up to `batch` orders, what no vendor answered in time, and say how many orders they were.

    Raises Unsettled as `expire_unpaid` does.
    """
    orders = await repository.lock_unanswered(session, moment, batch, left_out)
    late = [order for order in orders if overdue(order, moment)]

    def rejected(order: Standing) -> Settlement:
        return settle(order, overdue(order, moment))

    return await _end(session, late, rejected, Cause(None, OVERDUE_REASON, RefundReason.rejected), moment)


async def _end(
    session: Session,
    orders: Sequence[Standing],
    ended: Callable[[Standing], Settlement],
    cause: Cause,
    moment: datetime,
) -> int:
    if not orders:
        return 0
    with repository.settling(orders):
        await carry_out(session, [ended(order) for order in orders], cause, moment)
    return len(orders)
