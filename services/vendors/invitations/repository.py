"""The SQL of invitations to a vendor; its callers have checked that the caller manages the members."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from ishop.auth import Principal

LIFETIME: Final = timedelta(days=7)

TAKE_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended('invitations of ' || CAST(:vendor AS text), 0))")

OPEN: Final = "vendor_id = :vendor AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > now()"

COUNT = text(f"SELECT count(*) FROM vendors.invitations WHERE {OPEN}")  # noqa: S608 - made of constants only

# An address is a person's: what has ended a month ago goes by the way.
ADD = text(
    "WITH forgotten AS (DELETE FROM vendors.invitations WHERE expires_at < now() - interval '30 days'), "
    "added AS (INSERT INTO vendors.invitations (vendor_id, email, role, invited_by, expires_at) "
    "VALUES (:vendor, :email, :role, :caller, now() + :lifetime) "
    "RETURNING id, email, role, invited_by, expires_at, created_at) "
    "SELECT added.*, identity.request_mail_v1('vendor_invitation', added.email, added.id) FROM added"
)

LIST = text(
    f"SELECT id, email, role, invited_by, expires_at, created_at FROM vendors.invitations WHERE {OPEN} ORDER BY id DESC"  # noqa: S608 - made of constants only
)

REVOKE = text(
    f"UPDATE vendors.invitations SET revoked_at = now() WHERE id = :id AND {OPEN} RETURNING id"  # noqa: S608 - see above
)


async def count_open(session: AsyncSession, vendor_id: UUID) -> int:
    """How many invitations are open; nobody else adds one until the transaction ends."""
    await session.execute(TAKE_TURN, {"vendor": str(vendor_id)})
    count: int = (await session.execute(COUNT, {"vendor": vendor_id})).scalar_one()
    return count


async def add(session: AsyncSession, caller: Principal, vendor_id: UUID, email: str, role: str) -> RowMapping:
    """An invitation, and a mail that brings its token."""
    values = {"vendor": vendor_id, "email": email, "role": role, "caller": caller.id, "lifetime": LIFETIME}
    return (await session.execute(ADD, values)).mappings().one()


async def list_open(session: AsyncSession, vendor_id: UUID) -> Sequence[RowMapping]:
    """The open invitations, the newest first."""
    return (await session.execute(LIST, {"vendor": vendor_id})).mappings().all()


async def revoke(session: AsyncSession, vendor_id: UUID, invitation_id: UUID) -> bool:
    """Take an open invitation back; whether there was one."""
    return (await session.execute(REVOKE, {"vendor": vendor_id, "id": invitation_id})).first() is not None
