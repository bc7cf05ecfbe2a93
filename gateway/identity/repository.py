"""Users and refresh tokens in the database, and the memberships that vendors and orders publish."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Table, func, select, text
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.elements import ColumnElement

from gateway.identity.models import User
from gateway.identity.schemas import OrganizationMembership, VendorMembership
from ishop.contracts import orders, vendors
from ishop.errors import Language

REFRESH_TOKEN_LIFETIME = timedelta(days=30)

ADD_USER = text(
    "INSERT INTO identity.users (email, name, password_hash, locale) VALUES (:email, :name, :password_hash, :locale) "
    "ON CONFLICT ON CONSTRAINT uq_users_email DO NOTHING RETURNING id"
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


@dataclass(frozen=True, slots=True)
class Account:
    """A user with everything it may act for."""

    id: UUID
    email: str
    name: str
    given_roles: Sequence[str]
    confirmed: bool
    vendors: list[VendorMembership]
    organizations: list[OrganizationMembership]

    @property
    def roles(self) -> list[str]:
        """Everybody buys; members of vendors and organizations act for them; the office gives the rest."""
        acting = ["vendor"] * bool(self.vendors) + ["organization"] * bool(self.organizations)
        return ["consumer", *acting, *sorted(self.given_roles, reverse=True)]


async def add_user(
    session: AsyncSession, *, email: str, name: str, password_hash: str, locale: Language
) -> UUID | None:
    """The id of the new user; None where the e-mail address is taken."""
    values = {"email": email, "name": name, "password_hash": password_hash, "locale": locale}
    added: UUID | None = await session.scalar(ADD_USER, values)
    return added


async def get_credentials(session: AsyncSession, email: str) -> tuple[UUID, str] | None:
    """Id and password hash of a user; None where nobody has this address.

    Gives the connection back at once: checking a password takes long, and whoever waits for a turn must not keep a
    connection from the others.
    """
    row = (await session.execute(select(User.id, User.password_hash).where(User.email == email))).one_or_none()
    await session.rollback()
    return None if row is None else (row.id, row.password_hash)


async def get_account(session: AsyncSession, user_id: UUID) -> Account | None:
    """A user as it is now, in one statement."""
    vendor, organization = vendors.memberships, orders.memberships
    statement = select(
        User.id,
        User.email,
        User.name,
        User.roles,
        User.confirmed_at.is_not(None).label("confirmed"),
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
        given_roles=row.roles,
        confirmed=row.confirmed,
        vendors=[VendorMembership(**entry) for entry in row.vendors or ()],
        organizations=[OrganizationMembership(**entry) for entry in row.organizations or ()],
    )


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


def _memberships(table: Table, member_of: Column[Any], name: Column[Any]) -> ColumnElement[Any]:
    entry = func.jsonb_build_object("id", member_of, "name", name, "role", table.c.role)
    collected = func.jsonb_agg(aggregate_order_by(entry, name, member_of), type_=JSONB)
    return select(collected).where(table.c.user_id == User.id).correlate(User).scalar_subquery()
