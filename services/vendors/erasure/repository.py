"""Taking a person out of vendors."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

LEAVE = text("DELETE FROM vendors.vendor_members WHERE user_id = ANY (CAST(:user_ids AS uuid[]))")


async def erase(session: AsyncSession, user_ids: Sequence[UUID]) -> None:
    """Forget that these persons were members. Movements keep an id that stands for nobody any more."""
    await session.execute(LEAVE, {"user_ids": list(user_ids)})
