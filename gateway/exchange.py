"""One request and its answer at the door: what is let in, what is added on the way out, and how much body may come."""

import functools
import re
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from starlette.types import Message, Receive, Scope, Send

from gateway.answers import Answer, Headers
from ishop.auth import Principal
from ishop.connections import WHOLE_ANSWER, written
from ishop.errors import MalformedRequest, PayloadTooLarge
from ishop.etags import matches

REQUEST_ID: Final = re.compile(
    rb"(?=[0-9-]*[A-Za-z])(?:[0-9A-Fa-f-]{32,64}|(?![A-Za-z0-9-]*[0-9]{10})[A-Za-z0-9-]{8,64})"
)
"""What a caller's id may be to go into our logs as it is: a UUID or the like, or a name that is not, and does not hold,
a number as persons have: a telephone, NIK, NPWP or account."""

MAX_HEADERS: Final = 100
MAX_HEADER_BYTES: Final = 16 * 1024
HELD_BODY_BYTES: Final = 64 * 1024
"""As much of a body is taken in before the request gets a place, so that who sends it slowly holds none."""

SINGLE: Final = frozenset({b"authorization", b"content-length", b"content-type", b"host", b"idempotency-key"})
"""Fields whose second value another program might read instead of the first."""

READ: Final = SINGLE | {
    b"accept", b"accept-language", b"connection", b"if-none-match", b"origin", b"traceparent", b"transfer-encoding",
    b"x-request-id",
}  # fmt: skip

DROPPED: Final = frozenset(
    {
        b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect", b"forwarded",
        b"traceparent", b"tracestate", b"baggage",
    }
)  # fmt: skip
DROPPED_PREFIXES: Final = (b"x-", b"proxy-", b"remote-")

DEFAULTS: Final[Headers] = [
    (b"cache-control", b"no-store"),  # An answer that says nothing about caching is a private one.
    (
        b"content-security-policy",
        b"default-src 'none'; frame-ancestors 'none'",
    ),  # Data, whatever a browser makes of it.
]
"""What an answer says that does not say anything else itself."""

BEARER_KEY: Final = b"bearer ishop_"

USUAL_CONNECTION: Final = frozenset({b"keep-alive", b"close", b"Upgrade", b"upgrade"})


@functools.lru_cache(maxsize=256)
def passes(name: bytes) -> bool:
    """Whether a service may see a header field of this name."""
    return name not in DROPPED and not name.startswith(DROPPED_PREFIXES) and b"_" not in name


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


class Incoming:
    """The header fields of a request: the few that the gateway reads, and those that a service may see.

    No `X-` field passes but our own X-Request-Id, and no `Forwarded`, `Proxy-` or `Remote-` field either: services
    define none, and they are where other systems put who the caller is. A name with an underscore is dropped
    because some programs read it as the name with a hyphen. `new_id` names a request whose caller did not.
    """

    __slots__ = ("_read", "fault", "named", "own_id", "passed", "request_id")

    def __init__(self, headers: Iterable[tuple[bytes, bytes]], new_id: Callable[[], str]) -> None:
        self.passed: Headers = []
        self.fault: str | None = None
        self._read: dict[bytes, bytes] = {}
        count = 0
        for name, value in headers:
            count += 1
            if name in READ:
                if name not in self._read:
                    self._read[name] = value  # Of several the first, as the services read them.
                elif name in SINGLE:
                    self.fault = f"the header field {name.decode('latin-1')} is there twice"
            if len(value) > MAX_HEADER_BYTES:
                self.fault = f"a header field is longer than {MAX_HEADER_BYTES} bytes"
            if not value.isascii() and not _is_utf8(value):
                self.fault = f"the header field {name.decode('latin-1')} is not UTF-8"
            if passes(name):
                self.passed.append((name, value))
        if count > MAX_HEADERS:
            self.fault = f"it has more than {MAX_HEADERS} header fields"
        if b"transfer-encoding" in self._read and b"content-length" in self._read:
            self.fault = "it has both a Content-Length and a Transfer-Encoding"
        self._drop_connection_options()
        wished = self._read.get(b"x-request-id")
        self.own_id = wished is None or REQUEST_ID.fullmatch(wished) is None
        self.request_id = new_id() if wished is None or self.own_id else wished.decode()
        self.named = (b"x-request-id", self.request_id.encode())
        self.passed.append(self.named)

    def text(self, name: bytes) -> str | None:
        """One of the fields in READ; None where the caller sent none."""
        value = self._read.get(name)
        return None if value is None else value.decode("latin-1")

    def content_length(self) -> int | None:
        """The announced length of the body in bytes; raises MalformedRequest where it is no number."""
        value = self._read.get(b"content-length")
        if value is None:
            return None
        if not value.isdigit():
            raise MalformedRequest(reason="its Content-Length is not a number")
        return int(value)

    def has_body(self) -> bool:
        """Whether a body is announced, of whatever length."""
        return b"transfer-encoding" in self._read or self._read.get(b"content-length", b"0") != b"0"

    def api_key(self) -> str | None:
        """The API key that the caller sent where others send an access token; None where it is none."""
        value = self._read.get(b"authorization")
        if value is None or value[: len(BEARER_KEY)].lower() != BEARER_KEY:
            return None
        return value.decode("latin-1").partition(" ")[2]

    def authorize(self, token: str) -> None:
        """Put an access token in the place of what the caller sent, for the service too."""
        self.forget_authorization()
        self._read[b"authorization"] = value = f"Bearer {token}".encode()
        self.passed.append((b"authorization", value))

    def forget_authorization(self) -> None:
        """Make the caller anonymous, for the service too."""
        if self._read.pop(b"authorization", None) is not None:
            self.passed = [field for field in self.passed if field[0] != b"authorization"]

    def _drop_connection_options(self) -> None:
        """RFC 9110, section 7.6.1: what Connection names is meant for us alone."""
        value = self._read.get(b"connection")
        if value is None or value in USUAL_CONNECTION:
            return
        options = {option.strip().lower() for option in value.split(b",")}
        self.passed = [field for field in self.passed if field[0] not in options]


class Exchange:
    """One request being served: counts the body coming in, completes the header fields going out.

    Those `added` are of this answer, the `common` ones of all: an answer that is kept has them already.
    """

    __slots__ = (
        "_common",
        "_counted",
        "_held",
        "_receive",
        "_send",
        "added",
        "address",
        "body_limit",
        "finished",
        "incoming",
        "overrun",
        "principal",
        "route",
        "scheme",
        "scope",
        "status",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, incoming: Incoming, common: Headers) -> None:
        self.scope = scope
        self.incoming = incoming
        self.added: Headers = []
        self.address: str | None = None
        self.scheme = "http"
        self.principal: Principal | None = None
        self.route: str | None = None
        self.status: int | None = None
        self.finished = False
        self.body_limit = 0
        self.overrun: PayloadTooLarge | None = None
        self._common = common
        self._counted = 0
        self._held: deque[Message] = deque()
        self._receive = receive
        self._send = send

    def limit_body(self, limit: int) -> None:
        """Let at most `limit` bytes of body through; raises PayloadTooLarge when more is announced."""
        self.body_limit = limit
        announced = self.incoming.content_length()
        if announced is not None and announced > limit:
            raise PayloadTooLarge(limit=limit)

    async def hold_body(self) -> None:
        """Wait for the body, or for as much of a long one as may be held; raises PayloadTooLarge."""
        if not self.incoming.has_body():
            return
        more = True
        while more and self._counted < HELD_BODY_BYTES:
            message = await self._take()
            self._held.append(message)
            more = message.get("more_body", False)

    async def receive(self) -> Message:
        """The next part of the request; raises PayloadTooLarge as soon as the body is over its limit."""
        return self._held.popleft() if self._held else await self._take()

    async def _take(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._counted += len(message.get("body", b""))
            if self._counted > self.body_limit:
                self.overrun = PayloadTooLarge(limit=self.body_limit)
                raise self.overrun
        return message

    async def give(self, answer: Answer) -> None:
        """Give a whole answer, or 304 where the caller has it already."""
        head, body = answer.head, answer.body
        known = None if answer.etag is None else self.incoming.text(b"if-none-match")
        if known is not None and answer.etag is not None and matches(known, answer.etag):
            head, body = answer.not_modified, b""
        elif self.scope["method"] == "HEAD":
            body = b""
        self.status, self.finished = head.status, True
        whole = self.scope.get("extensions", {}).get(WHOLE_ANSWER) if head.written else None
        if whole is None or not whole(self.scope, head.written + written(self.added), body):
            fields = [*head.fields, *self.added]
            await self._send({"type": "http.response.start", "status": head.status, "headers": fields})
            await self._send({"type": "http.response.body", "body": body})

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on, with the gateway's header fields."""
        if self.overrun is not None and self.status is None:
            return  # The gateway answers this one itself.
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), *self.added, *self._common]
            said = {name for name, _ in headers}
            headers.extend(field for field in DEFAULTS if field[0] not in said)
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body":
            self.finished = not message.get("more_body", False)
            if self.scope["method"] == "HEAD":
                message = {**message, "body": b""}
        await self._send(message)
