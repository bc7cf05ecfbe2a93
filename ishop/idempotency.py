"""Idempotency-Key: claimed inside the business transaction, so a refused or rolled-back request leaves no claim.

Twins in one process wait at a gate before they take a connection (a pool of 20 would starve on 200 of them); a twin in
another process waits for the row in the database, 2 seconds at most, then 409. Answers are kept for 7 days.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from asyncpg.exceptions import LockNotAvailableError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from ishop.context import request_id
from ishop.errors import AnswerNotKept, IdempotencyKeyRequired, IdempotencyKeyReused, RequestInFlight
from ishop.telemetry.metrics import IDEMPOTENCY

MAX_KEY_LENGTH = 255
KEPT_HEADERS = ("cache-control", "content-type", "content-language", "etag", "location")

CLAIM = text("SELECT * FROM ops.claim_v2(:principal, :key, :request_hash, :request_id)")
ANSWER = text("SELECT ops.answer_v1(:principal, :key, :status, CAST(:headers AS jsonb), :body)")


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
            await session.execute(
                CLAIM,
                {
                    "principal": principal,
                    "key": key,
                    "request_hash": await _request_hash(request),
                    "request_id": request_id.get(),
                },
            )
        ).one()
    except DBAPIError as error:
        if error.orig is not None and isinstance(error.orig.__cause__, LockNotAvailableError):
            IDEMPOTENCY.labels(request.app.state.name, "in_flight").inc()
            raise RequestInFlight from error
        raise
    if row.claimed:
        return None
    if not row.same_request:
        IDEMPOTENCY.labels(request.app.state.name, "reused").inc()
        raise IdempotencyKeyReused
    if row.status is None:
        # Committed without an answer, so it is one that must not be kept: a claim in flight elsewhere is not seen.
        raise AnswerNotKept
    IDEMPOTENCY.labels(request.app.state.name, "replayed").inc()
    headers: dict[str, Any] = orjson.loads(row.headers) if isinstance(row.headers, str) else row.headers
    return Response(row.body, row.status, {**headers, "Idempotency-Replayed": "true"})


async def store(session: AsyncSession, principal: str, key: str, response: Response) -> None:
    """Keep the answer in the transaction that it tells of."""
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    await session.execute(
        ANSWER,
        {
            "principal": principal,
            "key": key,
            "status": response.status_code,
            "headers": orjson.dumps(headers).decode(),
            "body": bytes(response.body),
        },
    )


async def _request_hash(request: Request) -> bytes:
    """What makes two requests the same: method, path, query and body, to the byte."""
    digest = hashlib.sha256()
    for part in (request.method.encode(), request.url.path.encode(), request.url.query.encode()):
        digest.update(part + b"\n")
    digest.update(await request.body())
    return digest.digest()
