"""What routes of identity need besides the database."""

from typing import Annotated

from fastapi import Depends, Request

from gateway.identity.passwords import Passwords
from gateway.rate_limits import SIGN_IN_PER_EMAIL, RateLimits
from ishop.auth import Signer
from ishop.errors import UnsupportedMediaType

FORM = "application/x-www-form-urlencoded"


async def _passwords(request: Request) -> Passwords:
    passwords: Passwords = request.app.state.passwords
    return passwords


async def _signer(request: Request) -> Signer:
    signer: Signer = request.app.state.signer
    return signer


async def form_only(request: Request) -> None:
    """Refuse a body that is no form with 415."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise UnsupportedMediaType(expected=FORM)


def count_attempt(request: Request, email: str | None) -> None:
    """Slow down who tries one address from many places."""
    limits: RateLimits | None = request.app.state.limits
    if limits is None or email is None:
        return
    quota = limits.count(SIGN_IN_PER_EMAIL, email)
    if quota.exceeded:
        raise quota.refusal()


PasswordsPart = Annotated[Passwords, Depends(_passwords)]
SignerPart = Annotated[Signer, Depends(_signer)]
