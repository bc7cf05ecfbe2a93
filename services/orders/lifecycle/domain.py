"""The states of an order and of its vendor orders, and what a change of one means for the others. No I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.orders.lifecycle.errors import IllegalTransition


class OrderStatus(StrEnum):
    """What the buyer's order as a whole is."""

    awaiting_payment = "awaiting_payment"
    confirmed = "confirmed"
    completed = "completed"
    cancelled = "cancelled"
    expired = "expired"


class VendorOrderStatus(StrEnum):
    """What one producer's part of an order is."""

    placed = "placed"
    accepted = "accepted"
    shipped = "shipped"
    delivered = "delivered"
    rejected = "rejected"
    cancelled = "cancelled"


class PaymentMethod(StrEnum):
    """How the buyer pays: on delivery, within the organization's terms, or by a transfer that the office records."""

    cod = "cod"
    terms = "terms"
    manual_transfer = "manual_transfer"


class RefundReason(StrEnum):
    """Why money is due back."""

    cancelled = "cancelled"
    expired = "expired"
    rejected = "rejected"
    overpaid = "overpaid"
    late_payment = "late_payment"


ORDER_STARTS: Final = frozenset({OrderStatus.awaiting_payment, OrderStatus.confirmed})
ORDER_TRANSITIONS: Final[Mapping[OrderStatus, frozenset[OrderStatus]]] = {
    OrderStatus.awaiting_payment: frozenset({OrderStatus.confirmed, OrderStatus.cancelled, OrderStatus.expired}),
    OrderStatus.confirmed: frozenset({OrderStatus.completed, OrderStatus.cancelled}),
    OrderStatus.completed: frozenset(),
    OrderStatus.cancelled: frozenset(),
    OrderStatus.expired: frozenset(),
}

VENDOR_ORDER_STARTS: Final = frozenset({VendorOrderStatus.placed})
# A vendor may still reject what was accepted: goods break and boats do not sail, and without this way out the buyer
# would wait forever for an order that nobody can cancel.
VENDOR_ORDER_TRANSITIONS: Final[Mapping[VendorOrderStatus, frozenset[VendorOrderStatus]]] = {
    VendorOrderStatus.placed: frozenset(
        {VendorOrderStatus.accepted, VendorOrderStatus.rejected, VendorOrderStatus.cancelled}
    ),
    VendorOrderStatus.accepted: frozenset({VendorOrderStatus.shipped, VendorOrderStatus.rejected}),
    VendorOrderStatus.shipped: frozenset({VendorOrderStatus.delivered}),
    VendorOrderStatus.delivered: frozenset(),
    VendorOrderStatus.rejected: frozenset(),
    VendorOrderStatus.cancelled: frozenset(),
}

OPEN: Final = frozenset({OrderStatus.awaiting_payment, OrderStatus.confirmed})
"""Orders whose state can still change."""

DEAD: Final = frozenset({VendorOrderStatus.rejected, VendorOrderStatus.cancelled})
"""Vendor orders that no longer count: nothing will be delivered, nothing is to be paid."""

PAYMENT_WINDOW: Final = timedelta(hours=24)
"""How long an order that is paid by transfer holds its goods without the money."""

ACCEPT_WINDOW: Final = timedelta(hours=48)
"""How long a vendor may take to answer a confirmed order."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """Sums in rupiah; prices exclude tax."""

    subtotal: int
    shipping: int
    tax: int

    @property
    def total(self) -> int:
        """What is to be paid."""
        return self.subtotal + self.shipping + self.tax


@dataclass(frozen=True, slots=True)
class Part:
    """A vendor order as it stands under its lock."""

    id: UUID
    status: VendorOrderStatus
    amounts: Amounts
    accept_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """An order as it stands under its lock, with all of its vendor orders.

    `paid` is what was allocated to it, `given_back` what became refunds of that already (rupiah).
    """

    id: UUID
    buyer_id: UUID
    organization_id: UUID | None
    status: OrderStatus
    payment_method: PaymentMethod
    paid: int
    given_back: int
    parts: tuple[Part, ...]

    @property
    def amounts(self) -> Amounts:
        """The sums of the vendor orders that live."""
        return _sum(part.amounts for part in self.parts if part.status not in DEAD)

    def part(self, vendor_order_id: UUID) -> Part:
        """The vendor order of this id; KeyError when it is of another order."""
        for part in self.parts:
            if part.id == vendor_order_id:
                return part
        raise KeyError(vendor_order_id)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a change makes of an order: where its vendor orders go, the sums of those that live, what came in now as
    payment of it (`received`) and what is due back now (`refund`), in rupiah."""

    order: Standing
    status: OrderStatus
    moves: Mapping[UUID, VendorOrderStatus]
    amounts: Amounts
    refund: int
    received: int = 0


@dataclass(frozen=True, slots=True)
class Cause:
    """Who changes an order and why; actor None is the system. `goods_missing`: the vendor does not have the goods, so
    that giving them back lowers the stock on hand too."""

    actor: UUID | None
    reason: str | None
    refund_reason: RefundReason = RefundReason.cancelled
    goods_missing: bool = False
    tracking_number: str | None = None


def check_order_move(current: OrderStatus, target: OrderStatus) -> None:
    """Refuse what the table does not hold with IllegalTransition."""
    if target not in ORDER_TRANSITIONS[current]:
        raise IllegalTransition(current, target)


def check_vendor_order_move(current: VendorOrderStatus, target: VendorOrderStatus) -> None:
    """Refuse what the table does not hold with IllegalTransition."""
    if target not in VENDOR_ORDER_TRANSITIONS[current]:
        raise IllegalTransition(current, target)


def is_final(status: VendorOrderStatus) -> bool:
    """Whether nothing can follow."""
    return not VENDOR_ORDER_TRANSITIONS[status]


def settle(
    order: Standing,
    moves: Mapping[UUID, VendorOrderStatus],
    all_dead: OrderStatus = OrderStatus.cancelled,
) -> Settlement:
    """The order after its vendor orders have moved.

    Its sums count the living vendor orders only. A confirmed order completes when every vendor order is final; when
    none of them lives any more, the order becomes `all_dead`. What was paid beyond the new total is due back. Raises
    IllegalTransition.
    """
    parts: list[tuple[VendorOrderStatus, Amounts]] = []
    for part in order.parts:
        target = moves.get(part.id)
        if target is not None:
            check_vendor_order_move(part.status, target)
        parts.append((target or part.status, part.amounts))
    living = [amounts for status, amounts in parts if status not in DEAD]
    status = order.status
    if not living:
        status = all_dead
    elif all(is_final(part_status) for part_status, _ in parts):
        status = OrderStatus.completed
    if status is not order.status:
        check_order_move(order.status, status)
    sums = _sum(living)
    return Settlement(order, status, moves, sums, refund_due(order.paid, sums.total, order.given_back))


def refund_due(paid: int, total: int, given_back: int) -> int:
    """What becomes due back now: all that was paid beyond the total, less what became a refund before (rupiah)."""
    return max(0, paid - total - given_back)


def _sum(amounts: Iterable[Amounts]) -> Amounts:
    subtotal = shipping = tax = 0
    for one in amounts:
        subtotal += one.subtotal
        shipping += one.shipping
        tax += one.tax
    return Amounts(subtotal, shipping, tax)


def overdue(order: Standing, moment: datetime) -> dict[UUID, VendorOrderStatus]:
    """The vendor orders that were not answered in time, each with its rejection."""
    return {
        part.id: VendorOrderStatus.rejected
        for part in order.parts
        if part.status is VendorOrderStatus.placed and part.accept_by is not None and part.accept_by <= moment
    }


def cancellable(order: Standing) -> dict[UUID, VendorOrderStatus]:
    """The vendor orders that the buyer may still cancel by himself: those that no vendor has answered."""
    if order.status not in OPEN:
        return {}
    return {part.id: VendorOrderStatus.cancelled for part in order.parts if part.status is VendorOrderStatus.placed}
