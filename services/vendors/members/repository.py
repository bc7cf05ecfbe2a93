"""The SQL of the members of a vendor: as they are now, whatever the caller's token still says."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from ishop.auth import Principal

LIST = text("""
SELECT m.user_id, p.name, p.email, m.role, m.created_at AS since
FROM vendors.vendor_members m
JOIN identity.people_v1(
    ARRAY(SELECT user_id FROM vendors.vendor_members WHERE vendor_id = :vendor)) p ON p.id = m.user_id
WHERE m.vendor_id = :vendor AND (CAST(:user_id AS uuid) IS NULL OR m.user_id = :user_id)
ORDER BY p.name, m.user_id""")

# Whoever changes members takes the rows of all owners first, in order, so that two cannot put each other out at once.
LOCK = text(
    "SELECT user_id FROM vendors.vendor_members "
    "WHERE vendor_id = :vendor AND role = 'owner' ORDER BY user_id FOR UPDATE"
)

ROLE = text("SELECT role FROM vendors.vendor_members WHERE vendor_id = :vendor AND user_id = :user_id")

COUNT_OTHERS = text(
    "SELECT count(*) FROM vendors.vendor_members WHERE vendor_id = :vendor AND role = 'owner' AND user_id <> :user_id"
)

SET_ROLE = text("UPDATE vendors.vendor_members SET role = :role WHERE vendor_id = :vendor AND user_id = :user_id")

REMOVE = text("DELETE FROM vendors.vendor_members WHERE vendor_id = :vendor AND user_id = :user_id")

EXISTS = text("SELECT EXISTS (SELECT FROM vendors.vendors WHERE id = :vendor)")


async def list_members(session: AsyncSession, vendor_id: UUID, user_id: UUID | None = None) -> Sequence[RowMapping]:
    """All members by name, or the one asked for."""
    values = {"vendor": vendor_id, "user_id": user_id}
    return (await session.execute(LIST, values)).mappings().all()


async def sees(session: AsyncSession, caller: Principal, vendor_id: UUID) -> bool:
    """Whether the caller may see the members: being one, or for the office where the vendor exists."""
    if caller.is_office:
        return bool(await session.scalar(EXISTS, {"vendor": vendor_id}))
    return await role_of(session, vendor_id, caller.id) is not None


async def lock(session: AsyncSession, vendor_id: UUID) -> None:
    """Let nobody else change the members until the transaction ends."""
    await session.execute(LOCK, {"vendor": vendor_id})


async def role_of(session: AsyncSession, vendor_id: UUID, user_id: UUID) -> str | None:
    """The role of a member; None for who is none."""
    role: str | None = await session.scalar(ROLE, {"vendor": vendor_id, "user_id": user_id})
    return role


async def is_last(session: AsyncSession, vendor_id: UUID, user_id: UUID) -> bool:
    """Whether there is no owner but this one."""
    others: int = (await session.execute(COUNT_OTHERS, {"vendor": vendor_id, "user_id": user_id})).scalar_one()
    return others == 0


async def set_role(session: AsyncSession, vendor_id: UUID, user_id: UUID, role: str) -> None:
    """Give a member a role."""
    await session.execute(SET_ROLE, {"vendor": vendor_id, "user_id": user_id, "role": role})


async def remove(session: AsyncSession, vendor_id: UUID, user_id: UUID) -> None:
    """End a membership."""
    await session.execute(REMOVE, {"vendor": vendor_id, "user_id": user_id})
