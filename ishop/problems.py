"""The one renderer of errors: RFC 9457 application/problem+json in the caller's language, never a stack trace."""

import functools
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
import structlog
from asyncpg import exceptions as pg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from ishop.context import request_id
from ishop.errors import (
    AppError,
    Conflict,
    InternalError,
    InvalidRequest,
    Language,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    Unavailable,
    UnsupportedMediaType,
)
from ishop.schemas import Schema

log = structlog.get_logger(__name__)

CLIENT_GONE = 499
"""For the access log only: the caller hung up before its request was complete, and nobody reads the answer."""

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 100
POINTER_ESCAPES = str.maketrans({"~": "~0", "/": "~1"})
# Lock waits, deadlocks, serialization failures, shutdowns and lost connections: worth another try, nothing was written.
TRANSIENT = (
    pg.LockNotAvailableError,
    pg.DeadlockDetectedError,
    pg.SerializationError,
    pg.QueryCanceledError,
    pg.OperatorInterventionError,
    pg.TooManyConnectionsError,
    pg.PostgresConnectionError,
    pg.InterfaceError,
    pg.InternalClientError,  # A connection cut in the midst of a conversation.
    pg.IdleInTransactionSessionTimeoutError,
    pg.InvalidCachedStatementError,  # A migration changed what a kept plan answers; the plan is made anew.
    pg.InvalidAuthorizationSpecificationError,  # The role is not there yet: parts start in any order.
    pg.InvalidCatalogNameError,  # Nor is the database.
    OSError,  # No route, no name, no answer.
)
BEHIND = (
    pg.UndefinedTableError,
    pg.UndefinedColumnError,
    pg.UndefinedFunctionError,
    pg.UndefinedObjectError,
    pg.InvalidSchemaNameError,
    pg.InsufficientPrivilegeError,
)
"""What a statement meets in a database that is not migrated yet, or is taken back; in any other it is our bug."""
USUAL_LENGTH = 100
"""Of an Accept-Language field that is remembered; browsers send few others, anybody could send many long ones."""
QUIET_SECONDS = 1.0
"""A lost database is told once in so long, however many requests meet it."""


class Problem(Schema):
    """RFC 9457 problem details; `code` is stable, `detail` is in the caller's language."""

    type: str = Field(examples=["about:blank"])
    title: str
    status: int
    code: str = Field(examples=["insufficient_stock"])
    detail: str
    errors: list[dict[str, Any]] = Field(default_factory=list)
    request_id: str | None = None


def language_of(accept_language: str | None) -> Language:
    """`en` where the caller prefers English to Indonesian, otherwise `id`."""
    if accept_language is None:
        return "id"
    return _usual(accept_language) if len(accept_language) <= USUAL_LENGTH else _preferred(accept_language)


def _preferred(accept_language: str) -> Language:
    best: dict[str, float] = {}
    for part in accept_language.lower().split(","):
        tag, _, parameters = part.partition(";")
        match = re.search(r"q=([01](?:\.\d{0,3})?)", parameters)
        weight = float(match[1]) if match else 1.0
        best.setdefault(tag.strip().split("-")[0], weight)
    return "en" if best.get("en", 0.0) > best.get("id", best.get("*", 0.0) if "en" not in best else 0.0) else "id"


_usual = functools.lru_cache(maxsize=256)(_preferred)


def pointer(parts: Sequence[str | int]) -> str:
    """A JSON pointer (RFC 6901) of a path into the request."""
    return "".join(f"/{str(part).translate(POINTER_ESCAPES)}" for part in parts)


def problem_response(error: AppError, language: Language) -> Response:
    """The answer for an expected failure."""
    body = {
        "type": "about:blank",
        "title": error.code.replace("_", " ").capitalize(),
        "status": error.status,
        "code": error.code,
        "detail": error.detail(language),
        "errors": error.errors,
        "request_id": request_id.get(),
    }
    headers = {"Content-Language": language, "Cache-Control": "no-store", **error.headers}
    return Response(orjson.dumps(body, default=str), error.status, headers, MEDIA_TYPE)


def responses(*errors: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route: which problems it may answer, by code."""
    documented: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        entry = documented.setdefault(
            error.status,
            {"model": Problem, "description": "", "content": {MEDIA_TYPE: {"examples": {}}}},
        )
        summary = (error.__doc__ or error.code).partition(": ")[2] or error.code
        entry["description"] = " ".join(filter(None, [entry["description"], f"`{error.code}`: {summary}"]))
        entry["content"][MEDIA_TYPE]["examples"][error.code] = {
            "value": {
                "type": "about:blank",
                "title": error.code.replace("_", " ").capitalize(),
                "status": error.status,
                "code": error.code,
                "detail": re.sub(r"\{(\w+)\}", r"…", error.sentence["en"]),
                "errors": list(error.example),
                "request_id": "0198c5b7-6f0e-7d3a-9f0e-2f4f3f1f6a10",
            }
        }
    return documented


def from_validation(problems: Sequence[Mapping[str, Any]]) -> AppError:
    """What FastAPI found wrong, as our error; the values themselves are never echoed."""
    first = problems[0]
    if first["type"] == "json_invalid":
        return MalformedRequest(reason=f"the JSON is broken near byte {first['loc'][-1]}")
    if tuple(first["loc"]) == ("body",) and isinstance(first.get("input"), bytes):
        return UnsupportedMediaType(expected="application/json")
    # A body of nothing but mistakes would be answered with ten times its size.
    errors = [
        {
            "pointer": pointer(problem["loc"][1:]),
            "in": problem["loc"][0],
            "code": problem["type"],
            "detail": problem["msg"],
        }
        for problem in problems[:MAX_ERRORS]
    ]
    if len(problems) > MAX_ERRORS:
        more = len(problems) - MAX_ERRORS
        errors.append({"pointer": "", "in": first["loc"][0], "code": "more_errors", "detail": f"And {more} more."})
    return InvalidRequest(errors=errors)


def from_database(error: Exception) -> AppError:
    """A database error as our answer: transient is 503, refused by a CHECK, the last line, 409, all else our bug."""
    cause = _cause(error)
    if isinstance(cause, pg.CheckViolationError):
        return Conflict()
    if isinstance(cause, TRANSIENT) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return Unavailable()
    return InternalError()


def _cause(error: Exception) -> BaseException | None:
    """What PostgreSQL or asyncpg said, also where SQLAlchemy wrapped it."""
    if isinstance(error, DBAPIError):
        return error.orig.__cause__ if error.orig is not None else None
    return error


class _Outage:
    """Says that the database cannot be used, once in QUIET_SECONDS."""

    def __init__(self) -> None:
        self._next = 0.0

    def tell(self, error: Exception) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + QUIET_SECONDS
            log.warning("database unavailable", error=type(_cause(error)).__name__)


def install(app: FastAPI) -> None:
    """Render every failure of `app` as a problem."""

    def answer(request: Request, error: AppError) -> Response:
        return problem_response(error, language_of(request.headers.get("accept-language")))

    async def on_app_error(request: Request, error: Exception) -> Response:
        return answer(request, error if isinstance(error, AppError) else InternalError())

    async def on_validation(request: Request, error: Exception) -> Response:
        return answer(
            request, from_validation(error.errors()) if isinstance(error, RequestValidationError) else InternalError()
        )

    async def on_http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        known: dict[int, AppError] = {
            400: MalformedRequest(reason="the body is not valid JSON"),
            404: NotFound(),
            405: MethodNotAllowed(headers=getattr(error, "headers", None)),
        }
        return answer(request, known.get(status, InternalError()))

    async def on_gone(_request: Request, _error: Exception) -> Response:
        return Response(status_code=CLIENT_GONE)

    async def on_bug(request: Request, error: Exception) -> Response:
        log.error("unhandled error", exc_info=error)
        return answer(request, InternalError())

    app.add_exception_handler(AppError, on_app_error)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    _install_database(app, answer)
    app.add_exception_handler(ClientDisconnect, on_gone)
    app.add_exception_handler(Exception, on_bug)


def _install_database(app: FastAPI, answer: Callable[[Request, AppError], Response]) -> None:
    outage = _Outage()

    async def on_unavailable(request: Request, error: Exception) -> Response:
        outage.tell(error)
        return answer(request, Unavailable())

    async def on_database(request: Request, error: Exception) -> Response:
        rendered = from_database(error)
        if rendered.status == InternalError.status and isinstance(_cause(error), BEHIND):
            rendered = rendered if await request.app.state.database.is_migrated() else Unavailable()
        if rendered.status == Unavailable.status:
            outage.tell(error)
        else:
            log.log(40 if rendered.status == InternalError.status else 30, "database error", exc_info=error)
        return answer(request, rendered)

    app.add_exception_handler(PoolTimeout, on_unavailable)
    for transient in (*TRANSIENT, TimeoutError):
        app.add_exception_handler(transient, on_unavailable)
    for ours in (DBAPIError, pg.CheckViolationError, *BEHIND):
        app.add_exception_handler(ours, on_database)
