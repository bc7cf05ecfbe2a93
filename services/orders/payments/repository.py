"""The SQL of payments."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

RECORD = text("""
    INSERT INTO orders.payments (order_id, amount, reference, allocated, recorded_by, created_at)
    VALUES (:order_id, :amount, :reference, :allocated, :recorded_by, :moment)
    ON CONFLICT ON CONSTRAINT uq_payments_reference DO NOTHING
    RETURNING id
""")


async def record(
    session: AsyncSession,
    *,
    order_id: UUID,
    amount: int,
    reference: str,
    allocated: bool,
    recorded_by: UUID,
    moment: datetime,
) -> UUID | None:
    """Write a payment of a locked order; None where the reference was used before."""
    written = await session.execute(
        RECORD,
        {
            "order_id": order_id,
            "amount": amount,
            "reference": reference,
            "allocated": allocated,
            "recorded_by": recorded_by,
            "moment": moment,
        },
    )
    payment_id: UUID | None = written.scalar_one_or_none()
    return payment_id
