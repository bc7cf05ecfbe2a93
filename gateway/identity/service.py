"""Registering, signing in and staying signed in."""

import hashlib
import secrets
from dataclasses import dataclass
from uuid import UUID

import structlog

from gateway.identity import repository
from gateway.identity.errors import EmailTaken, InvalidCredentials
from gateway.identity.passwords import Passwords
from gateway.identity.repository import Account
from gateway.identity.schemas import Registration, TokenRead, UserRead
from ishop.auth import ACCESS_TOKEN_SECONDS, Principal, Signer
from ishop.errors import Language, Unauthenticated
from ishop.routing import Session

log = structlog.get_logger(__name__)

REFRESH_TOKEN_BYTES = 32


@dataclass(frozen=True)
class Identity:
    """What signing in needs besides the database."""

    passwords: Passwords
    signer: Signer


async def register(identity: Identity, session: Session, registration: Registration, language: Language) -> UserRead:
    """A new user; raises EmailTaken."""
    # Hashing comes first, before a connection is taken, and whether or not the address is taken: it takes long.
    password_hash = await identity.passwords.hash(registration.password.get_secret_value())
    user_id = await repository.add_user(
        session, email=registration.email, name=registration.name, password_hash=password_hash, locale=language
    )
    if user_id is None:
        raise EmailTaken
    log.info("registered", principal=str(user_id))
    return await get_user(session, user_id)


async def sign_in(identity: Identity, session: Session, email: str | None, password: str) -> TokenRead:
    """Tokens for the owner of this address and password; raises InvalidCredentials, always after the same time.

    `email` is None for what cannot be an address.
    """
    found = None if email is None else await repository.get_credentials(session, email)
    if not await identity.passwords.verify(password, found[1] if found else None) or found is None:
        raise InvalidCredentials
    account = await repository.get_account(session, found[0])
    if account is None:
        raise InvalidCredentials
    log.info("signed in", principal=str(account.id))
    return await _issue(identity, session, account, None)


async def refresh(identity: Identity, session: Session, token: str) -> TokenRead | None:
    """Tokens in exchange for a refresh token; None where it is no good.

    A token used before has been stolen from its owner or by its owner's thief, so the whole family ends. That is why
    refusing is a result and not an exception: an exception would roll the end of the family back.
    """
    token_hash = _hash(token)
    owner = await repository.lock_owner(session, token_hash)
    if owner is None:
        return None
    family = await repository.use_token(session, token_hash)
    account = await repository.get_account(session, owner) if family is not None else None
    if account is None:
        if await repository.end_family_of_used(session, token_hash):
            log.warning("a used refresh token came again, its family is ended", principal=str(owner))
        return None
    return await _issue(identity, session, account, family)


async def get_user(session: Session, user_id: UUID) -> UserRead:
    """A user as it is now; raises Unauthenticated for one that is gone while its token still lives."""
    account = await repository.get_account(session, user_id)
    if account is None:
        raise Unauthenticated
    return UserRead(
        id=account.id,
        email=account.email,
        name=account.name,
        roles=account.roles,
        vendors=account.vendors,
        organizations=account.organizations,
    )


async def _issue(identity: Identity, session: Session, account: Account, family: UUID | None) -> TokenRead:
    token = secrets.token_urlsafe(REFRESH_TOKEN_BYTES)
    await repository.add_token(session, account.id, _hash(token), family)
    principal = Principal(
        id=account.id,
        roles=frozenset(account.roles),
        vendors={membership.id: membership.role for membership in account.vendors},
        organizations={membership.id: membership.role for membership in account.organizations},
        confirmed=account.confirmed,
    )
    return TokenRead(
        access_token=identity.signer.sign(principal),
        token_type="bearer",  # noqa: S106 - the kind of token, not a token
        expires_in=ACCESS_TOKEN_SECONDS,
        refresh_token=token,
    )


def _hash(token: str) -> bytes:
    """A plain hash will do: what is hashed is 256 random bits, which nobody can guess."""
    return hashlib.sha256(token.encode()).digest()
