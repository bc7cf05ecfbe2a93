"""The load generator: HTTP/1.1 over kept connections, without anything that a client library would add.

Every connection sends its next request when it has the whole answer to the one before (a closed loop), so the number of
connections is the number of callers at work. It runs in the process of the measurement, never in that of a server.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from statistics import median, quantiles
from typing import Final, Self, cast

import orjson

from ishop.child_process import LOOPBACK

HEAD_END: Final = b"\r\n\r\n"
LENGTH_FIELD: Final = b"\r\ncontent-length:"
CHUNKED_FIELD: Final = b"\r\ntransfer-encoding: chunked"
LAST_CHUNK: Final = b"0\r\n\r\n"
SHOWN_BODY: Final = 400
GRACE_SECONDS: Final = 60.0
UNTIL_LAST_CHUNK: Final = -1


class LoadFailed(Exception):
    """An answer that makes the figure worthless, or none at all; the message holds what came instead."""


@dataclass(frozen=True, slots=True)
class Burst:
    """What a load achieved: the time of every request, in seconds, and how long all of it took."""

    latencies: tuple[float, ...]
    seconds: float
    generator_cpu_seconds: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds

    @property
    def median_ms(self) -> float:
        """The time of one request that half of them beat, in milliseconds."""
        return median(self.latencies) * 1000

    @property
    def p95_ms(self) -> float:
        """The time that 95 of 100 requests beat, in milliseconds."""
        if len(self.latencies) == 1:
            return self.latencies[0] * 1000
        return quantiles(self.latencies, n=20, method="inclusive")[-1] * 1000

    @property
    def generator_share(self) -> float:
        """How much of one core the generator used; near 1 it is the generator that was measured."""
        return self.generator_cpu_seconds / self.seconds


def http_request(
    method: str,
    target: str,
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    body: object = None,
    form: str | None = None,
) -> bytes:
    """A whole request as it goes over the wire; `body` is sent as JSON, `form` as it is."""
    fields = {"Host": LOOPBACK, "Accept": "application/json", **(headers or {})}
    if token is not None:
        fields["Authorization"] = f"Bearer {token}"
    content = b""
    if body is not None:
        content = orjson.dumps(body)
        fields["Content-Type"] = "application/json"
    elif form is not None:
        content = form.encode()
        fields["Content-Type"] = "application/x-www-form-urlencoded"
    if content:
        fields["Content-Length"] = str(len(content))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + HEAD_END + content


async def send(
    port: int,
    requests: Iterator[bytes],
    *,
    connections: int,
    seconds: float | None = None,
    count: int | None = None,
    expected: int = HTTPStatus.OK,
    holding: bytes = b"",
) -> Burst:
    """Send from `requests` over `connections` for `seconds` or until `count` of them are answered.

    Raises LoadFailed at the first answer with another status than `expected` or without the bytes `holding` in it, and
    when a connection breaks.
    """
    loop = asyncio.get_running_loop()
    source = requests if count is None else islice(requests, count)
    started = time.perf_counter()
    deadline = float("inf") if seconds is None else started + seconds
    callers = [_Caller(loop, source, deadline, expected, holding) for _ in range(connections)]
    cpu = time.process_time()
    try:
        async with asyncio.timeout((seconds or 0) + GRACE_SECONDS):
            for caller in callers:
                await loop.create_connection(caller.itself, LOOPBACK, port)
            await asyncio.gather(*(caller.done for caller in callers))
    except TimeoutError as error:
        raise LoadFailed(f"Some requests had no answer {GRACE_SECONDS:.0f} s after the load ended.") from error
    finally:
        for caller in callers:
            caller.close()
    latencies = tuple(latency for caller in callers for latency in caller.latencies)
    if not latencies:
        raise LoadFailed("There was nothing to send.")
    return Burst(latencies, time.perf_counter() - started, time.process_time() - cpu)


class _Caller(asyncio.Protocol):
    """One connection: sends, reads the answer to its end, notes the time, sends the next."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, requests: Iterator[bytes], deadline: float, expected: int, holding: bytes
    ) -> None:
        self.latencies: list[float] = []
        self.done: asyncio.Future[None] = loop.create_future()
        self._time = time.perf_counter
        self._requests = requests
        self._deadline = deadline
        self._expected = str(int(expected)).encode()
        self._holding = holding
        self._transport: asyncio.Transport | None = None
        self._answer = b""
        self._wanted = 0
        self._sent_at = 0.0

    def itself(self) -> Self:
        """The protocol factory of its connection."""
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's, so this can be said but not checked.
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if self._wanted == 0 and not self._read_head():
            return
        if len(self._answer) >= self._wanted if self._wanted > 0 else self._answer.endswith(LAST_CHUNK):
            now = self._time()
            self.latencies.append(now - self._sent_at)
            if self._holding not in self._answer:
                self._fail(f"An answer is without {self._holding!r}: {self._answer[-SHOWN_BODY:]!r}")
                return
            self._answer, self._wanted = b"", 0
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"The server closed the connection ({exc or 'no error'}).")

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()
        self.done.cancel()

    def _next(self) -> None:
        request = None if self._time() >= self._deadline else next(self._requests, None)
        if request is None:
            if not self.done.done():
                self.done.set_result(None)
            return
        assert self._transport is not None  # noqa: S101 - nothing is sent before connection_made.
        self._sent_at = self._time()
        self._transport.write(request)

    def _read_head(self) -> bool:
        """Whether the length of the answer is known now; a wrong status ends the load."""
        end = self._answer.find(HEAD_END)
        if end < 0:
            return False
        head = self._answer[:end].lower()
        at = head.find(LENGTH_FIELD)
        if at >= 0:
            length = head[at + len(LENGTH_FIELD) :].partition(b"\r\n")[0]
            self._wanted = end + len(HEAD_END) + int(length)
        elif CHUNKED_FIELD in head:
            self._wanted = UNTIL_LAST_CHUNK
        else:
            self._fail(f"An answer does not say how long it is: {head.decode(errors='replace')}")
            return False
        if self._answer[9:12] != self._expected:
            self._fail(f"An answer was not {self._expected.decode()}: {_shown(self._answer, end)}")
            return False
        return True

    def _fail(self, reason: str) -> None:
        if not self.done.done():
            self.done.set_exception(LoadFailed(reason))


def _shown(answer: bytes, end: int) -> str:
    status = answer.partition(b"\r\n")[0].decode(errors="replace")
    return f"{status} {answer[end + len(HEAD_END) :][:SHOWN_BODY].decode(errors='replace')}"
