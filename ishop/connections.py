"""What uvicorn lacks where anybody may connect: an end to slow clients, to endless heads, and to connections.

A request that is never finished costs its sender nothing. So a head must be there in HEAD_SECONDS, a body must come and
an answer must be taken at a speed that the worst telephone line has, and where there are too many connections the one
that has been idle longest goes. One sweep a second looks at all of them, which costs a request nothing.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Any, Final, cast

import orjson
from starlette.types import ASGIApp, Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ishop.telemetry.metrics import counter

ENDED: Final = counter("ishop_connections_ended_total", "Connections that were ended because of the client.", "reason")

HEAD_SECONDS: Final = 10.0
"""From the first byte of a request, or from connecting, to the end of its header fields."""
MAX_HEAD_BYTES: Final = 64 * 1024
GRACE_SECONDS: Final = 10.0
"""How long a body or an answer may be slower than the floor."""
BYTES_A_SECOND: Final = 500
"""The floor: a hundredth of what the worst mobile network has."""
AFTER_ANSWER_SECONDS: Final = 5.0
"""How long who has been answered already may go on sending its body."""

MAX_GATHERED_BYTES: Final = 64 * 1024

WHOLE_ANSWER: Final = "ishop.whole_answer"
"""An extension of ASGI, a `WholeAnswer`: costs a fraction of the messages, because it looks at no header field."""
WholeAnswer = Callable[[Scope, bytes, bytes], bool]
"""Answers the request of this scope with a head, as `written`, and a body, whose length is among the header fields.

False where the ordinary messages must do: the client does not read or has gone, or its next request is here already.
"""

CONTROLS: Final = bytes(code for code in range(32) if code != ord("\t")) + b"\x7f"

SENTENCES: Final = {
    408: ("request_timeout", "The request did not arrive in time."),
    431: ("header_fields_too_large", "The header fields are too large."),
    503: ("overloaded", "Too many connections; try again shortly."),
}
"""Where there is no request yet, there is no language to answer in."""


def written(fields: Sequence[tuple[bytes, bytes]], status: int | None = None) -> bytes:
    """Header fields as they are sent, behind the line of the `status`.

    Raises ValueError where one would break out, and be another field or another answer: it holds a control.
    """
    lines = b"".join([b"%b: %b\r\n" % field for field in fields])
    if len(lines) - len(lines.translate(None, CONTROLS)) != 2 * len(fields):
        raise ValueError("a header field holds a control character")
    return lines if status is None else STATUS_LINE[status] + lines


class _Phase(Enum):
    HEAD = auto()
    BODY = auto()
    ANSWER = auto()


class Connections:
    """All connections of a server; `protocol` makes one, `sweep` is to be called every second."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self.clock = clock
        self._open: set[_Connection] = set()
        self._unsent: list[_Gathered] = []
        self._fields: list[tuple[bytes, bytes]] = []
        self._written = b""

    def __len__(self) -> int:
        return len(self._open)

    def protocol(self, *args: Any, **kwargs: Any) -> HttpToolsProtocol:
        """One connection, for uvicorn."""
        return _Connection(self, *args, **kwargs)

    def sweep(self) -> None:
        """End those that are too slow."""
        now = self.clock()
        for connection in tuple(self._open):
            connection.check(now)

    def have_answered_by(self, app: ASGIApp) -> None:
        """Give the next requests of all that are open to this application."""
        for connection in self._open:
            connection.app = app

    def opened(self, connection: "_Connection") -> bool:
        """Take a connection in; where there are too many, the one that has sent no request for longest goes."""
        if len(self._open) >= self._most:
            idle = min((one for one in self._open if one.waits_for_head), key=lambda one: one.since, default=None)
            if idle is None:
                return False
            idle.end("crowded_out")
            self._open.discard(idle)
        self._open.add(connection)
        return True

    def send_soon(self, transport: "_Gathered") -> None:
        """Have it send what waits in it at the end of this turn of the event loop."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._send)
        self._unsent.append(transport)

    def written(self, fields: list[tuple[bytes, bytes]]) -> bytes:
        """uvicorn's own fields, above all the date, of which it makes new ones each second."""
        if fields is not self._fields:
            self._fields, self._written = fields, written(fields)
        return self._written

    def closed(self, connection: "_Connection") -> None:
        """Let one go."""
        self._open.discard(connection)

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, []
        for transport in unsent:
            transport.send()


class _Gathered:
    """A transport that sends what is written in one turn of the event loop in one piece.

    uvicorn writes the head of an answer and its body one after the other, and each write is a call of the system, a
    packet, and a client that wakes up.
    """

    __slots__ = ("_all", "_parts", "_size", "_transport", "is_closing")

    def __init__(self, transport: asyncio.Transport, connections: Connections) -> None:
        self._transport = transport
        self._all = connections
        self._parts: list[bytes] = []
        self._size = 0
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Send it with what else comes in this turn, or at once where that is much."""
        if not self._parts:
            self._all.send_soon(self)
        self._parts.append(data)
        self._size += len(data)
        if self._size > MAX_GATHERED_BYTES:
            self.send()

    def send(self) -> None:
        """Send what waits."""
        if self._parts:
            parts, self._parts, self._size = self._parts, [], 0
            self._transport.writelines(parts)

    def close(self) -> None:
        """Send what waits, and hang up."""
        self.send()
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        """Bytes that the client has not taken."""
        return self._size + self._transport.get_write_buffer_size()

    def __getattr__(self, name: str) -> Any:
        """All else is the transport's own."""
        return getattr(self._transport, name)


class _Connection(HttpToolsProtocol):
    """One connection and how its client behaves."""

    def __init__(self, connections: Connections, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False  # The gateway writes one.
        self._all = connections
        self._phase = _Phase.HEAD
        self._begun = False
        self._received = 0
        self._unsent: tuple[float, int] | None = None
        self.since = 0.0

    @property
    def waits_for_head(self) -> bool:
        """Whether no request of it is being worked on."""
        return self._phase is _Phase.HEAD

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn narrows it so.
        """Let it in, or not."""
        super().connection_made(cast("asyncio.Transport", _Gathered(transport, self._all)))
        self.since = self._all.clock()
        if not self._all.opened(self):
            self._refuse(503, "too_many")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._all.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes in; a head that does not end is refused before it fills the memory."""
        if self.transport.is_closing():
            return
        if self._phase is _Phase.HEAD:
            if not self._begun:
                self._begun, self.since, self._received = True, self._all.clock(), 0
            self._received += len(data)
        super().data_received(data)
        if self._phase is _Phase.HEAD and self._received > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(431, "large_head")

    def on_headers_complete(self) -> None:
        """The head is there."""
        super().on_headers_complete()
        # The application is called in the next turn of the event loop only.
        self.scope["extensions"] = {WHOLE_ANSWER: self._give}  # type: ignore[dict-item] # uvicorn knows no callable ones.
        self._phase, self.since, self._received = _Phase.BODY, self._all.clock(), 0

    def on_body(self, body: bytes) -> None:
        """A part of the body is there."""
        self._received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there; where it was answered before, the next one may come."""
        super().on_message_complete()
        self._phase, self.since = _Phase.ANSWER, self._all.clock()
        self._rest()

    def on_response_complete(self) -> None:
        """The answer is given; what uvicorn does then, but for its timer: the sweep ends idle connections, too."""
        self.server_state.total_requests += 1
        self.since = self._all.clock()
        self._rest()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    def _unsupported_upgrade_warning(self) -> None:
        """Whoever asks for a WebSocket is answered as if not, and no line of the log is spent on it."""

    def check(self, now: float) -> None:
        """End it where its client is too slow."""
        waited = now - self.since
        if self._too_slow_reader(now):
            self.end("unread_answer")
        elif self.transport.is_closing():
            return
        elif self._phase is _Phase.HEAD:
            if self._begun or self.cycle is None:
                if waited > HEAD_SECONDS:
                    self._refuse(408, "slow_head")
            elif waited > self.timeout_keep_alive:
                self.transport.close()
        elif self._phase is _Phase.BODY:
            self._check_body(now, waited)

    def end(self, reason: str) -> None:
        """End it at once; what is not sent is lost."""
        ENDED.labels(reason).inc()
        self.transport.abort()

    def _rest(self) -> None:
        if self._phase is _Phase.ANSWER and self.cycle is not None and self.cycle.response_complete:
            self._phase, self._begun, self._received = _Phase.HEAD, False, 0

    def _give(self, scope: Scope, head: bytes, body: bytes) -> bool:
        """What uvicorn does with the two messages of an answer, in one write and without a look at every field."""
        cycle = self.cycle
        if cycle.scope is not scope or cycle.response_started or cycle.disconnected or self.flow.write_paused:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        self.transport.write(head + self._all.written(cycle.default_headers) + end)
        if body and scope["method"] != "HEAD":
            self.transport.write(body)  # One of 30 KB, as lists are, costs more to copy than to send along.
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()
        return True

    def _check_body(self, now: float, waited: float) -> None:
        if self.cycle.response_complete:
            if waited > AFTER_ANSWER_SECONDS:
                self.end("body_after_answer")
        elif self.flow.read_paused:
            self.since, self._received = now, 0  # It is we who do not read.
        elif waited > GRACE_SECONDS and self._received < BYTES_A_SECOND * waited:
            if self.cycle.response_started:
                self.end("slow_body")
            else:
                self._refuse(408, "slow_body")

    def _too_slow_reader(self, now: float) -> bool:
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0:
            self._unsent = None
            return False
        since, most = self._unsent or (now, 0)
        self._unsent = since, max(most, unsent)
        return now - since > GRACE_SECONDS + self._unsent[1] / BYTES_A_SECOND / 10

    def _refuse(self, status: int, reason: str) -> None:
        """Answer without asking the application, and close."""
        ENDED.labels(reason).inc()
        code, sentence = SENTENCES[status]
        body = orjson.dumps(
            {
                "type": "about:blank", "title": code.replace("_", " ").capitalize(), "status": status,
                "code": code, "detail": sentence, "errors": [], "request_id": None,
            }
        )  # fmt: skip
        self.transport.write(
            STATUS_LINE[status]
            + b"content-type: application/problem+json\r\ncontent-language: en\r\ncache-control: no-store\r\n"
            + (b"retry-after: 1\r\n" if status == 503 else b"")  # noqa: PLR2004 - the HTTP status
            + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
            + body
        )
        self.transport.close()
