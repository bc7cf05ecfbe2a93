"""The SQL of grants: written once, read by the office and by the vendor's owners."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from ishop.auth import Principal
from ishop.context import request_id

SHOWN: Final = (
    "g.id, g.vendor_id, v.name AS vendor_name, g.officer_id, u.name AS officer_name, g.reason, "
    "g.created_at, g.expires_at"
)

# The office may have put the caller out since his token was made.
ADD = text(f"""
WITH g AS (
    INSERT INTO identity.acting_grants (officer_id, vendor_id, reason, request_id, expires_at)
    SELECT u.id, v.id, :reason, :request_id, now() + :lifetime
    FROM identity.users u CROSS JOIN vendors.vendors_v1 v
    WHERE u.id = :caller AND u.roles && ARRAY['office', 'admin'] AND v.id = :vendor_id
    RETURNING *)
SELECT {SHOWN} FROM g JOIN vendors.vendors_v1 v ON v.id = g.vendor_id JOIN identity.users u ON u.id = g.officer_id
""")  # noqa: S608 - made of constants of this file only

LIST = text(f"""
SELECT {SHOWN} FROM identity.acting_grants g
JOIN vendors.vendors_v1 v ON v.id = g.vendor_id LEFT JOIN identity.users u ON u.id = g.officer_id
WHERE (:is_office OR g.vendor_id IN
        (SELECT vendor_id FROM vendors.memberships_v1 WHERE user_id = :caller AND role = 'owner'))
    AND (CAST(:vendor_id AS uuid) IS NULL OR g.vendor_id = :vendor_id)
    AND (CAST(:behind AS uuid) IS NULL OR g.id < :behind)
ORDER BY g.id DESC LIMIT :limit
""")  # noqa: S608 - made of constants of this file only


async def add(
    session: AsyncSession, caller: Principal, vendor_id: UUID, reason: str, lifetime: timedelta
) -> RowMapping | None:
    """Record a grant; None where there is no such vendor, or the caller acts for the office no more."""
    values = {
        "caller": caller.id,
        "vendor_id": vendor_id,
        "reason": reason,
        "request_id": request_id.get(),
        "lifetime": lifetime,
    }
    return (await session.execute(ADD, values)).mappings().one_or_none()


async def list_visible(
    session: AsyncSession, caller: Principal, *, vendor_id: UUID | None, behind: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """Up to `limit` grants, the newest first: all for the office, those of their vendors for owners."""
    values = {
        "is_office": caller.is_office,
        "caller": caller.id,
        "vendor_id": vendor_id,
        "behind": behind,
        "limit": limit,
    }
    return (await session.execute(LIST, values)).mappings().all()
