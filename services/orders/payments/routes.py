"""The office records what came in."""

from uuid import UUID

from starlette.responses import Response

from ishop import clock, problems
from ishop.auth import Officer
from ishop.errors import Forbidden, IdempotencyKeyRequired, InvalidRequest, NotFound, Unauthenticated
from ishop.routing import IdempotencyKey, Session, service_router
from services.orders.answers import json_answer
from services.orders.lifecycle.schemas import money
from services.orders.payments import service
from services.orders.payments.errors import DuplicatePaymentReference
from services.orders.payments.schemas import PaymentCreate, PaymentRead

router = service_router(tags=["payments"])


@router.post(
    "/v1/orders/{order_id}/payments",
    status_code=201,
    response_model=PaymentRead,
    responses=problems.responses(
        IdempotencyKeyRequired, Unauthenticated, Forbidden, NotFound, DuplicatePaymentReference, InvalidRequest
    ),
)
async def record(
    caller: Officer, session: Session, _key: IdempotencyKey, order_id: UUID, body: PaymentCreate
) -> Response:
    """Record a transfer for an order; one that comes after expiry or cancellation is due back and revives nothing."""
    moment = clock.now()
    receipt = await service.record(session, caller, order_id, body, moment)
    settlement = receipt.settlement
    total = settlement.amounts.total
    return json_answer(
        {
            "id": receipt.payment_id,
            "order_id": order_id,
            "amount": money(body.amount.amount),
            "reference": body.reference,
            "allocated": settlement.received > 0,
            "order_status": settlement.status,
            "total": money(total),
            "paid": money(receipt.paid),
            "due": money(max(0, total - receipt.paid)),
            "refund": money(settlement.refund),
            "created_at": moment,
        },
        201,
    )
