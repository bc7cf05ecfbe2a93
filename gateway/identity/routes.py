"""Registering, tokens, and who the caller is."""

from typing import Annotated

from fastapi import Depends, Form, Request
from starlette.responses import Response

from gateway.identity import service
from gateway.identity.errors import EmailTaken, InvalidCredentials, UnsupportedGrantType
from gateway.identity.schemas import Registration, TokenForm, TokenRead, UserRead, canonical_email
from gateway.identity.service import Identity
from gateway.rate_limits import SIGN_IN_PER_EMAIL, RateLimits
from ishop import problems
from ishop.auth import Caller
from ishop.errors import InvalidRequest, UnsupportedMediaType
from ishop.problems import problem_response
from ishop.routing import CallerLanguage, Session, service_router

FORM = "application/x-www-form-urlencoded"

router = service_router(tags=["identity"])


async def _identity(request: Request) -> Identity:
    identity: Identity = request.app.state.identity
    return identity


async def _form_only(request: Request) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise UnsupportedMediaType(expected=FORM)


IdentityParts = Annotated[Identity, Depends(_identity)]


@router.post(
    "/v1/auth/register",
    status_code=201,
    response_model=UserRead,
    responses=problems.responses(EmailTaken),
)
async def register(
    request: Request, identity: IdentityParts, session: Session, language: CallerLanguage, body: Registration
) -> UserRead:
    """Create an account for a person; it can be used at once."""
    _count_guess(request, body.email)
    return await service.register(identity, session, body, language)


@router.post(
    "/v1/auth/token",
    response_model=TokenRead,
    responses=problems.responses(UnsupportedGrantType, InvalidCredentials),
    dependencies=[Depends(_form_only)],
)
async def sign_in(
    request: Request,
    identity: IdentityParts,
    session: Session,
    language: CallerLanguage,
    form: Annotated[TokenForm, Form()],
) -> Response:
    """Get an access token (ten minutes) and a refresh token (30 days, works once).

    A form as in OAuth 2: `grant_type=password` with `username` and `password`, or `grant_type=refresh_token` with
    `refresh_token`.
    """
    if form.grant_type == "refresh_token":
        if form.refresh_token is None:
            raise _missing("refresh_token")
        tokens = await service.refresh(identity, session, form.refresh_token.get_secret_value())
        if tokens is None:
            # Answered, not raised: what the refusal changed is to be committed.
            return problem_response(InvalidCredentials(), language)
    elif form.grant_type == "password":
        if form.username is None or form.password is None:
            raise _missing("username" if form.username is None else "password")
        email = _email_or_none(form.username)
        _count_guess(request, email)
        tokens = await service.sign_in(identity, session, email, form.password.get_secret_value())
    else:
        raise UnsupportedGrantType
    return Response(tokens.model_dump_json(), headers={"Cache-Control": "no-store"}, media_type="application/json")


@router.get("/v1/me", response_model=UserRead)
async def me(caller: Caller, session: Session) -> UserRead:
    """Who the caller is, and which vendors and organizations it may act for now."""
    return await service.get_user(session, caller.id)


def _email_or_none(text: str) -> str | None:
    try:
        return canonical_email(text)
    except ValueError:
        return None


def _count_guess(request: Request, email: str | None) -> None:
    """Slow down guessing at one account from many addresses."""
    limits: RateLimits | None = request.app.state.limits
    if limits is None or email is None:
        return
    quota = limits.count(SIGN_IN_PER_EMAIL, email)
    if quota.exceeded:
        raise quota.refusal()


def _missing(name: str) -> InvalidRequest:
    return InvalidRequest(errors=[{"pointer": f"/{name}", "in": "body", "code": "missing", "detail": "Field required"}])
