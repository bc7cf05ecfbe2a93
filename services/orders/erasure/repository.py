"""Taking a person out of orders."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# Amounts, goods and the region stay: books are kept for ten years, and the tax follows from them. An order of an
# organization is the organization's, and so is where it went.
FORGET = text("""
    WITH mine AS (
        SELECT o.id FROM orders.orders o
        WHERE o.buyer_id = ANY (CAST(:user_ids AS uuid[])) AND o.organization_id IS NULL
          AND o.status NOT IN ('awaiting_payment', 'confirmed') AND o.ship_to->>'name' <> '(dihapus)'
        ORDER BY o.id FOR UPDATE
    )
    UPDATE orders.orders o
    SET ship_to = o.ship_to || '{"name": "(dihapus)", "phone": "000000", "address": "(dihapus)"}',
        version = o.version + 1
    FROM mine WHERE o.id = mine.id
""")

LEAVE = text("DELETE FROM orders.organization_members WHERE user_id = ANY (CAST(:user_ids AS uuid[]))")


async def erase(session: AsyncSession, user_ids: Sequence[UUID]) -> None:
    """Forget where these persons' final orders went, and that they were members; again does nothing."""
    await session.execute(FORGET, {"user_ids": list(user_ids)})
    await session.execute(LEAVE, {"user_ids": list(user_ids)})
