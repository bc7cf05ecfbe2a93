"""What money does to an order. No I/O."""

from ishop.errors import InvalidRequest
from ishop.schemas import MAX_AMOUNT
from services.orders.lifecycle.domain import OPEN, OrderStatus, Settlement, Standing, check_order_move, refund_due


def receive(order: Standing, amount: int) -> Settlement:
    """The order after `amount` (rupiah) came in.

    Enough confirms an order that waits for it; less lets it wait; what exceeds the total is due back. Money for an
    order that has expired or was cancelled is not allocated, is due back as a whole and revives nothing. Raises
    InvalidRequest where the sum would no longer be a readable number.
    """
    if order.status not in OPEN and order.status is not OrderStatus.completed:
        return Settlement(order, order.status, {}, order.amounts, refund=amount)
    paid = order.paid + amount
    if paid > MAX_AMOUNT:
        detail = f"All payments of an order are at most {MAX_AMOUNT} rupiah."
        raise InvalidRequest(
            errors=[{"pointer": "/amount/amount", "in": "body", "code": "amount_too_large", "detail": detail}]
        )
    status = order.status
    total = order.amounts.total
    if status is OrderStatus.awaiting_payment and paid >= total:
        status = OrderStatus.confirmed
        check_order_move(order.status, status)
    return Settlement(order, status, {}, order.amounts, refund_due(paid, total, order.given_back), received=amount)


def cash_on_delivery(settlement: Settlement, part_total: int) -> int:
    """What the courier collects for a delivered part: its total, less what was paid before in another way (rupiah)."""
    return min(part_total, max(0, settlement.amounts.total - settlement.order.paid))
