"""Accounts of the office and of administrators. No route makes them: the first ones are made by the operator.

Every function is one transaction on `database`, which signs in as the gateway.
"""

import structlog
from pydantic import SecretStr, ValidationError

from gateway.identity.accounts import repository as accounts
from gateway.identity.passwords import Passwords
from gateway.identity.registration import repository as registration
from gateway.identity.registration.schemas import Registration
from gateway.identity.sessions import repository as sessions
from gateway.identity.staff import repository
from gateway.identity.staff.errors import AccountExists, NoSuchAccount, NotAcceptable
from gateway.identity.staff.repository import StaffMember
from ishop.auth import StaffRole
from ishop.database import Database

log = structlog.get_logger(__name__)


async def create(database: Database, email: str, name: str, password: SecretStr) -> None:
    """An account that is confirmed from the start, since the operator vouches for the address.

    Raises NotAcceptable for what registering would refuse, AccountExists where somebody has confirmed the address.
    Accounts that others made with the address, without confirming it, end.
    """
    try:
        wanted = Registration(email=email, name=name, password=password)
    except ValidationError as error:
        raise NotAcceptable("\n".join(f"{found['loc'][0]}: {found['msg']}" for found in error.errors())) from None
    password_hash = await Passwords().hash(wanted.password.get_secret_value())
    async with database.writing() as session:
        await repository.lock_namesakes(session, wanted.email)
        made = await registration.add_user(
            session, email=wanted.email, name=wanted.name, password_hash=password_hash, locale="id"
        )
        superseded = await accounts.confirm(session, made)
        if superseded is None:
            raise AccountExists(wanted.email)
        await sessions.end_all(session, superseded)
        await session.commit()
    log.info("account created by the operator", principal=str(made))


async def grant(database: Database, email: str, role: StaffRole) -> None:
    """Give a role; it is in the next access token of its owner. Raises NoSuchAccount."""
    async with database.writing() as session:
        changed = await repository.give_role(session, email.lower(), role)
        await session.commit()
    if changed is None:
        raise NoSuchAccount(email)
    log.info("role granted by the operator", principal=str(changed), role=role)


async def revoke(database: Database, email: str, role: StaffRole) -> None:
    """Take a role away and sign its owner out; access tokens live on for ten minutes. Raises NoSuchAccount."""
    async with database.writing() as session:
        changed = await repository.take_role(session, email.lower(), role)
        if changed is not None:
            await sessions.end_all(session, [changed])
        await session.commit()
    if changed is None:
        raise NoSuchAccount(email)
    log.info("role revoked by the operator", principal=str(changed), role=role)


async def list_staff(database: Database) -> list[StaffMember]:
    """Everybody who has a role."""
    async with database.reading() as session:
        return await repository.list_staff(session)
