"""The route class of all services: one request is one unit of work, committed before the answer leaves.

It settles in one place what every route owes its callers: a readable request, a known principal before anything else is
looked at, no unknown query parameter, one database session, and the Idempotency-Key.
"""

import asyncio
import re
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from ishop import idempotency
from ishop.auth import Principal, Verifier, signed_in
from ishop.context import request_id
from ishop.database import Database
from ishop.errors import (
    AnswerNotKept,
    AppError,
    DeadlineExceeded,
    IdempotencyKeyReused,
    InsufficientScope,
    InvalidRequest,
    Language,
    MalformedRequest,
    RequestInFlight,
    Unauthenticated,
    UnsupportedMediaType,
)
from ishop.parameters import Handler, Parameters
from ishop.problems import MAX_ERRORS, language_of
from ishop.scopes import needed_scope
from ishop.telemetry import tracing

SAFE_METHODS = frozenset({"GET", "HEAD"})
TIMEOUT_FIELD = "X-Request-Timeout-Ms"
"""What is left of a request's time. Only the gateway sets it. A span and not a moment: clocks need not agree."""
# PostgreSQL text cannot hold NUL. In JSON it can only be written as \u0000 behind an even number of backslashes.
ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# For the audit log; where there is an Idempotency-Key, its claim says so in the same round trip.
ACTING = text("SELECT ops.acting_v1(:actor, :request_id)")
KEEP_JOURNALS = frozenset({"orders", "bulk-orders", "vendor-orders", "payments", "stock"})
"""Tags of features whose own journals say who changed what, so that it is not said again."""


class ServiceRoute(APIRoute):
    """A route with its unit of work. Nothing else in the project commits a request's transaction."""

    def get_route_handler(self) -> Handler:
        parameters = Parameters.of(self.dependant)
        handle = super().get_route_handler() if parameters is None else parameters.handle
        name = f"{self.tags[0]} {self.name}"
        known_parameters = frozenset(_query_names(self.dependant))
        needs_caller = _uses(self.dependant, signed_in)
        scope = needed_scope(str(self.tags[0]), self.methods or ())
        handle_keyless = _work if str(self.tags[0]) in KEEP_JOURNALS else _work_audited
        keeps_answer = not _uses(self.dependant, idempotency.shown_once)
        claims_itself = _uses(self.dependant, idempotency.own_claim)
        reads_json = self.body_field is not None and "form" not in type(self.body_field.field_info).__name__.lower()

        async def work(request: Request) -> Response:
            verifier: Verifier = request.app.state.verifier
            principal = await verifier.principal_of(request.headers.get("authorization"))
            request.state.principal = principal
            if needs_caller:
                _check_caller(principal, scope)
            _check_query(request, known_parameters)
            if reads_json:
                await _check_body(request)
            if request.method in SAFE_METHODS:
                return await _read(request, handle)
            key = idempotency.key_of(request)
            if key is None or principal is None:
                return await handle_keyless(request, handle)
            async with request.app.state.gates.passing(principal.key_space, key):
                if claims_itself:
                    return await _work_in_one(request, handle, principal.key_space, key)
                return await _work_once(request, handle, principal.key_space, key, keeps_answer=keeps_answer)

        async def serve(request: Request) -> Response:
            _take_request_id(request)
            if tracing.tracer is None:
                return await _in_time(request, work)
            with tracing.tracer.service(name, request.headers.get(tracing.PARENT_FIELD)) as span:
                response = await _in_time(request, work)
                span.set_attribute("http.response.status_code", response.status_code)
                return response

        return serve


async def _in_time(request: Request, work: Handler) -> Response:
    """What `work` answers before the deadline."""
    seconds = _seconds(request)
    try:
        async with asyncio.timeout(seconds) as limit:
            return await work(request)
    except TimeoutError as error:
        if limit.expired():
            raise DeadlineExceeded(seconds=round(seconds, 1)) from error
        raise


def _take_request_id(request: Request) -> None:
    """The id that the gateway gave the request, where the gateway is another process."""
    given = request.headers.get("x-request-id")
    if given is not None and given != request_id.get():
        request_id.set(given)


def _seconds(request: Request) -> float:
    """What the gateway left for this request, never more than this process allows."""
    allowed: float = request.app.state.runtime.settings.request_seconds
    left = request.headers.get(TIMEOUT_FIELD)
    return min(int(left) / 1000, allowed) if left is not None and left.isdecimal() else allowed


def _check_caller(principal: Principal | None, scope: str) -> None:
    if principal is None:
        raise Unauthenticated
    if principal.scopes is not None and scope not in principal.scopes:
        raise InsufficientScope(scope)


async def _read(request: Request, handle: Handler) -> Response:
    request.state.session = None
    try:
        return await handle(request)
    finally:
        if request.state.session is not None:
            await request.state.session.close()


async def _work(request: Request, handle: Handler) -> Response:
    async with request.app.state.database.writing() as session:
        request.state.session = session
        response = await handle(request)
        await session.commit()
        return response


async def _work_audited(request: Request, handle: Handler) -> Response:
    """As `_work`, with the audit log told who calls before anything is changed."""

    async def say_who_calls(inner: Request) -> Response:
        principal: Principal | None = inner.state.principal
        if principal is not None:
            who = {"actor": str(principal.id), "request_id": request_id.get()}
            await inner.state.session.execute(ACTING, who)
        return await handle(inner)

    return await _work(request, say_who_calls)


async def _work_once(request: Request, handle: Handler, principal: str, key: str, *, keeps_answer: bool) -> Response:
    async with request.app.state.database.writing() as session:
        request.state.session = session
        first_answer = await idempotency.claim(session, principal, key, request)
        if first_answer is not None:
            return first_answer
        response = await handle(request)
        if keeps_answer:
            await idempotency.store(session, principal, key, response)
        await session.commit()
        return response


async def _work_in_one(request: Request, handle: Handler, principal: str, key: str) -> Response:
    """What a route answers that claims its key, works and commits in one statement, its last."""
    request.state.session = None
    request.state.claim = claim = await idempotency.claim_of(request, principal, key)
    try:
        return await handle(request)
    except (AnswerNotKept, IdempotencyKeyReused, RequestInFlight):
        raise  # That is what the statement found when it looked.
    except (AppError, RequestValidationError):
        # What would be refused now may have been done then: only the statement that refused nothing has looked.
        first_answer = await claim.first_answer(request.app.state.database)
        if first_answer is None:
            raise
        return first_answer


def _check_query(request: Request, known: frozenset[str]) -> None:
    if not request.scope["query_string"] and "\0" not in request.scope["path"]:
        return
    if b"%00" in request.scope["query_string"] or "\0" in request.scope["path"]:
        raise MalformedRequest(reason="the address holds a NUL byte")
    unknown = [name for name in request.query_params if name not in known][:MAX_ERRORS]
    if unknown:
        raise InvalidRequest(
            errors=[
                {
                    "pointer": f"/{name}",
                    "in": "query",
                    "code": "unknown_parameter",
                    "detail": "There is no such parameter.",
                }
                for name in unknown
            ]
        )


async def _check_body(request: Request) -> None:
    body = await request.body()
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and media_type != "application/json":
        raise UnsupportedMediaType(expected="application/json")
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise MalformedRequest(reason="the body is not UTF-8") from error
    # The plain search first: it costs nothing, the pattern 15 ms a megabyte.
    if b"\0" in body or (b"\\u0000" in body and ESCAPED_NUL.search(body)):
        raise MalformedRequest(reason="the body holds a NUL character")


def _query_names(dependant: Dependant) -> set[str]:
    """The names of all query parameters, those inside a parameter model included."""
    names: set[str] = set()
    for field in dependant.query_params:
        model = getattr(field.field_info.annotation, "model_fields", None)
        if model is None:
            names.add(field.alias)
        else:
            names.update(inner.alias or name for name, inner in model.items())
    for inner_dependant in dependant.dependencies:
        names |= _query_names(inner_dependant)
    return names


def _uses(dependant: Dependant, call: object) -> bool:
    return dependant.call is call or any(_uses(inner, call) for inner in dependant.dependencies)


async def _session(request: Request) -> AsyncSession:
    if request.state.session is None:
        # A read that goes past SQLAlchemy needs none, so it is made for those who ask.
        request.state.session = request.app.state.database.reading()
    session: AsyncSession = request.state.session
    return session


async def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


async def _language(request: Request) -> Language:
    return language_of(request.headers.get("accept-language"))


Session = Annotated[AsyncSession, Depends(_session)]
CallerLanguage = Annotated[Language, Depends(_language)]
IdempotencyKey = Annotated[str, Depends(idempotency.required_key)]
OwnClaim = Annotated[idempotency.Claim, Depends(idempotency.own_claim)]
ServiceDatabase = Annotated[Database, Depends(_database)]


def service_router(*, tags: list[str]) -> APIRouter:
    """A router whose routes are units of work."""
    return APIRouter(route_class=ServiceRoute, tags=list(tags), generate_unique_id_function=operation_id)


def operation_id(route: APIRoute) -> str:
    """A stable operationId: the feature and what is done to it, such as `orders_place`."""
    return f"{route.tags[0]}_{route.name}".replace("-", "_").replace(" ", "_")
