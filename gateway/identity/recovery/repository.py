"""Whose password is chosen anew."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ishop.errors import Language

# The one that confirmed the address, else the newest of the others: whoever reads its mails may have that one.
OWNER = text(
    "SELECT id, email, name, locale FROM identity.users WHERE email = :email AND superseded_at IS NULL "
    "ORDER BY confirmed_at IS NULL, id DESC LIMIT 1"
)

CREDENTIAL = text("SELECT email, password_hash FROM identity.users WHERE id = :id")


@dataclass(frozen=True, slots=True)
class Owner:
    """Who a reset is for."""

    id: UUID
    email: str
    name: str
    locale: Language


async def get_owner(session: AsyncSession, email: str) -> Owner | None:
    """Whose address it is; None where it is nobody's."""
    row = (await session.execute(OWNER, {"email": email})).mappings().one_or_none()
    return None if row is None else Owner(**row)


async def get_credential(session: AsyncSession, user_id: UUID) -> tuple[str, str] | None:
    """Address and password hash of an account; None where it is gone."""
    row = (await session.execute(CREDENTIAL, {"id": user_id})).one_or_none()
    return None if row is None else (row.email, row.password_hash)
