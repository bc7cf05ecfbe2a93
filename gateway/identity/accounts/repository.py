"""Users in the database, with the memberships that vendors and orders publish, and the tokens that mails carry."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Column, Table, func, select, text
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.elements import ColumnElement

from gateway.identity.accounts.models import User
from gateway.identity.accounts.schemas import OrganizationMembership, VendorMembership
from ishop.contracts import orders, vendors
from ishop.errors import Language

Purpose = Literal["confirmation", "reset"]

ADD_TOKEN = text(
    "INSERT INTO identity.one_time_tokens (token_hash, user_id, purpose, expires_at) "
    "VALUES (:token_hash, :user_id, :purpose, now() + :lifetime)"
)

# All accounts with the address of the token's owner, always in the same order: whoever confirms the address, by
# whichever account, waits here for the others, and what follows sees what they did.
LOCK_NAMESAKES = text(
    "SELECT u.id FROM identity.users u WHERE u.email = ("
    "SELECT o.email FROM identity.one_time_tokens t JOIN identity.users o ON o.id = t.user_id "
    "WHERE t.token_hash = :token_hash) ORDER BY u.id FOR UPDATE"
)

USE_TOKEN = text(
    "DELETE FROM identity.one_time_tokens "
    "WHERE token_hash = :token_hash AND purpose = :purpose AND expires_at > now() RETURNING user_id"
)

# Two statements of one: an account that has the address for good already keeps it, and is confirmed again in vain.
CONFIRM = text(
    "UPDATE identity.users u SET confirmed_at = coalesce(u.confirmed_at, now()) "
    "WHERE u.id = :id AND u.superseded_at IS NULL AND NOT EXISTS ("
    "SELECT FROM identity.users o WHERE o.email = u.email AND o.id <> u.id AND o.confirmed_at IS NOT NULL) "
    "RETURNING u.id"
)

SUPERSEDE_NAMESAKES = text(
    "WITH superseded AS ("
    " UPDATE identity.users o SET superseded_at = now() FROM identity.users u "
    " WHERE u.id = :id AND o.email = u.email AND o.id <> u.id AND o.confirmed_at IS NULL AND o.superseded_at IS NULL "
    " RETURNING o.id"
    "), forgotten AS ("
    " DELETE FROM identity.one_time_tokens t USING superseded s WHERE t.user_id = s.id"
    ") SELECT id FROM superseded"
)

SET_PASSWORD = text("UPDATE identity.users SET password_hash = :password_hash WHERE id = :id")
FORGET_TOKENS = text("DELETE FROM identity.one_time_tokens WHERE user_id = :user_id")


@dataclass(frozen=True, slots=True)
class Account:
    """A user with everything it may act for."""

    id: UUID
    email: str
    name: str
    locale: Language
    given_roles: Sequence[str]
    confirmed: bool
    superseded: bool
    vendors: list[VendorMembership]
    organizations: list[OrganizationMembership]

    @property
    def roles(self) -> list[str]:
        """Everybody buys; members of vendors and organizations act for them; the office gives the rest."""
        acting = ["vendor"] * bool(self.vendors) + ["organization"] * bool(self.organizations)
        return ["consumer", *acting, *sorted(self.given_roles, reverse=True)]


async def get_account(session: AsyncSession, user_id: UUID) -> Account | None:
    """A user as it is now, in one statement."""
    vendor, organization = vendors.memberships, orders.memberships
    statement = select(
        User.id,
        User.email,
        User.name,
        User.locale,
        User.roles,
        User.confirmed_at.is_not(None).label("confirmed"),
        User.superseded_at.is_not(None).label("superseded"),
        _memberships(vendor, vendor.c.vendor_id, vendor.c.vendor_name).label("vendors"),
        _memberships(organization, organization.c.organization_id, organization.c.organization_name).label(
            "organizations"
        ),
    ).where(User.id == user_id)
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return None
    return Account(
        id=row.id,
        email=row.email,
        name=row.name,
        locale=row.locale,
        given_roles=row.roles,
        confirmed=row.confirmed,
        superseded=row.superseded,
        vendors=[VendorMembership(**entry) for entry in row.vendors or ()],
        organizations=[OrganizationMembership(**entry) for entry in row.organizations or ()],
    )


async def add_one_time_token(
    session: AsyncSession, user_id: UUID, purpose: Purpose, token_hash: bytes, lifetime: timedelta
) -> None:
    """Store a token that goes out by mail, by its hash."""
    values = {"token_hash": token_hash, "user_id": user_id, "purpose": purpose, "lifetime": lifetime}
    await session.execute(ADD_TOKEN, values)


async def use_one_time_token(session: AsyncSession, token_hash: bytes, purpose: Purpose) -> UUID | None:
    """Use a token up and return whose it is; None where it is unknown, used or expired.

    Locks all accounts with that address, so that one of them at a time can be given it.
    """
    await session.execute(LOCK_NAMESAKES, {"token_hash": token_hash})
    owner: UUID | None = await session.scalar(USE_TOKEN, {"token_hash": token_hash, "purpose": purpose})
    return owner


async def confirm(session: AsyncSession, user_id: UUID) -> list[UUID] | None:
    """Give an account its address for good; the accounts that lost it. None where another account has it.

    The accounts with that address must be locked.
    """
    if await session.scalar(CONFIRM, {"id": user_id}) is None:
        return None
    return list((await session.scalars(SUPERSEDE_NAMESAKES, {"id": user_id})).all())


async def set_password(session: AsyncSession, user_id: UUID, password_hash: str) -> None:
    """Replace a password; what was mailed before to choose one is worth nothing any more."""
    await session.execute(SET_PASSWORD, {"id": user_id, "password_hash": password_hash})
    await session.execute(FORGET_TOKENS, {"user_id": user_id})


def _memberships(table: Table, member_of: Column[Any], name: Column[Any]) -> ColumnElement[Any]:
    entry = func.jsonb_build_object("id", member_of, "name", name, "role", table.c.role)
    collected = func.jsonb_agg(aggregate_order_by(entry, name, member_of), type_=JSONB)
    return select(collected).where(table.c.user_id == User.id).correlate(User).scalar_subquery()
