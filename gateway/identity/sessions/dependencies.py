"""What routes of identity need besides the database."""

from typing import Annotated

from fastapi import Depends, Request

from gateway.identity.sessions.domain import Place
from gateway.identity.sessions.service import SigningIn
from ishop.errors import UnsupportedMediaType

FORM = "application/x-www-form-urlencoded"


async def _signing_in(request: Request) -> SigningIn:
    parts: SigningIn = request.app.state.signing_in
    return parts


async def _place(request: Request) -> Place:
    return Place.of(request.client.host if request.client else None, request.headers.get("user-agent"))


async def form_only(request: Request) -> None:
    """Refuse a body that is no form with 415."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise UnsupportedMediaType(expected=FORM)


SigningInParts = Annotated[SigningIn, Depends(_signing_in)]
CallerPlace = Annotated[Place, Depends(_place)]
