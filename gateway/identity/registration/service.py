"""Registering and confirming: an address is its owner's only once he has shown that he reads its mails.

Registering always makes a new account that can be used at once, so it tells nobody whether the address has one
already; the mail does, to whoever reads it.
"""

from datetime import timedelta
from typing import Final

import structlog

from gateway.identity.accounts import repository as accounts
from gateway.identity.accounts.errors import InvalidToken
from gateway.identity.accounts.schemas import UserRead
from gateway.identity.accounts.service import get_user
from gateway.identity.mails import service as mails
from gateway.identity.mails.domain import CONFIRM, HAS_ACCOUNT, Mail, link
from gateway.identity.mails.repository import MailRequested
from gateway.identity.passwords import Passwords
from gateway.identity.registration import repository
from gateway.identity.registration.schemas import Registration
from gateway.identity.secret_tokens import hash_of, new_secret
from gateway.identity.sessions import repository as sessions
from ishop.auth import Principal
from ishop.errors import Language
from ishop.routing import Session

log = structlog.get_logger(__name__)

CONFIRMATION: Final = "confirmation"
"""The kind of mail; its subject is the account."""

TOKEN_LIFETIME: Final = timedelta(days=3)


async def register(passwords: Passwords, session: Session, registration: Registration, language: Language) -> UserRead:
    """A new account, and a mail to its address."""
    # Hashing comes first, before a connection is taken: it takes long.
    password_hash = await passwords.hash(registration.password.get_secret_value())
    user_id = await repository.add_user(
        session, email=registration.email, name=registration.name, password_hash=password_hash, locale=language
    )
    await mails.request(session, CONFIRMATION, registration.email, user_id)
    log.info("registered", principal=str(user_id))
    return await get_user(session, user_id)


async def send_again(session: Session, caller: Principal) -> None:
    """Another mail with a token; its writer sends none to who is confirmed."""
    account = await get_user(session, caller.id)
    await mails.request(session, CONFIRMATION, account.email, caller.id)


async def confirm(session: Session, token: str) -> None:
    """Give the account of this token its address. Raises InvalidToken, also where another account was faster.

    All other accounts with the address end: whoever made them does not read its mails, or has this account now.
    """
    owner = await accounts.use_one_time_token(session, hash_of(token), "confirmation")
    losers = None if owner is None else await accounts.confirm(session, owner)
    if losers is None:
        raise InvalidToken
    await sessions.end_all(session, losers)
    log.info("address confirmed", principal=str(owner), ended=len(losers))


async def write_mail(session: Session, wanted: MailRequested, public_url: str) -> Mail | None:
    """The mail that confirms the address, or tells its owner that he has an account; none where nothing is open."""
    account = None if wanted.subject_id is None else await accounts.get_account(session, wanted.subject_id)
    if account is None or account.confirmed or account.superseded:
        return None
    owner = await repository.get_owner(session, account.email)
    if owner is not None:
        name, locale = owner
        return HAS_ACCOUNT[locale].mail(account.email, name=name, link=link(public_url, "forgot-password"))
    token = new_secret()
    await accounts.add_one_time_token(session, account.id, "confirmation", hash_of(token), TOKEN_LIFETIME)
    return CONFIRM[account.locale].mail(account.email, name=account.name, link=link(public_url, "confirm", token))
