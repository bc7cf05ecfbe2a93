"""The SQL of the members of an organization: as they are now, whatever the caller's token still says."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from ishop.auth import Principal

LIST = text("""
SELECT m.user_id, p.name, p.email, m.role, m.created_at AS since
FROM orders.organization_members m
JOIN identity.people_v1(
    ARRAY(SELECT user_id FROM orders.organization_members WHERE organization_id = :organization)) p ON p.id = m.user_id
WHERE m.organization_id = :organization AND (CAST(:user_id AS uuid) IS NULL OR m.user_id = :user_id)
ORDER BY p.name, m.user_id""")

# Whoever changes members takes the rows of all approvers first, in order: two cannot put each other out at once.
LOCK = text(
    "SELECT user_id FROM orders.organization_members "
    "WHERE organization_id = :organization AND role = 'approver' ORDER BY user_id FOR UPDATE"
)

ROLE = text("SELECT role FROM orders.organization_members WHERE organization_id = :organization AND user_id = :user_id")

COUNT_OTHERS = text(
    "SELECT count(*) FROM orders.organization_members "
    "WHERE organization_id = :organization AND role = 'approver' AND user_id <> :user_id"
)

SET_ROLE = text(
    "UPDATE orders.organization_members SET role = :role WHERE organization_id = :organization AND user_id = :user_id"
)

REMOVE = text("DELETE FROM orders.organization_members WHERE organization_id = :organization AND user_id = :user_id")

EXISTS = text("SELECT EXISTS (SELECT FROM orders.organizations WHERE id = :organization)")


async def list_members(
    session: AsyncSession, organization_id: UUID, user_id: UUID | None = None
) -> Sequence[RowMapping]:
    """All members by name, or the one asked for."""
    values = {"organization": organization_id, "user_id": user_id}
    return (await session.execute(LIST, values)).mappings().all()


async def sees(session: AsyncSession, caller: Principal, organization_id: UUID) -> bool:
    """Whether the caller may see the members: being one, or for the office where the organization exists."""
    if caller.is_office:
        return bool(await session.scalar(EXISTS, {"organization": organization_id}))
    return await role_of(session, organization_id, caller.id) is not None


async def lock(session: AsyncSession, organization_id: UUID) -> None:
    """Let nobody else change the members until the transaction ends."""
    await session.execute(LOCK, {"organization": organization_id})


async def role_of(session: AsyncSession, organization_id: UUID, user_id: UUID) -> str | None:
    """The role of a member; None for who is none."""
    role: str | None = await session.scalar(ROLE, {"organization": organization_id, "user_id": user_id})
    return role


async def is_last(session: AsyncSession, organization_id: UUID, user_id: UUID) -> bool:
    """Whether there is no approver but this one."""
    others: int = (
        await session.execute(COUNT_OTHERS, {"organization": organization_id, "user_id": user_id})
    ).scalar_one()
    return others == 0


async def set_role(session: AsyncSession, organization_id: UUID, user_id: UUID, role: str) -> None:
    """Give a member a role."""
    await session.execute(SET_ROLE, {"organization": organization_id, "user_id": user_id, "role": role})


async def remove(session: AsyncSession, organization_id: UUID, user_id: UUID) -> None:
    """End a membership."""
    await session.execute(REMOVE, {"organization": organization_id, "user_id": user_id})
