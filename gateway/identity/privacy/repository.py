"""What the services hold of a person, and taking it away."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from ishop.context import request_id
from ishop.contracts import orders, vendors
from ishop.errors import Language

ORDERS_PER_PAGE: Final = 200
MOVEMENTS_PER_PAGE: Final = 1000
MOST_NAMED: Final = 100

ACCOUNT = text("SELECT locale, created_at, confirmed_at FROM identity.users WHERE id = :id")

_ORDERS, _MOVEMENTS = orders.person_orders, vendors.person_movements
ORDERS = (
    select(*(column for column in _ORDERS.c if column.key != "user_id"))
    .where(_ORDERS.c.user_id == bindparam("user_id"), _ORDERS.c.id > bindparam("behind"))
    .order_by(_ORDERS.c.id)
    .limit(ORDERS_PER_PAGE + 1)
)
MOVEMENTS = (
    select(*(column for column in _MOVEMENTS.c if column.key != "user_id"))
    .where(_MOVEMENTS.c.user_id == bindparam("user_id"), _MOVEMENTS.c.id > bindparam("behind"))
    .order_by(_MOVEMENTS.c.id)
    .limit(MOVEMENTS_PER_PAGE + 1)
)

LOCK = text("SELECT email, password_hash FROM identity.users WHERE id = :id FOR UPDATE")

# Two people in charge of one vendor who leave at once take turns here, so that the second sees that he is the last.
TAKE_TURNS = text("""
    SELECT pg_advisory_xact_lock(hashtextextended('identity.in_charge/' || place.id, 0)) FROM (
        SELECT v.vendor_id::text AS id FROM vendors.memberships_v1 v WHERE v.user_id = :id
        UNION ALL SELECT o.organization_id::text FROM orders.memberships_v1 o WHERE o.user_id = :id
        ORDER BY 1) place
""")

OPEN_ORDERS = text("SELECT order_id FROM orders.buyers_v1 WHERE user_id = :id AND open ORDER BY order_id LIMIT :most")

# Somebody whose account is gone is nobody, even while the services have not yet heard of it.
LAST_IN_CHARGE = text("""
    SELECT m.vendor_id AS id, m.vendor_name AS name FROM vendors.memberships_v1 m
    WHERE m.user_id = :id AND m.role = 'owner' AND NOT EXISTS (
        SELECT FROM vendors.memberships_v1 other JOIN identity.users u ON u.id = other.user_id
        WHERE other.vendor_id = m.vendor_id AND other.role = 'owner' AND other.user_id <> m.user_id)
    UNION ALL
    SELECT m.organization_id, m.organization_name FROM orders.memberships_v1 m
    WHERE m.user_id = :id AND NOT EXISTS (
        SELECT FROM orders.memberships_v1 other JOIN identity.users u ON u.id = other.user_id
        WHERE other.organization_id = m.organization_id AND other.user_id <> m.user_id
          AND (other.role = 'approver' OR m.role <> 'approver'))
    LIMIT :most
""")

DELETE = text("""
    WITH trail AS (
        INSERT INTO identity.deletions (user_id, registered_at, request_id)
        SELECT id, created_at, CAST(:request_id AS text) FROM identity.users WHERE id = :id
    ), tokens AS (
        DELETE FROM identity.refresh_tokens WHERE user_id = :id
    ), asked AS (
        DELETE FROM identity.mail_requests WHERE email = :email
    ), sent AS (
        DELETE FROM identity.mails WHERE recipient = :email
    )
    DELETE FROM identity.users WHERE id = :id
""")

DELETED_LATELY = text("SELECT user_id FROM identity.deletions WHERE deleted_at > now() - interval '90 days'")


@dataclass(frozen=True, slots=True)
class Particulars:
    """What an account has besides what its owner sees at every sign-in."""

    locale: Language
    registered_at: datetime
    confirmed_at: datetime | None


async def get_particulars(session: AsyncSession, user_id: UUID) -> Particulars | None:
    """Of one account; None where it is gone."""
    row = (await session.execute(ACCOUNT, {"id": user_id})).one_or_none()
    return None if row is None else Particulars(*row)


async def list_orders(session: AsyncSession, user_id: UUID, behind: UUID) -> Sequence[RowMapping]:
    """The person's orders behind this one, oldest first, one more than a page has."""
    return (await session.execute(ORDERS, {"user_id": user_id, "behind": behind})).mappings().all()


async def list_movements(session: AsyncSession, user_id: UUID, behind: int) -> Sequence[RowMapping]:
    """The changes of stock that the person made behind this one, oldest first, one more than a page has."""
    return (await session.execute(MOVEMENTS, {"user_id": user_id, "behind": behind})).mappings().all()


async def lock(session: AsyncSession, user_id: UUID) -> tuple[str, str] | None:
    """Address and password hash of an account that nobody else changes meanwhile; None where it is gone."""
    row = (await session.execute(LOCK, {"id": user_id})).one_or_none()
    return None if row is None else (row.email, row.password_hash)


async def open_orders(session: AsyncSession, user_id: UUID) -> Sequence[UUID]:
    """The person's own orders that are not final."""
    return (await session.scalars(OPEN_ORDERS, {"id": user_id, "most": MOST_NAMED})).all()


async def last_in_charge(session: AsyncSession, user_id: UUID) -> list[tuple[UUID, str]]:
    """Id and name of what would be left without anybody in charge. Holds off others who leave until the end."""
    await session.execute(TAKE_TURNS, {"id": user_id})
    return [(row.id, row.name) for row in await session.execute(LAST_IN_CHARGE, {"id": user_id, "most": MOST_NAMED})]


async def delete(session: AsyncSession, user_id: UUID, email: str) -> None:
    """Take an account away with all that hangs on it, and leave a trail without the person."""
    await session.execute(DELETE, {"id": user_id, "email": email, "request_id": request_id.get()})


async def deleted_lately(session: AsyncSession) -> Sequence[UUID]:
    """Accounts that were deleted in the last 90 days."""
    return (await session.scalars(DELETED_LATELY)).all()
