"""Another password."""

from gateway.identity.accounts.errors import InvalidToken
from gateway.identity.recovery import service
from gateway.identity.recovery.errors import WrongPassword
from gateway.identity.recovery.schemas import PasswordChange, Reset, ResetRequest
from gateway.identity.sessions.dependencies import CallerPlace, SigningInParts
from ishop import problems
from ishop.auth import Caller
from ishop.errors import Unauthenticated
from ishop.routing import Session, service_router

router = service_router(tags=["identity"])


@router.post("/v1/auth/password/reset", status_code=202)
async def request_password_reset(session: Session, body: ResetRequest) -> None:
    """Have a mail sent with a token to choose a new password.

    The answer and its time are the same whether or not the address has an account. A token works once, for one hour;
    five mails an hour at most go to one address.
    """
    await service.request_reset(session, body.email)


@router.post("/v1/auth/password/reset/confirm", status_code=204, responses=problems.responses(InvalidToken))
async def reset_password(parts: SigningInParts, place: CallerPlace, session: Session, body: Reset) -> None:
    """Choose a new password with the token of the mail.

    All sessions end, and the address is confirmed. A refused password leaves the token as it was.
    """
    await service.reset(parts, session, body, place)


@router.post("/v1/me/password", status_code=204, responses=problems.responses(Unauthenticated, WrongPassword))
async def change_password(
    caller: Caller, parts: SigningInParts, place: CallerPlace, session: Session, body: PasswordChange
) -> None:
    """Change your password; all your other sessions end."""
    await service.change(parts, session, caller, body, place)
