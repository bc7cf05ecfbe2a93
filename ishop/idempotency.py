"""Idempotency-Key: claimed inside the business transaction, so a refused or rolled-back request leaves no claim.

Twins in one process wait at a gate before they take a connection (a pool of 20 would starve on 200 of them); a twin in
another process waits for the row in the database, 2 seconds at most, then 409. Answers are kept for 7 days.

A route whose one statement does everything claims its key in that statement (`Claim`), with the answer, which is then
written once; every other route's key is claimed before it and answered after it (`claim`, `store`).
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from asyncpg.exceptions import LockNotAvailableError
from fastapi import Depends
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from ishop.context import request_id
from ishop.database import Database
from ishop.errors import AnswerNotKept, IdempotencyKeyRequired, IdempotencyKeyReused, RequestInFlight
from ishop.telemetry.metrics import IDEMPOTENCY

MAX_KEY_LENGTH = 255
KEPT_HEADERS = ("cache-control", "content-type", "content-language", "etag", "location")

CLAIM = text("SELECT * FROM ops.claim_v2(:principal, :key, :request_hash, :request_id)")
ANSWER = text("SELECT ops.answer_v1(:principal, :key, :status, CAST(:headers AS jsonb), :body)")
ANSWERED = "SELECT * FROM ops.answered_v1($1, $2, $3)"


def key_of(request: Request) -> str | None:
    """The key of a request, checked; None without one."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise IdempotencyKeyRequired
    return key


async def required_key(request: Request) -> str:
    """The key of an operation that may not be called without one."""
    key = key_of(request)
    if key is None:
        raise IdempotencyKeyRequired
    return key


async def shown_once() -> None:
    """Marks a route whose answer holds a secret: the key is claimed, so that nothing is done twice, but the answer is
    never written down. Sent again it is 409."""


class Gates:
    """One gate per (principal, key): the second twin goes on when the first has its answer."""

    def __init__(self) -> None:
        self._gates: dict[tuple[str, str], tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def passing(self, principal: str, key: str) -> AsyncIterator[None]:
        """Wait for the twins before us, then hold the gate."""
        name = (principal, key)
        gate, users = self._gates.get(name, (asyncio.Lock(), 0))
        self._gates[name] = (gate, users + 1)
        try:
            async with gate:
                yield
        finally:
            users = self._gates[name][1] - 1
            if users:
                self._gates[name] = (gate, users)
            else:
                del self._gates[name]


async def claim(session: AsyncSession, principal: str, key: str, request: Request) -> Response | None:
    """Claim the key for this transaction; the first answer again where it was answered before."""
    try:
        row = (
            (
                await session.execute(
                    CLAIM,
                    {
                        "principal": principal,
                        "key": key,
                        "request_hash": await _request_hash(request),
                        "request_id": request_id.get(),
                    },
                )
            )
            .mappings()
            .one()
        )
    except DBAPIError as error:
        if error.orig is not None and isinstance(error.orig.__cause__, LockNotAvailableError):
            IDEMPOTENCY.labels(request.app.state.name, "in_flight").inc()
            raise RequestInFlight from error
        raise
    return None if row["claimed"] else _first_answer(request.app.state.name, row)


async def store(session: AsyncSession, principal: str, key: str, response: Response) -> None:
    """Keep the answer in the transaction that it tells of."""
    await session.execute(
        ANSWER,
        {
            "principal": principal,
            "key": key,
            "status": response.status_code,
            "headers": _kept_headers(response),
            "body": bytes(response.body),
        },
    )


@dataclass(frozen=True, slots=True)
class Claim:
    """The key of a request whose one statement claims it, by `ops.claim_v3`, in the transaction of all that it does."""

    service: str
    principal: str
    key: str
    request_hash: bytes

    async def settle(
        self, answer: Response, work: Callable[[tuple[Any, ...]], Awaitable[Mapping[str, Any]]]
    ) -> Response:
        """Have `work` claim the key and keep the `answer` with all that it does; the first answer where it had one.

        `work` gets the parameters of `ops.claim_v3` and gives its row. Raises RequestInFlight when a twin elsewhere is
        not done within 2 s.
        """
        kept = (self.principal, self.key, self.request_hash, answer.status_code, _kept_headers(answer), answer.body)
        try:
            row = await work(kept)
        except LockNotAvailableError as error:
            # Which lock it waited for only the stack of functions tells; stock that stays locked is Unavailable.
            if "ops.claim_v3" not in (error.context or ""):
                raise
            IDEMPOTENCY.labels(self.service, "in_flight").inc()
            raise RequestInFlight from error
        return answer if row["claimed"] else _first_answer(self.service, row)

    async def first_answer(self, database: Database) -> Response | None:
        """What was answered before, None where nothing was. Raises IdempotencyKeyReused for another request's key."""
        row = await database.fetch_row(ANSWERED, self.principal, self.key, self.request_hash)
        return None if row is None else _first_answer(self.service, row)


async def own_claim(request: Request, _key: Annotated[str, Depends(required_key)]) -> Claim:
    """The claim of a route that makes it in its own statement. It marks the route: nothing is claimed before it."""
    claim: Claim = request.state.claim
    return claim


async def claim_of(request: Request, principal: str, key: str) -> Claim:
    """The claim that this request has to make."""
    return Claim(request.app.state.name, principal, key, await _request_hash(request))


def _first_answer(service: str, row: Mapping[Any, Any]) -> Response:
    """The answer that a key has already, as `claim_v2` and the functions after it tell it."""
    if not row["same_request"]:
        IDEMPOTENCY.labels(service, "reused").inc()
        raise IdempotencyKeyReused
    if row["status"] is None:
        # Committed without an answer, so it is one that must not be kept: a claim in flight elsewhere is not seen.
        raise AnswerNotKept
    IDEMPOTENCY.labels(service, "replayed").inc()
    headers: dict[str, Any] = orjson.loads(row["headers"]) if isinstance(row["headers"], str) else row["headers"]
    return Response(row["body"], row["status"], {**headers, "Idempotency-Replayed": "true"})


def _kept_headers(response: Response) -> str:
    return orjson.dumps({name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}).decode()


async def _request_hash(request: Request) -> bytes:
    """What makes two requests the same: method, path, query and body, to the byte."""
    digest = hashlib.sha256()
    # Of the scope, because putting the address together takes longer than all else here.
    for part in (request.method.encode(), request.scope["path"].encode(), request.scope["query_string"]):
        digest.update(part + b"\n")
    digest.update(await request.body())
    return digest.digest()
