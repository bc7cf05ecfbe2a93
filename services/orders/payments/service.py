"""Money for orders: recorded by the office, or collected on delivery. It locks the order, then looks at its state."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from ishop.auth import Principal
from ishop.routing import Session
from services.orders.lifecycle import service as lifecycle
from services.orders.lifecycle.domain import Cause, PaymentMethod, RefundReason, Settlement
from services.orders.payments import repository
from services.orders.payments.domain import cash_on_delivery, receive
from services.orders.payments.errors import DuplicatePaymentReference
from services.orders.payments.schemas import PaymentCreate

CASH_REFERENCE = "cod:{vendor_order_id}"
"""Nobody else can use it: the references that the office writes hold no colon."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A recorded payment and what it did."""

    payment_id: UUID
    settlement: Settlement

    @property
    def paid(self) -> int:
        """All that is allocated to the order now (rupiah)."""
        return self.settlement.order.paid + self.settlement.received


async def record(
    session: Session, officer: Principal, order_id: UUID, payment: PaymentCreate, moment: datetime
) -> Receipt:
    """Record a payment; raises NotFound, and DuplicatePaymentReference where its reference is known."""
    order = await lifecycle.lock_for_office(session, officer, order_id)
    settlement = receive(order, payment.amount.amount)
    payment_id = await repository.record(
        session,
        order_id=order_id,
        amount=payment.amount.amount,
        reference=payment.reference,
        allocated=settlement.received > 0,
        recorded_by=officer.id,
        moment=moment,
    )
    if payment_id is None:
        raise DuplicatePaymentReference
    refund_reason = RefundReason.overpaid if settlement.received else RefundReason.late_payment
    await lifecycle.carry_out(session, [settlement], Cause(officer.id, "paid", refund_reason), moment)
    return Receipt(payment_id, settlement)


async def collect_on_delivery(
    session: Session, caller: Principal, settlement: Settlement, vendor_order_id: UUID, moment: datetime
) -> Settlement:
    """The settlement of a delivered vendor order, with the cash for it received where the buyer pays on delivery."""
    order = settlement.order
    cash = cash_on_delivery(settlement, order.part(vendor_order_id).amounts.total)
    if order.payment_method is not PaymentMethod.cod or cash == 0:
        return settlement
    payment_id = await repository.record(
        session,
        order_id=order.id,
        amount=cash,
        reference=CASH_REFERENCE.format(vendor_order_id=vendor_order_id),
        allocated=True,
        recorded_by=caller.id,
        moment=moment,
    )
    if payment_id is None:
        raise DuplicatePaymentReference
    return replace(settlement, received=cash)
