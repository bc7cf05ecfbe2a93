"""Another password: by a mail to the address, or by the current one."""

from datetime import timedelta
from typing import Final

import structlog

from gateway.identity.accounts import repository as accounts
from gateway.identity.accounts.domain import SENTENCES, weakness
from gateway.identity.accounts.errors import InvalidToken
from gateway.identity.mails import service as mails
from gateway.identity.mails.domain import RESET as WORDING
from gateway.identity.mails.domain import Mail, link
from gateway.identity.mails.repository import MailRequested
from gateway.identity.recovery import repository
from gateway.identity.recovery.errors import WrongPassword
from gateway.identity.recovery.schemas import PasswordChange, Reset
from gateway.identity.secret_tokens import hash_of, new_secret
from gateway.identity.sessions import repository as sessions
from gateway.identity.sessions.domain import Place
from gateway.identity.sessions.service import SigningIn
from ishop.auth import Principal
from ishop.errors import InvalidRequest, Unauthenticated
from ishop.routing import Session

log = structlog.get_logger(__name__)

RESET: Final = "reset"
"""The kind of mail; it has no subject but the address."""

TOKEN_LIFETIME: Final = timedelta(hours=1)


async def request_reset(session: Session, email: str) -> None:
    """Have a mail sent. Nothing is looked up here, so that the time does not tell whether there is an account."""
    await mails.request(session, RESET, email)


async def write_mail(session: Session, wanted: MailRequested, public_url: str) -> Mail | None:
    """The mail with a token for the owner of the address; none where it is nobody's."""
    owner = await repository.get_owner(session, wanted.email)
    if owner is None:
        return None
    token = new_secret()
    await accounts.add_one_time_token(session, owner.id, "reset", hash_of(token), TOKEN_LIFETIME)
    return WORDING[owner.locale].mail(owner.email, name=owner.name, link=link(public_url, "reset-password", token))


async def reset(parts: SigningIn, session: Session, body: Reset, place: Place) -> None:
    """Choose a password with the token of a mail. Raises InvalidToken, or InvalidRequest for a weak password.

    Whoever has the token reads the mails of the address, so that it is confirmed, too. Whoever knew the old password
    is signed out, and the networks that he came from are forgotten: only this one is known from now on.
    """
    password = body.password.get_secret_value()
    password_hash = await parts.passwords.hash(password)
    owner = await accounts.use_one_time_token(session, hash_of(body.token.get_secret_value()), "reset")
    credential = None if owner is None else await repository.get_credential(session, owner)
    if owner is None or credential is None:
        raise InvalidToken
    email, _ = credential
    _refuse_weak(password, email, "password")
    losers = await accounts.confirm(session, owner)
    if losers is None:
        raise InvalidToken
    await accounts.set_password(session, owner, password_hash)
    await sessions.end_all(session, [owner, *losers])
    await sessions.know_only(session, owner, place)
    await parts.guessing.forget(email, place.network)
    log.info("password reset", principal=str(owner))


async def change(parts: SigningIn, session: Session, caller: Principal, body: PasswordChange, place: Place) -> None:
    """Choose a password in place of the current one, and end all other sessions.

    Raises WrongPassword, InvalidRequest for a weak one, and TooManyRequests for who guesses with a stolen token.
    """
    refusal = await parts.guessing.count(f"change/{caller.id}", place.network)
    if refusal is not None:
        raise refusal
    # The account stays locked while hashes are made, so that of two changes at once the second sees the first.
    await sessions.lock_user(session, caller.id)
    credential = await repository.get_credential(session, caller.id)
    if credential is None:
        raise Unauthenticated
    email, stored = credential
    if not await parts.passwords.verify(body.current_password.get_secret_value(), stored):
        raise WrongPassword
    password = body.new_password.get_secret_value()
    _refuse_weak(password, email, "new_password")
    await accounts.set_password(session, caller.id, await parts.passwords.hash(password))
    await sessions.end_all(session, [caller.id], but=caller.session)
    await sessions.know_only(session, caller.id, place)
    await parts.guessing.forget(f"change/{caller.id}", place.network)
    log.info("password changed", principal=str(caller.id))


def _refuse_weak(password: str, email: str, field: str) -> None:
    code = weakness(password, email)
    if code is not None:
        raise InvalidRequest(errors=[{"pointer": f"/{field}", "in": "body", "code": code, "detail": SENTENCES[code]}])
