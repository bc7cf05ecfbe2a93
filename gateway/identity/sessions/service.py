"""Signing in, staying signed in, and ending it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from gateway.identity.accounts.repository import Account, get_account
from gateway.identity.passwords import Passwords
from gateway.identity.secret_tokens import hash_of, new_secret
from gateway.identity.sessions import repository
from gateway.identity.sessions.domain import Place
from gateway.identity.sessions.errors import InvalidCredentials
from gateway.identity.sessions.guessing import Guessing
from gateway.identity.sessions.repository import Candidates, Credential, UsedToken
from gateway.identity.sessions.schemas import SessionRead, TokenRead
from gateway.signing_keys.ring import KeyRing
from ishop.auth import ACCESS_TOKEN_SECONDS, Principal
from ishop.errors import NotFound
from ishop.routing import Session

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SigningIn:
    """What signing in needs besides the database."""

    passwords: Passwords
    signer: KeyRing
    guessing: Guessing


async def sign_in(parts: SigningIn, session: Session, email: str | None, password: str, place: Place) -> TokenRead:
    """Tokens for the owner of this address and password; raises InvalidCredentials, always after the same time.

    `email` is None for what cannot be an address. Two hashes are always made, so that the time tells neither whether
    the address has an account nor whether one has confirmed it. Raises TooManyRequests for who guesses.
    """
    refusal = await parts.guessing.count(email or "", place.network)
    found = Candidates() if email is None else await repository.get_candidates(session, email, place)
    candidates: Sequence[Credential | None] = (found.confirmed, found.unconfirmed)
    if refusal is not None:
        candidates = [one if one and one.network_is_known else None for one in candidates]
        if not any(candidates):
            raise refusal
    right = [await parts.passwords.verify(password, one.password_hash if one else None) for one in candidates]
    proven = next((one for one, matches in zip(candidates, right, strict=True) if one and matches), None)
    if proven is None or not await repository.lock_credential(session, proven):
        raise InvalidCredentials
    account = await get_account(session, proven.user_id)
    if account is None:
        raise InvalidCredentials
    await parts.guessing.forget(email or "", place.network)
    log.info("signed in", principal=str(account.id))
    return await _issue(parts.signer, session, account, place, None)


async def refresh(signer: KeyRing, session: Session, token: str, place: Place) -> TokenRead | None:
    """Tokens in exchange for a refresh token; None where it is no good.

    A token used before has been stolen from its owner or by its owner's thief, so the whole family ends. That is why
    refusing is a result and not an exception: an exception would roll the end of the family back. Only right after
    its use it is taken again, from a client that lost the answer.
    """
    token_hash = hash_of(token)
    owner = await repository.lock_owner(session, token_hash)
    if owner is None:
        return None
    used = await repository.use_token(session, token_hash)
    account = await get_account(session, owner) if used is not None else None
    if account is None:
        if await repository.end_family_of_used(session, token_hash):
            log.warning("a used refresh token came again, its family is ended", principal=str(owner))
        return None
    return await _issue(signer, session, account, place, used)


async def revoke(session: Session, token: str) -> None:
    """End the session that a refresh token belongs to, whatever state the token is in."""
    token_hash = hash_of(token)
    if await repository.lock_owner(session, token_hash) is not None:
        await repository.end_family(session, token_hash)


async def list_own(session: Session, caller: Principal) -> list[SessionRead]:
    """The caller's sessions, newest first; the one that the access token belongs to is marked."""
    return [
        SessionRead(
            id=one.id,
            current=one.id == caller.session,
            network=one.network,
            user_agent=one.user_agent,
            created_at=one.created_at,
            last_used_at=one.last_used_at,
        )
        for one in await repository.list_own(session, caller.id)
    ]


async def end_own(session: Session, caller: Principal, session_id: UUID) -> None:
    """End one of the caller's sessions; raises NotFound."""
    if not await repository.end_own(session, caller.id, session_id):
        raise NotFound


async def end_others(session: Session, caller: Principal) -> None:
    """End all of the caller's sessions but the one that the access token belongs to."""
    await repository.lock_user(session, caller.id)
    await repository.end_all(session, [caller.id], but=caller.session)


async def _issue(
    signer: KeyRing, session: Session, account: Account, place: Place, after: UsedToken | None
) -> TokenRead:
    token = new_secret()
    family_id = await repository.add_token(session, account.id, hash_of(token), place, after)
    principal = Principal(
        id=account.id,
        roles=frozenset(account.roles),
        vendors={membership.id: membership.role for membership in account.vendors},
        organizations={membership.id: membership.role for membership in account.organizations},
        confirmed=account.confirmed,
        session=family_id,
    )
    return TokenRead(
        access_token=await signer.sign(principal),
        token_type="bearer",  # noqa: S106 - the kind of token, not a token
        expires_in=ACCESS_TOKEN_SECONDS,
        refresh_token=token,
    )
