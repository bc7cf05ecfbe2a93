"""Signing in and staying signed in."""

from uuid import UUID

import structlog

from gateway.identity.accounts.repository import Account, get_account
from gateway.identity.passwords import Passwords
from gateway.identity.secret_tokens import hash_of, new_secret
from gateway.identity.sessions import repository
from gateway.identity.sessions.errors import InvalidCredentials
from gateway.identity.sessions.repository import Candidates
from gateway.identity.sessions.schemas import TokenRead
from ishop.auth import ACCESS_TOKEN_SECONDS, Principal, Signer
from ishop.routing import Session

log = structlog.get_logger(__name__)


async def sign_in(
    passwords: Passwords, signer: Signer, session: Session, email: str | None, password: str
) -> TokenRead:
    """Tokens for the owner of this address and password; raises InvalidCredentials, always after the same time.

    `email` is None for what cannot be an address. Two hashes are always made, so that the time tells neither whether
    the address has an account nor whether one has confirmed it.
    """
    found = Candidates() if email is None else await repository.get_candidates(session, email)
    candidates = (found.confirmed, found.unconfirmed)
    right = [await passwords.verify(password, one.password_hash if one else None) for one in candidates]
    user_id = next((one.user_id for one, matches in zip(candidates, right, strict=True) if one and matches), None)
    account = None if user_id is None else await get_account(session, user_id)
    if account is None or account.superseded:
        raise InvalidCredentials
    log.info("signed in", principal=str(account.id))
    return await _issue(signer, session, account, None)


async def refresh(signer: Signer, session: Session, token: str) -> TokenRead | None:
    """Tokens in exchange for a refresh token; None where it is no good.

    A token used before has been stolen from its owner or by its owner's thief, so the whole family ends. That is why
    refusing is a result and not an exception: an exception would roll the end of the family back.
    """
    token_hash = hash_of(token)
    owner = await repository.lock_owner(session, token_hash)
    if owner is None:
        return None
    family = await repository.use_token(session, token_hash)
    account = await get_account(session, owner) if family is not None else None
    if account is None:
        if await repository.end_family_of_used(session, token_hash):
            log.warning("a used refresh token came again, its family is ended", principal=str(owner))
        return None
    return await _issue(signer, session, account, family)


async def _issue(signer: Signer, session: Session, account: Account, family: UUID | None) -> TokenRead:
    token = new_secret()
    await repository.add_token(session, account.id, hash_of(token), family)
    principal = Principal(
        id=account.id,
        roles=frozenset(account.roles),
        vendors={membership.id: membership.role for membership in account.vendors},
        organizations={membership.id: membership.role for membership in account.organizations},
        confirmed=account.confirmed,
    )
    return TokenRead(
        access_token=signer.sign(principal),
        token_type="bearer",  # noqa: S106 - the kind of token, not a token
        expires_in=ACCESS_TOKEN_SECONDS,
        refresh_token=token,
    )
