"""Registering, and confirming the address."""

from gateway.identity.accounts.errors import InvalidToken
from gateway.identity.accounts.schemas import UserRead
from gateway.identity.registration import service
from gateway.identity.registration.schemas import MailedToken, Registration
from gateway.identity.sessions.dependencies import SigningInParts
from ishop import problems
from ishop.auth import Caller
from ishop.errors import Unauthenticated
from ishop.routing import CallerLanguage, Session, service_router

router = service_router(tags=["identity"])


@router.post("/v1/auth/register", status_code=201, response_model=UserRead)
async def register(parts: SigningInParts, session: Session, language: CallerLanguage, body: Registration) -> UserRead:
    """Create an account for a person; it can be used at once.

    A mail to the address confirms it. The answer is the same where the address has an account already; the mail
    says so.
    """
    return await service.register(parts.passwords, session, body, language)


@router.post("/v1/auth/confirm", status_code=204, responses=problems.responses(InvalidToken))
async def confirm(session: Session, body: MailedToken) -> None:
    """Confirm the e-mail address of an account with the token of the mail.

    From then on the address is this account's: all others that were registered with it end. Refresh the tokens
    afterwards: the access token states whether the address is confirmed.
    """
    await service.confirm(session, body.token.get_secret_value())


@router.post("/v1/auth/confirm/resend", status_code=202, responses=problems.responses(Unauthenticated))
async def resend(caller: Caller, session: Session) -> None:
    """Have the mail that confirms the address sent again, five times an hour at most."""
    await service.send_again(session, caller)
