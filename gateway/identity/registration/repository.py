"""New accounts in the database, and those that never came to anything."""

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ishop.errors import Language

ADD_USER = text(
    "INSERT INTO identity.users (email, name, password_hash, locale) VALUES (:email, :name, :password_hash, :locale) "
    "RETURNING id"
)

NAME_OF_OWNER = text("SELECT name, locale FROM identity.users WHERE email = :email AND confirmed_at IS NOT NULL")

# Whoever ordered, sells or buys for others is somebody, confirmed or not.
PURGE_UNCONFIRMED = text("""
    DELETE FROM identity.users WHERE id IN (
        SELECT u.id FROM identity.users u
        WHERE u.confirmed_at IS NULL AND u.created_at < now() - interval '30 days' AND u.roles = '{}'
          AND NOT EXISTS (SELECT FROM orders.buyers_v1 b WHERE b.user_id = u.id)
          AND NOT EXISTS (SELECT FROM vendors.memberships_v1 v WHERE v.user_id = u.id)
          AND NOT EXISTS (SELECT FROM orders.memberships_v1 o WHERE o.user_id = u.id)
        ORDER BY u.id LIMIT :most FOR UPDATE SKIP LOCKED)
    RETURNING id
""")
PURGE_TOKENS = text("DELETE FROM identity.one_time_tokens WHERE expires_at < now()")
PURGED_AT_ONCE: Final = 10_000


async def add_user(session: AsyncSession, *, email: str, name: str, password_hash: str, locale: Language) -> UUID:
    """A new account, whoever else has the address; its id."""
    values = {"email": email, "name": name, "password_hash": password_hash, "locale": locale}
    added: UUID = (await session.execute(ADD_USER, values)).scalar_one()
    return added


async def get_owner(session: AsyncSession, email: str) -> tuple[str, Language] | None:
    """Name and language of who has confirmed this address; None where nobody has."""
    row = (await session.execute(NAME_OF_OWNER, {"email": email})).one_or_none()
    return None if row is None else (row.name, row.locale)


async def purge(session: AsyncSession) -> int:
    """Delete accounts that nobody confirmed in 30 days or used, and expired tokens; how many accounts it were."""
    await session.execute(PURGE_TOKENS)
    return len((await session.execute(PURGE_UNCONFIRMED, {"most": PURGED_AT_ONCE})).all())
