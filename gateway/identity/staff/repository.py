"""The roles of accounts, as the operator gives and takes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

LOCK_NAMESAKES = text("SELECT id FROM identity.users WHERE email = :email ORDER BY id FOR UPDATE")

# The array stays a set: giving twice, or taking what is not there, changes nothing.
CHANGE_ROLES = """
    UPDATE identity.users SET roles = {roles} WHERE email = :email AND confirmed_at IS NOT NULL RETURNING id
"""
GIVE_ROLE = text(CHANGE_ROLES.format(roles="array_remove(roles, :role) || ARRAY[:role]"))
TAKE_ROLE = text(CHANGE_ROLES.format(roles="array_remove(roles, :role)"))

STAFF = text("SELECT email, name, roles FROM identity.users WHERE roles <> '{}' ORDER BY email")


@dataclass(frozen=True, slots=True)
class StaffMember:
    """Who acts for the office, or administers the market."""

    email: str
    name: str
    roles: Sequence[str]


async def lock_namesakes(session: AsyncSession, email: str) -> None:
    """Lock all accounts with this address, so that nobody confirms one of them meanwhile."""
    await session.execute(LOCK_NAMESAKES, {"email": email})


async def give_role(session: AsyncSession, email: str, role: str) -> UUID | None:
    """Give a role to the owner of an address; None where nobody has confirmed it."""
    changed: UUID | None = await session.scalar(GIVE_ROLE, {"email": email, "role": role})
    return changed


async def take_role(session: AsyncSession, email: str, role: str) -> UUID | None:
    """Take a role from the owner of an address; None where nobody has confirmed it."""
    changed: UUID | None = await session.scalar(TAKE_ROLE, {"email": email, "role": role})
    return changed


async def list_staff(session: AsyncSession) -> list[StaffMember]:
    """Everybody with a role, by address."""
    return [StaffMember(row.email, row.name, row.roles) for row in await session.execute(STAFF)]
