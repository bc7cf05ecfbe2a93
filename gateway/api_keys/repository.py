"""The SQL of service accounts and API keys. Who manages whose keys is read anew each time, not from the token.

A token is up to ten minutes old, and a key outlives it: an owner who was put out must not leave one behind.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api_keys.domain import Secret
from gateway.api_keys.schemas import ApiKeyCreate
from ishop.auth import Principal

MANAGED: Final = """(
    a.vendor_id IN (SELECT vendor_id FROM vendors.memberships_v1 WHERE user_id = :caller AND role = 'owner')
    OR a.organization_id IN
        (SELECT organization_id FROM orders.memberships_v1 WHERE user_id = :caller AND role = 'approver')
    OR (a.vendor_id IS NULL AND a.organization_id IS NULL
        AND EXISTS (SELECT FROM identity.users WHERE id = :caller AND roles && ARRAY['office', 'admin'])))"""
"""Owners manage the keys of their vendor, approvers those of their organization, the office its own."""

SHOWN: Final = """
SELECT k.id, k.service_account_id, a.name, 'ishop_' || k.prefix AS prefix, a.vendor_id, a.organization_id, a.role,
       a.scopes, k.expires_at, k.revoked_at, k.last_used_at, k.created_by, k.created_at,
       CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked' WHEN k.expires_at <= now() THEN 'expired'
            WHEN k.replaced_at IS NOT NULL THEN 'replaced' ELSE 'live' END AS status
FROM identity.api_keys k JOIN identity.service_accounts a ON a.id = k.service_account_id"""

MANAGES = text(
    "SELECT u.confirmed_at IS NOT NULL FROM identity.users u, "  # noqa: S608 - made of constants of this file only
    "(SELECT CAST(:vendor_id AS uuid) AS vendor_id, CAST(:organization_id AS uuid) AS organization_id) a "
    f"WHERE u.id = :caller AND {MANAGED}"
)

# Two keys made at once must not both be the last that fits, so those who add one for the same owner take turns.
TAKE_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended('api keys of ' || CAST(:owner AS text), 0))")
COUNT_LIVE = text(
    "SELECT count(*) FROM identity.api_keys k JOIN identity.service_accounts a ON a.id = k.service_account_id "
    "WHERE a.vendor_id IS NOT DISTINCT FROM CAST(:vendor_id AS uuid) "
    "AND a.organization_id IS NOT DISTINCT FROM CAST(:organization_id AS uuid) "
    "AND k.revoked_at IS NULL AND k.replaced_at IS NULL AND k.expires_at > now()"
)

ADD = text("""
WITH account AS (
    INSERT INTO identity.service_accounts
        (name, vendor_id, organization_id, role, scopes, lifetime_days, created_by)
    VALUES (:name, :vendor_id, :organization_id, :role, :scopes, :lifetime_days, :caller)
    RETURNING id, lifetime_days)
INSERT INTO identity.api_keys (service_account_id, prefix, secret_hash, expires_at, created_by)
SELECT id, :prefix, :secret_hash, now() + make_interval(days => lifetime_days), :caller FROM account
RETURNING id""")

LIST = text(
    f"{SHOWN} WHERE {MANAGED} AND (CAST(:vendor_id AS uuid) IS NULL OR a.vendor_id = :vendor_id) "
    "AND (CAST(:organization_id AS uuid) IS NULL OR a.organization_id = :organization_id) "
    "AND (CAST(:behind AS uuid) IS NULL OR k.id < :behind) ORDER BY k.id DESC LIMIT :limit"
)

GET = text(f"{SHOWN} WHERE k.id = :id AND {MANAGED}")

REPLACE = text("""
WITH replaced AS (
    UPDATE identity.api_keys
    SET replaced_at = now(), expires_at = least(expires_at, now() + make_interval(hours => :overlap_hours))
    WHERE id = :id AND revoked_at IS NULL AND replaced_at IS NULL AND expires_at > now()
    RETURNING service_account_id)
INSERT INTO identity.api_keys (service_account_id, prefix, secret_hash, expires_at, created_by)
SELECT a.id, :prefix, :secret_hash, now() + make_interval(days => a.lifetime_days), :caller
FROM replaced JOIN identity.service_accounts a ON a.id = replaced.service_account_id
RETURNING id""")

REVOKE = text("UPDATE identity.api_keys SET revoked_at = now() WHERE id = :id AND revoked_at IS NULL")

USE: Final = """
WITH found AS (
    SELECT k.id, a.id AS account, a.vendor_id, a.organization_id, a.role, a.scopes, k.last_used_at
    FROM identity.api_keys k JOIN identity.service_accounts a ON a.id = k.service_account_id
    WHERE k.prefix = $1 AND k.secret_hash = $2 AND k.revoked_at IS NULL AND k.expires_at > now()),
used AS (
    UPDATE identity.api_keys k SET last_used_at = now() FROM found
    WHERE k.id = found.id AND coalesce(found.last_used_at < now() - interval '1 minute', true))
SELECT account, vendor_id, organization_id, role, scopes FROM found"""
"""Whose key it is, for asyncpg; notes the use at most once a minute."""


async def is_confirmed_manager(session: AsyncSession, caller: Principal, body: ApiKeyCreate) -> bool | None:
    """Whether the caller, who manages the keys of this owner, has a confirmed address; None where he does not."""
    owner = {"vendor_id": body.vendor_id, "organization_id": body.organization_id}
    confirmed: bool | None = await session.scalar(MANAGES, {**owner, "caller": caller.id})
    return confirmed


async def count_live(session: AsyncSession, body: ApiKeyCreate) -> int:
    """How many live keys the owner has; nobody else adds one until the transaction ends."""
    owner = {"vendor_id": body.vendor_id, "organization_id": body.organization_id}
    await session.execute(TAKE_TURN, {"owner": str(body.vendor_id or body.organization_id or "the office")})
    live: int = (await session.execute(COUNT_LIVE, owner)).scalar_one()
    return live


async def add(session: AsyncSession, caller: Principal, body: ApiKeyCreate, role: str, secret: Secret) -> UUID:
    """A new service account with one key, by the id of the key."""
    values: dict[str, Any] = {
        "name": body.name,
        "vendor_id": body.vendor_id,
        "organization_id": body.organization_id,
        "role": role,
        "scopes": sorted(set(body.scopes)),
        "lifetime_days": body.expires_in_days,
        "caller": caller.id,
        "prefix": secret.prefix,
        "secret_hash": secret.hash,
    }
    added: UUID = (await session.execute(ADD, values)).scalar_one()
    return added


async def list_managed(
    session: AsyncSession,
    caller: Principal,
    *,
    vendor_id: UUID | None,
    organization_id: UUID | None,
    behind: UUID | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Up to `limit` keys that the caller manages, the newest first."""
    values = {
        "caller": caller.id,
        "vendor_id": vendor_id,
        "organization_id": organization_id,
        "behind": behind,
        "limit": limit,
    }
    return (await session.execute(LIST, values)).mappings().all()


async def get(session: AsyncSession, caller: Principal, api_key_id: UUID) -> RowMapping | None:
    """A key that the caller manages."""
    return (await session.execute(GET, {"id": api_key_id, "caller": caller.id})).mappings().one_or_none()


async def replace(
    session: AsyncSession, caller: Principal, api_key_id: UUID, overlap_hours: int, secret: Secret
) -> UUID | None:
    """The id of the key that takes the place of this one; None where this one has ended or was replaced before."""
    values = {
        "id": api_key_id,
        "overlap_hours": overlap_hours,
        "caller": caller.id,
        "prefix": secret.prefix,
        "secret_hash": secret.hash,
    }
    added: UUID | None = await session.scalar(REPLACE, values)
    return added


async def revoke(session: AsyncSession, api_key_id: UUID) -> None:
    """End a key now; again does nothing."""
    await session.execute(REVOKE, {"id": api_key_id})
