"""Refresh tokens in the database, and what a password is checked against."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

REFRESH_TOKEN_LIFETIME = timedelta(days=30)

# The one that confirmed the address, and the newest of those that did not: never more, whoever registers how often.
CANDIDATES = text(
    "(SELECT id, password_hash, true AS confirmed FROM identity.users "
    " WHERE email = :email AND confirmed_at IS NOT NULL) "
    "UNION ALL "
    "(SELECT id, password_hash, false FROM identity.users "
    " WHERE email = :email AND confirmed_at IS NULL AND superseded_at IS NULL ORDER BY id DESC LIMIT 1)"
)

# What has expired goes by the way, so that nobody has to come by and clean up.
ADD_TOKEN = text(
    "WITH expired AS (DELETE FROM identity.refresh_tokens WHERE user_id = :user_id AND expires_at < now()) "
    "INSERT INTO identity.refresh_tokens (user_id, family_id, token_hash, expires_at) "
    "VALUES (:user_id, coalesce(CAST(:family_id AS uuid), uuidv7()), :token_hash, now() + :lifetime)"
)

# Locking the user makes the tokens of one user take turns. Without it a reuse could end a family while its newest
# token is being added by another transaction, and miss that one.
LOCK_OWNER = text(
    "SELECT u.id FROM identity.users u JOIN identity.refresh_tokens t ON t.user_id = u.id "
    "WHERE t.token_hash = :token_hash FOR NO KEY UPDATE OF u"
)

USE_TOKEN = text(
    "UPDATE identity.refresh_tokens SET used_at = now() "
    "WHERE token_hash = :token_hash AND used_at IS NULL AND revoked_at IS NULL AND expires_at > now() "
    "RETURNING family_id"
)

END_FAMILY = text(
    "UPDATE identity.refresh_tokens SET revoked_at = now() WHERE revoked_at IS NULL AND family_id = "
    "(SELECT family_id FROM identity.refresh_tokens WHERE token_hash = :token_hash AND used_at IS NOT NULL) "
    "RETURNING family_id"
)

END_ALL = text(
    "UPDATE identity.refresh_tokens SET revoked_at = now() "
    "WHERE revoked_at IS NULL AND user_id = ANY (CAST(:user_ids AS uuid[]))"
)


@dataclass(frozen=True, slots=True)
class Credential:
    """What a password is checked against."""

    user_id: UUID
    password_hash: str


@dataclass(frozen=True, slots=True)
class Candidates:
    """Who may be meant by an address: the account that confirmed it, and the newest that did not."""

    confirmed: Credential | None = None
    unconfirmed: Credential | None = None


async def get_candidates(session: AsyncSession, email: str) -> Candidates:
    """Who may sign in with this address.

    Gives the connection back at once: checking a password takes long, and whoever waits for a turn must not keep a
    connection from the others.
    """
    rows = (await session.execute(CANDIDATES, {"email": email})).all()
    await session.rollback()
    found = {row.confirmed: Credential(row.id, row.password_hash) for row in rows}
    return Candidates(found.get(True), found.get(False))


async def add_token(session: AsyncSession, user_id: UUID, token_hash: bytes, family_id: UUID | None) -> None:
    """Store a refresh token by its hash; without a family it begins one."""
    values = {"user_id": user_id, "token_hash": token_hash, "family_id": family_id, "lifetime": REFRESH_TOKEN_LIFETIME}
    await session.execute(ADD_TOKEN, values)


async def lock_owner(session: AsyncSession, token_hash: bytes) -> UUID | None:
    """Whose token it is, locked until the transaction ends; None where there is no such token."""
    owner: UUID | None = await session.scalar(LOCK_OWNER, {"token_hash": token_hash})
    return owner


async def use_token(session: AsyncSession, token_hash: bytes) -> UUID | None:
    """Use a token up and return its family; None where it is used, revoked or expired. Lock the owner before."""
    family: UUID | None = await session.scalar(USE_TOKEN, {"token_hash": token_hash})
    return family


async def end_family_of_used(session: AsyncSession, token_hash: bytes) -> bool:
    """Revoke the family of a token that was used before; whether that ended anything. Lock the owner before."""
    return (await session.execute(END_FAMILY, {"token_hash": token_hash})).first() is not None


async def end_all(session: AsyncSession, user_ids: Sequence[UUID]) -> None:
    """Sign these users out everywhere. They must be locked."""
    await session.execute(END_ALL, {"user_ids": list(user_ids)})
