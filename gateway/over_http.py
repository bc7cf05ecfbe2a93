"""A service in a process of its own, reached over HTTP: both bodies are streamed, nothing is decoded or followed."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson
import structlog
from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientHandlerType,
    ClientOSError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
)
from multidict import CIMultiDict
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from yarl import URL

from gateway.answers import Headers
from gateway.circuit_breaker import CircuitBreaker
from ishop.errors import DeadlineExceeded, Unavailable
from ishop.problems import CLIENT_GONE
from ishop.routing import SAFE_METHODS, TIMEOUT_FIELD
from ishop.service import DOCUMENT_PATH

log = structlog.get_logger(__name__)

CONNECTIONS: Final = 100
"""To one service, five times what its database pool can work on. Who finds them busy waits, within its deadline."""
CONNECT_SECONDS: Final = 2.0
IDLE_SECONDS: Final = 30.0
"""Shorter than the services keep an idle connection (ishop.up), so that none is closed just as it is used again."""
ADDRESS_SECONDS: Final = 2
"""How long the address of a host is remembered: a container that was started again may have another."""
GRACE_SECONDS: Final = 1.0
"""What is waited beyond the deadline, so that the service's own answer about it arrives."""
DOCUMENT_SECONDS: Final = 10.0

HOP_BY_HOP: Final = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-connection",
        b"te", b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip
"""Fields of an answer that are about the connection to the service alone (RFC 9110, section 7.6.1)."""
OF_THE_SERVER: Final = frozenset({b"date", b"server"})
"""Fields that the gateway's own server sets."""
TIMEOUT_NAME: Final = TIMEOUT_FIELD.lower().encode()
ADDED_BY_AIOHTTP: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class Lost(ClientError):
    """The connection ended before the answer. A class of our own, because aiohttp would send PUT and DELETE again."""


class OverHttp:
    """The upstream of a service that listens at `url`. It connects on first use, so the service may start later.

    A safe read whose connection ends before a byte of the answer came is sent once more; nothing else is sent twice.
    """

    def __init__(self, service: str, url: str, seconds: float) -> None:
        self._service = service
        self._url = url.rstrip("/")
        self._seconds = seconds
        self._breaker = CircuitBreaker(service)
        self._session: ClientSession | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = _Caller(receive)
        try:
            answer = await self._answer(scope, caller)
            try:
                async with caller.staying(None):  # Only the beginning of an answer has a deadline.
                    await _pass_on(answer, send)
            finally:
                answer.release()  # An answer that was not read to its end takes its connection with it.
        except ClientDisconnect:
            await Response(status_code=CLIENT_GONE)(scope, receive, send)
        finally:
            caller.forget()

    async def document(self) -> dict[str, Any]:
        """The document as the service itself draws it, from a path that is in no route table."""
        self._breaker.admit()
        try:
            async with asyncio.timeout(DOCUMENT_SECONDS), self._connected().get(self._url + DOCUMENT_PATH) as answer:
                answer.raise_for_status()
                document: dict[str, Any] = orjson.loads(await answer.read())
        except (ClientError, TimeoutError) as error:
            raise self._unavailable(error) from error
        self._breaker.answered()
        return document

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _answer(self, scope: Scope, caller: "_Caller") -> ClientResponse:
        """The service's answer, its body not yet read; raises Unavailable, DeadlineExceeded or ClientDisconnect."""
        self._breaker.admit()
        seconds = _seconds(scope, self._seconds)
        try:
            async with caller.staying(seconds + GRACE_SECONDS):
                answer = await self._connected().request(
                    scope["method"],
                    _address(self._url, scope),
                    headers=_headers(scope),
                    data=await caller.body(),
                    allow_redirects=False,
                )
        except (ClientConnectorError, ConnectionTimeoutError) as error:
            self._breaker.failed()
            raise self._unavailable(error) from error
        except TimeoutError as error:
            if caller.sent_all:  # Else it was the caller who took so long, which says nothing about the service.
                self._breaker.failed()
            raise DeadlineExceeded(seconds=round(seconds, 1)) from error
        except ClientError as error:
            raise caller.failure or self._unavailable(error) from error
        self._breaker.answered()
        return answer

    def _connected(self) -> ClientSession:
        if self._session is None:
            self._session = ClientSession(
                connector=TCPConnector(
                    limit=CONNECTIONS, keepalive_timeout=IDLE_SECONDS, ttl_dns_cache=ADDRESS_SECONDS
                ),
                cookie_jar=DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=ADDED_BY_AIOHTTP,
                timeout=ClientTimeout(
                    total=None, sock_connect=CONNECT_SECONDS, sock_read=self._seconds + GRACE_SECONDS
                ),
                middlewares=[_send],
            )
        return self._session

    def _unavailable(self, error: Exception) -> Unavailable:
        log.warning("service unavailable", upstream=self._service, error=type(error).__name__)
        return Unavailable()


class _Caller:
    """The caller of one request: gives its body part by part, and is noticed when it hangs up."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._limit: asyncio.Timeout | None = None
        self._watch: asyncio.Task[None] | None = None
        self._gone = False
        self.sent_all = False
        self.failure: Exception | None = None
        """Why no more of the body could be read, where that was what ended the call."""

    async def body(self) -> bytes | AsyncIterator[bytes] | None:
        """The body: as it is where it came in one piece, which most do, else to be read as the service takes it."""
        part, more = await self._next()
        if more:
            return self._parts(part)
        return part or None

    @asynccontextmanager
    async def staying(self, seconds: float | None) -> AsyncIterator[None]:
        """A limit on what is inside, ended before its time with ClientDisconnect where the caller hangs up."""
        try:
            async with asyncio.timeout(0 if self._gone else seconds) as self._limit:
                yield
        except TimeoutError as error:
            if self._gone:
                raise ClientDisconnect from error
            raise
        finally:
            self._limit = None

    def forget(self) -> None:
        """No longer look whether the caller is there."""
        if self._watch is not None:
            self._watch.cancel()

    async def _next(self) -> tuple[bytes, bool]:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        if not message.get("more_body", False):
            self.sent_all = True
            self._watch = asyncio.create_task(self._notice_hanging_up())
            return message.get("body", b""), False
        return message.get("body", b""), True

    async def _parts(self, part: bytes) -> AsyncIterator[bytes]:
        more = True
        while more:
            yield part
            try:
                part, more = await self._next()
            except Exception as error:
                self.failure = error
                raise
        yield part

    async def _notice_hanging_up(self) -> None:
        await self._receive()  # Behind the body there is nothing but the end of the connection.
        self._gone = True
        if self._limit is not None:
            self._limit.reschedule(0)


async def _send(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    """Send a request, and a safe read once more where nothing came back."""
    started = time.monotonic()
    try:
        return await send(request)
    except (ConnectionTimeoutError, ClientConnectorError):
        raise  # Nobody is there, and nothing was sent.
    except (ClientOSError, ServerDisconnectedError) as error:
        # aiohttp's message is a text where no byte of the answer came, else the part that did.
        if request.method not in SAFE_METHODS or not isinstance(getattr(error, "message", ""), str):
            raise Lost from error
    left = int(request.headers.get(TIMEOUT_FIELD, "0")) - int((time.monotonic() - started) * 1000)
    request.headers[TIMEOUT_FIELD] = str(max(left, 0))
    try:
        return await send(request)
    except (ClientOSError, ServerDisconnectedError) as error:
        if isinstance(error, ConnectionTimeoutError | ClientConnectorError):
            raise
        raise Lost from error


def _address(url: str, scope: Scope) -> URL:
    """Path and query to the byte as they were sent; the gateway has seen to it that they are ASCII."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    target = path + b"?" + query if query else path
    return URL(url + target.decode("ascii"), encoded=True)


def _seconds(scope: Scope, allowed: float) -> float:
    """What is left for this request: the gateway's last word on it, never more than the process allows."""
    left = next((value for name, value in reversed(scope["headers"]) if name == TIMEOUT_NAME), None)
    return allowed if left is None else min(int(left) / 1000, allowed)


def _headers(scope: Scope) -> CIMultiDict[str]:
    # aiohttp writes text as UTF-8; the gateway has seen to it that the values are.
    return CIMultiDict([(name.decode("latin-1"), value.decode()) for name, value in scope["headers"]])


async def _pass_on(answer: ClientResponse, send: Send) -> None:
    """Status, fields and body, each part when it comes; nothing more is read while the caller does not take it."""
    await send({"type": "http.response.start", "status": answer.status, "headers": _passed(answer)})
    content, more = answer.content, True
    while more:
        part = await content.readany()
        more = not content.at_eof()
        await send({"type": "http.response.body", "body": part, "more_body": more})


def _passed(answer: ClientResponse) -> Headers:
    named = {option.strip().lower().encode() for option in answer.headers.get("Connection", "").split(",")}
    dropped = HOP_BY_HOP | OF_THE_SERVER | named
    return [(name.lower(), value) for name, value in answer.raw_headers if name.lower() not in dropped]
