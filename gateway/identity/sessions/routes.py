"""Tokens and sessions: signing in, staying signed in, and ending it."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Form
from starlette.responses import Response

from gateway.identity.sessions import service
from gateway.identity.sessions.dependencies import CallerPlace, SigningInParts, form_only
from gateway.identity.sessions.errors import InvalidCredentials, UnsupportedGrantType
from gateway.identity.sessions.schemas import RevocationForm, SessionRead, TokenForm, TokenRead
from ishop import problems
from ishop.auth import Caller
from ishop.emails import canonical_email
from ishop.errors import InvalidRequest, NotFound, Unauthenticated
from ishop.problems import problem_response
from ishop.routing import CallerLanguage, Session, service_router
from ishop.schemas import Page

router = service_router(tags=["identity"])


@router.post(
    "/v1/auth/token",
    response_model=TokenRead,
    responses=problems.responses(UnsupportedGrantType, InvalidCredentials),
    dependencies=[Depends(form_only)],
)
async def sign_in(
    *,
    parts: SigningInParts,
    place: CallerPlace,
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
        tokens = await service.refresh(parts.signer, session, form.refresh_token.get_secret_value(), place)
        if tokens is None:
            # Answered, not raised: what the refusal changed is to be committed.
            return problem_response(InvalidCredentials(), language)
    elif form.grant_type == "password":
        if form.username is None or form.password is None:
            raise _missing("username" if form.username is None else "password")
        email = _email_or_none(form.username)
        tokens = await service.sign_in(parts, session, email, form.password.get_secret_value(), place)
    else:
        raise UnsupportedGrantType
    return Response(tokens.model_dump_json(), headers={"Cache-Control": "no-store"}, media_type="application/json")


@router.post("/v1/auth/revoke", status_code=204, dependencies=[Depends(form_only)])
async def revoke(session: Session, form: Annotated[RevocationForm, Form()]) -> None:
    """Sign out: end the session of a refresh token.

    As RFC 7009 has it, an unknown token gets the same answer. Access tokens live on for ten minutes at most.
    """
    await service.revoke(session, form.token.get_secret_value())


@router.get("/v1/me/sessions", responses=problems.responses(Unauthenticated), name="list_sessions")
async def list_own(caller: Caller, session: Session) -> Page[SessionRead]:
    """Your sessions, newest first, with the network and the program that each was last used from."""
    return Page(items=await service.list_own(session, caller), next_cursor=None)


@router.delete(
    "/v1/me/sessions/{session_id}",
    status_code=204,
    responses=problems.responses(Unauthenticated, NotFound),
    name="end_session",
)
async def end_own(caller: Caller, session: Session, session_id: UUID) -> None:
    """End one of your sessions: its refresh tokens are worth nothing from now on."""
    await service.end_own(session, caller, session_id)


@router.post(
    "/v1/me/sessions/end-others",
    status_code=204,
    responses=problems.responses(Unauthenticated),
    name="end_other_sessions",
)
async def end_others(caller: Caller, session: Session) -> None:
    """End all your sessions but this one."""
    await service.end_others(session, caller)


def _email_or_none(text: str) -> str | None:
    try:
        return canonical_email(text)
    except ValueError:
        return None


def _missing(name: str) -> InvalidRequest:
    return InvalidRequest(errors=[{"pointer": f"/{name}", "in": "body", "code": "missing", "detail": "Field required"}])
