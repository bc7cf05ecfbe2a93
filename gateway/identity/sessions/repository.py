"""Sessions and their refresh tokens in the database, and what a password is checked against."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.identity.sessions.domain import Place

REFRESH_TOKEN_LIFETIME: Final = timedelta(days=30)
LEEWAY: Final = timedelta(seconds=10)
"""For this long the token before the newest is taken again: its client may never have got the answer."""
NETWORK_KNOWN: Final = timedelta(days=90)

# The one that confirmed the address, and the newest of those that did not: never more, whoever registers how often.
CANDIDATES = text("""
    SELECT c.id, c.password_hash, c.confirmed, EXISTS (
        SELECT FROM identity.known_networks k WHERE k.user_id = c.id AND k.network_hash = :network_hash
        AND k.last_seen_at > now() - CAST(:known AS interval)) AS known
    FROM (
        (SELECT id, password_hash, true AS confirmed FROM identity.users
         WHERE email = :email AND confirmed_at IS NOT NULL)
        UNION ALL
        (SELECT id, password_hash, false FROM identity.users
         WHERE email = :email AND confirmed_at IS NULL AND superseded_at IS NULL ORDER BY id DESC LIMIT 1)
    ) c
""")

# What has expired goes by the way, so that nobody has to come by and clean up.
ADD_TOKEN = text("""
    WITH expired AS (
        DELETE FROM identity.refresh_tokens WHERE user_id = :user_id AND expires_at < now()
    ), family AS MATERIALIZED (
        SELECT coalesce(CAST(:family_id AS uuid), uuidv7()) AS id
    ), used AS (
        INSERT INTO identity.sessions (id, user_id, network, user_agent)
        SELECT id, :user_id, :network, :user_agent FROM family
        ON CONFLICT (id) DO UPDATE
            SET last_used_at = now(), network = excluded.network, user_agent = excluded.user_agent
    ), seen AS (
        INSERT INTO identity.known_networks (user_id, network_hash)
        SELECT :user_id, :network_hash WHERE CAST(:family_id AS uuid) IS NULL
        ON CONFLICT (user_id, network_hash) DO UPDATE SET last_seen_at = now()
    )
    INSERT INTO identity.refresh_tokens (user_id, family_id, token_hash, replaces, expires_at)
    SELECT :user_id, id, :token_hash, CAST(:replaces AS uuid), now() + CAST(:lifetime AS interval) FROM family
    RETURNING family_id
""")

# Locking the user makes the tokens of one user take turns. Without it a reuse could end a family while its newest
# token is being added by another transaction, and miss that one.
LOCK_OWNER = text(
    "SELECT u.id FROM identity.users u JOIN identity.refresh_tokens t ON t.user_id = u.id "
    "WHERE t.token_hash = :token_hash FOR NO KEY UPDATE OF u"
)

USE_TOKEN = text(
    "UPDATE identity.refresh_tokens SET used_at = clock_timestamp() "
    "WHERE token_hash = :token_hash AND used_at IS NULL AND revoked_at IS NULL AND expires_at > now() "
    "RETURNING family_id, id"
)

# The token was used just now, and nobody has used the one that was given for it: that one is used up instead, so that
# of the two answers only the later lives on. Whoever holds the earlier one ends the family with it, as with any other.
USE_AGAIN = text("""
    UPDATE identity.refresh_tokens newest SET used_at = clock_timestamp()
    FROM identity.refresh_tokens before
    WHERE before.token_hash = :token_hash AND before.revoked_at IS NULL
      AND before.used_at > clock_timestamp() - CAST(:leeway AS interval)
      AND newest.replaces = before.id AND newest.family_id = before.family_id
      AND newest.used_at IS NULL AND newest.revoked_at IS NULL
    RETURNING before.family_id, before.id
""")

_END = """
    WITH ended AS (
        UPDATE identity.sessions s SET ended_at = now() WHERE s.ended_at IS NULL AND {which}
    )
    UPDATE identity.refresh_tokens t SET revoked_at = now() WHERE t.revoked_at IS NULL AND {whose}
    RETURNING t.family_id
"""
_FAMILY_OF = "= (SELECT o.family_id FROM identity.refresh_tokens o WHERE o.token_hash = :token_hash {condition})"
_OF_USED = _FAMILY_OF.format(condition="AND o.used_at IS NOT NULL")
_OF_ANY = _FAMILY_OF.format(condition="")

END_FAMILY_OF_USED = text(_END.format(which=f"s.id {_OF_USED}", whose=f"t.family_id {_OF_USED}"))
END_FAMILY = text(_END.format(which=f"s.id {_OF_ANY}", whose=f"t.family_id {_OF_ANY}"))
END_OWN = text(
    _END.format(which="s.id = :id AND s.user_id = :user_id", whose="t.family_id = :id AND t.user_id = :user_id")
)
END_ALL = text(
    _END.format(
        which="s.user_id = ANY (CAST(:user_ids AS uuid[])) AND s.id IS DISTINCT FROM CAST(:but AS uuid)",
        whose="t.user_id = ANY (CAST(:user_ids AS uuid[])) AND t.family_id IS DISTINCT FROM CAST(:but AS uuid)",
    )
)

# A password that was changed while its hash was checked must not open a session behind the change.
LOCK_CREDENTIAL = text(
    "SELECT id FROM identity.users WHERE id = :id AND password_hash = :password_hash AND superseded_at IS NULL "
    "FOR NO KEY UPDATE"
)

LOCK_USER = text("SELECT id FROM identity.users WHERE id = :id FOR NO KEY UPDATE")

LIST_OWN = text(
    "SELECT id, network, user_agent, created_at, last_used_at FROM identity.sessions "
    "WHERE user_id = :user_id AND ended_at IS NULL AND last_used_at > now() - CAST(:lifetime AS interval) "
    "ORDER BY id DESC LIMIT :most"
)

FORGET_NETWORKS = text("DELETE FROM identity.known_networks WHERE user_id = :user_id")
KNOW_NETWORK = text("INSERT INTO identity.known_networks (user_id, network_hash) VALUES (:user_id, :network_hash)")

PURGE_SESSIONS = text(
    "WITH gone AS ("
    " DELETE FROM identity.sessions WHERE last_used_at < now() - CAST(:lifetime AS interval) RETURNING id"
    ") DELETE FROM identity.refresh_tokens t USING gone WHERE t.family_id = gone.id"
)
PURGE_NETWORKS = text("DELETE FROM identity.known_networks WHERE last_seen_at < now() - CAST(:known AS interval)")

MOST_LISTED: Final = 200


@dataclass(frozen=True, slots=True)
class Credential:
    """What a password is checked against, and whether the account was signed in from this network before."""

    user_id: UUID
    password_hash: str
    network_is_known: bool


@dataclass(frozen=True, slots=True)
class Candidates:
    """Who may be meant by an address: the account that confirmed it, and the newest that did not."""

    confirmed: Credential | None = None
    unconfirmed: Credential | None = None


@dataclass(frozen=True, slots=True)
class UsedToken:
    """A refresh token that was used up just now: whose family it is, and what its successor replaces."""

    family_id: UUID
    id: UUID


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session that lives."""

    id: UUID
    network: str
    user_agent: str
    created_at: datetime
    last_used_at: datetime


async def get_candidates(session: AsyncSession, email: str, place: Place) -> Candidates:
    """Who may sign in with this address.

    Gives the connection back at once: checking a password takes long, and whoever waits for a turn must not keep a
    connection from the others.
    """
    values = {"email": email, "network_hash": place.network_hash, "known": NETWORK_KNOWN}
    rows = (await session.execute(CANDIDATES, values)).all()
    await session.rollback()
    found = {row.confirmed: Credential(row.id, row.password_hash, row.known) for row in rows}
    return Candidates(found.get(True), found.get(False))


async def lock_credential(session: AsyncSession, credential: Credential) -> bool:
    """Whether the credential still holds. The account is locked then: what ends its sessions sees the new one."""
    values = {"id": credential.user_id, "password_hash": credential.password_hash}
    return await session.scalar(LOCK_CREDENTIAL, values) is not None


async def add_token(
    session: AsyncSession, user_id: UUID, token_hash: bytes, place: Place, after: UsedToken | None
) -> UUID:
    """Store a refresh token by its hash and return its family; without one `after` which it comes it begins one."""
    values = {
        "user_id": user_id,
        "token_hash": token_hash,
        "family_id": after and after.family_id,
        "replaces": after and after.id,
        "network": place.network,
        "network_hash": place.network_hash,
        "user_agent": place.user_agent,
        "lifetime": REFRESH_TOKEN_LIFETIME,
    }
    family_id: UUID = (await session.execute(ADD_TOKEN, values)).scalar_one()
    return family_id


async def lock_owner(session: AsyncSession, token_hash: bytes) -> UUID | None:
    """Whose token it is, locked until the transaction ends; None where there is no such token."""
    owner: UUID | None = await session.scalar(LOCK_OWNER, {"token_hash": token_hash})
    return owner


async def use_token(session: AsyncSession, token_hash: bytes) -> UsedToken | None:
    """Use a token up, or the newest in place of the one right before it; None where it is no good.

    Lock the owner before.
    """
    row = (await session.execute(USE_TOKEN, {"token_hash": token_hash})).one_or_none()
    if row is None:
        row = (await session.execute(USE_AGAIN, {"token_hash": token_hash, "leeway": LEEWAY})).one_or_none()
    return None if row is None else UsedToken(row.family_id, row.id)


async def end_family_of_used(session: AsyncSession, token_hash: bytes) -> bool:
    """End the family of a token that was used before; whether that ended anything. Lock the owner before."""
    return (await session.execute(END_FAMILY_OF_USED, {"token_hash": token_hash})).first() is not None


async def end_family(session: AsyncSession, token_hash: bytes) -> None:
    """End the family of a token, used or not. Lock the owner before."""
    await session.execute(END_FAMILY, {"token_hash": token_hash})


async def end_own(session: AsyncSession, user_id: UUID, session_id: UUID) -> bool:
    """End one of the user's sessions; False where it is not his or has ended."""
    await lock_user(session, user_id)
    return (await session.execute(END_OWN, {"id": session_id, "user_id": user_id})).first() is not None


async def end_all(session: AsyncSession, user_ids: Sequence[UUID], but: UUID | None = None) -> None:
    """Sign these users out everywhere, `but` for one session. They must be locked."""
    await session.execute(END_ALL, {"user_ids": list(user_ids), "but": but})


async def lock_user(session: AsyncSession, user_id: UUID) -> None:
    """Let what changes the sessions of one user take turns."""
    await session.execute(LOCK_USER, {"id": user_id})


async def list_own(session: AsyncSession, user_id: UUID) -> list[SessionRecord]:
    """The user's sessions that live, newest first."""
    values = {"user_id": user_id, "lifetime": REFRESH_TOKEN_LIFETIME, "most": MOST_LISTED}
    return [SessionRecord(*row) for row in await session.execute(LIST_OWN, values)]


async def know_only(session: AsyncSession, user_id: UUID, place: Place) -> None:
    """Forget all places that the user signed in from but this one: who knew the password is to be known no more."""
    await session.execute(FORGET_NETWORKS, {"user_id": user_id})
    await session.execute(KNOW_NETWORK, {"user_id": user_id, "network_hash": place.network_hash})


async def purge(session: AsyncSession) -> None:
    """Forget sessions that nobody can go on with, and networks that nobody came from for long."""
    await session.execute(PURGE_SESSIONS, {"lifetime": REFRESH_TOKEN_LIFETIME})
    await session.execute(PURGE_NETWORKS, {"known": NETWORK_KNOWN})
