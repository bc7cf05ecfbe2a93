"""Tokens: signing in and staying signed in."""

from typing import Annotated

from fastapi import Depends, Form, Request
from starlette.responses import Response

from gateway.identity.accounts.schemas import canonical_email
from gateway.identity.dependencies import PasswordsPart, SignerPart, count_attempt, form_only
from gateway.identity.sessions import service
from gateway.identity.sessions.errors import InvalidCredentials, UnsupportedGrantType
from gateway.identity.sessions.schemas import TokenForm, TokenRead
from ishop import problems
from ishop.errors import InvalidRequest
from ishop.problems import problem_response
from ishop.routing import CallerLanguage, Session, service_router

router = service_router(tags=["identity"])


@router.post(
    "/v1/auth/token",
    response_model=TokenRead,
    responses=problems.responses(UnsupportedGrantType, InvalidCredentials),
    dependencies=[Depends(form_only)],
)
async def sign_in(
    *,
    request: Request,
    passwords: PasswordsPart,
    signer: SignerPart,
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
        tokens = await service.refresh(signer, session, form.refresh_token.get_secret_value())
        if tokens is None:
            # Answered, not raised: what the refusal changed is to be committed.
            return problem_response(InvalidCredentials(), language)
    elif form.grant_type == "password":
        if form.username is None or form.password is None:
            raise _missing("username" if form.username is None else "password")
        email = _email_or_none(form.username)
        count_attempt(request, email)
        tokens = await service.sign_in(passwords, signer, session, email, form.password.get_secret_value())
    else:
        raise UnsupportedGrantType
    return Response(tokens.model_dump_json(), headers={"Cache-Control": "no-store"}, media_type="application/json")


def _email_or_none(text: str) -> str | None:
    try:
        return canonical_email(text)
    except ValueError:
        return None


def _missing(name: str) -> InvalidRequest:
    return InvalidRequest(errors=[{"pointer": f"/{name}", "in": "body", "code": "missing", "detail": "Field required"}])
