"""What a vendor does with its part of an order. Doing the same again changes nothing and is no error."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from ishop.auth import Principal
from ishop.errors import NotFound
from ishop.routing import Session
from services.orders.fulfilment import repository
from services.orders.fulfilment.errors import OrderNotConfirmed
from services.orders.fulfilment.repository import VendorOrderFilter
from services.orders.fulfilment.schemas import Rejection, RejectReason, VendorOrderHead, vendor_order_detail
from services.orders.lifecycle import service as lifecycle
from services.orders.lifecycle.domain import (
    Cause,
    OrderStatus,
    RefundReason,
    Settlement,
    VendorOrderStatus,
    check_vendor_order_move,
    settle,
)
from services.orders.payments import service as payments


async def read(session: Session, caller: Principal, vendor_order_id: UUID) -> tuple[Mapping[str, Any], int]:
    """A vendor order of the caller's as `VendorOrderRead` describes it, and the version of its order."""
    found = await repository.read(session, caller, vendor_order_id)
    if found is None:
        raise NotFound
    return vendor_order_detail(*found), found[0].order_version


async def list_page(
    session: Session, caller: Principal, wanted: VendorOrderFilter, behind: UUID | None, limit: int
) -> list[VendorOrderHead]:
    """The vendor orders of the caller's vendors, newest first, one more than `limit`; NotFound for another's vendor."""
    if wanted.vendor_id is not None and wanted.vendor_id not in caller.vendors:
        raise NotFound
    return await repository.list_page(session, caller, wanted, behind, limit)


async def accept(session: Session, caller: Principal, vendor_order_id: UUID, moment: datetime) -> None:
    """The vendor will fill it: from now on the buyer cannot cancel it by himself."""
    settlement = await _move(session, caller, vendor_order_id, VendorOrderStatus.accepted)
    if settlement is not None:
        await lifecycle.carry_out(session, [settlement], Cause(caller.id, None), moment)


async def reject(
    session: Session, caller: Principal, vendor_order_id: UUID, rejection: Rejection, moment: datetime
) -> None:
    """The vendor will not fill it: the stock is given back (or struck off, if not there), what was paid due back."""
    settlement = await _move(session, caller, vendor_order_id, VendorOrderStatus.rejected)
    if settlement is not None:
        reason = ": ".join(filter(None, [rejection.reason, rejection.note]))
        missing = rejection.reason is RejectReason.out_of_stock
        cause = Cause(caller.id, reason, RefundReason.rejected, goods_missing=missing)
        await lifecycle.carry_out(session, [settlement], cause, moment)


async def ship(
    session: Session, caller: Principal, vendor_order_id: UUID, tracking_number: str | None, moment: datetime
) -> None:
    """The goods have left the house, and the stock with them."""
    settlement = await _move(session, caller, vendor_order_id, VendorOrderStatus.shipped)
    if settlement is not None:
        cause = Cause(caller.id, None, tracking_number=tracking_number)
        await lifecycle.carry_out(session, [settlement], cause, moment)


async def deliver(session: Session, caller: Principal, vendor_order_id: UUID, moment: datetime) -> None:
    """The goods have arrived; cash on delivery is paid now."""
    settlement = await _move(session, caller, vendor_order_id, VendorOrderStatus.delivered)
    if settlement is not None:
        settlement = await payments.collect_on_delivery(session, caller, settlement, vendor_order_id, moment)
        await lifecycle.carry_out(session, [settlement], Cause(caller.id, None), moment)


async def _move(
    session: Session, caller: Principal, vendor_order_id: UUID, target: VendorOrderStatus
) -> Settlement | None:
    """What the move makes of the order, which is locked now; None where it was made before.

    Raises NotFound, IllegalTransition, and OrderNotConfirmed while the buyer has not paid.
    """
    order = await lifecycle.lock_for_vendor(session, caller, vendor_order_id)
    current = order.part(vendor_order_id).status
    if current is target:
        return None
    check_vendor_order_move(current, target)
    if order.status is not OrderStatus.confirmed:
        raise OrderNotConfirmed(status=order.status)
    return settle(order, {vendor_order_id: target})
