"""Kept answers through our own server, written in one piece, against the same through the messages of ASGI."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from starlette.types import Receive, Scope, Send

from gateway.app import Gateway
from ishop.connections import WHOLE_ANSWER
from tests.databases import Cluster
from tests.gateway.shelves import opened
from tests.gateway.test_app import logged
from tests.ishop.telemetry.figures import value
from tests.modes import served

PATIENCE = 20
ORIGIN = b"https://shop.example"
REQUEST = b"%b %b HTTP/1.1\r\nHost: market\r\nX-Request-Id: followed-%d\r\n%b\r\n"
Fields = list[tuple[bytes, bytes]]
Told = tuple[bytes, Fields, bytes]
"""Status line, header fields in the order of their names, body."""


@dataclass
class Offering:
    """A gateway behind a server that offers the extension, or none that does; notes what became of the offers."""

    gateway: Gateway
    offers: bool
    taken: list[bool] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        whole = scope["extensions"].pop(WHOLE_ANSWER)

        def noted(to: Scope, head: bytes, body: bytes) -> bool:
            self.taken.append(whole(to, head, body))
            return self.taken[-1]

        if self.offers:
            scope["extensions"][WHOLE_ANSWER] = noted
        await self.gateway(scope, receive, send)


@dataclass
class Way:
    """One of the two ways to be answered."""

    app: Offering
    url: str

    async def told(self, requests: Sequence[bytes]) -> tuple[list[Told], bool]:
        """All answers to requests that are sent in one packet, and whether the server hung up then."""
        address = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            writer.write(b"".join(requests))
            async with asyncio.timeout(PATIENCE):
                answers = [await _answer(reader, request) for request in requests]
                try:
                    async with asyncio.timeout(0.05):
                        rest = await reader.read()
                except TimeoutError:
                    return answers, False
                assert rest == b""
                return answers, True
        finally:
            writer.close()


async def _answer(reader: asyncio.StreamReader, request: bytes) -> Told:
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
    fields = sorted((name, value) for name, _, value in (line.partition(b": ") for line in lines))
    length = int(dict(fields).get(b"content-length", b"0"))
    body = b"" if request.startswith(b"HEAD") else await reader.readexactly(length)
    assert len(dict(fields)[b"date"]) == len("Wed, 25 Nov 2026 12:00:00 GMT")
    return status, [(name, b"" if name == b"date" else value) for name, value in fields], body


def request(
    method: bytes = b"GET", path: bytes = b"/v1/shelf/kopi", *lines: bytes, number: int = 1, version: bytes = b"1.1"
) -> bytes:
    """One request as it goes over the wire."""
    more = b"".join(line + b"\r\n" for line in lines)
    return (REQUEST % (method, path, number, more)).replace(b"HTTP/1.1", b"HTTP/" + version)


@pytest.fixture
async def ways(cluster: Cluster) -> AsyncIterator[tuple[Way, Way]]:
    """The same gateway, which has its answer, both ways."""
    async with opened(cluster.settings, cors_origins=(ORIGIN.decode(),)) as shop:
        shop.state.size = 3000
        for path in ("/v1/shelf/kopi", "/v1/shelf/kopi?old=x"):
            await shop.warm.get(path)
        apps = Offering(shop.gateway, offers=True), Offering(shop.gateway, offers=False)
        async with served(apps[0], cluster.settings) as one, served(apps[1], cluster.settings) as other:
            yield Way(apps[0], one), Way(apps[1], other)


TAG = b'If-None-Match: "kopi-1-40-id"'
CASES = {
    "200": [request()],
    "304": [request(b"GET", b"/v1/shelf/kopi", TAG)],
    "head": [request(b"HEAD")],
    "head 304": [request(b"HEAD", b"/v1/shelf/kopi", TAG)],
    "origin": [request(b"GET", b"/v1/shelf/kopi", b"Origin: " + ORIGIN)],
    "deprecated": [request(b"GET", b"/v1/shelf/kopi?old=x")],
    "close": [request(b"GET", b"/v1/shelf/kopi", b"Connection: close")],
    "close 304": [request(b"GET", b"/v1/shelf/kopi", b"Connection: close", TAG)],
    "http/1.0": [request(version=b"1.0")],
    "http/1.0 kept": [request(b"GET", b"/v1/shelf/kopi", b"Connection: keep-alive", version=b"1.0")],
    "continue": [request(b"GET", b"/v1/shelf/kopi", b"Expect: 100-continue")],
    "pipelined": [request(number=1), request(b"HEAD", number=2), request(b"GET", b"/v1/shelf/kopi", TAG, number=3)],
}


@pytest.mark.parametrize("name", CASES)
async def test_the_same_both_ways(ways: tuple[Way, Way], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Answers, header field by header field, the end of the connection, lines of the log and figures."""
    requests, seen = CASES[name], []
    for way in ways:
        await logged(capsys)
        before = _counted()
        answers, closed = await way.told(requests)
        lines = [line for line in await logged(capsys) if line.get("logger") == "gateway.access"]
        for line in lines:
            assert line.pop("duration_ms") > 0
            del line["timestamp"]
        assert len(lines) == len(requests)
        counted = {key: now - before[key] for key, now in _counted().items()}
        assert sum(counted.values()) == len(requests)
        seen.append((answers, closed, lines, counted))
    assert seen[0] == seen[1]
    whole, plain = (way.app.taken for way in ways)
    # Of several in one packet, uvicorn has read the next before it answers: those wait for their turn as messages.
    assert whole == [False] * (len(requests) - 1) + [True]
    assert plain == []


async def test_the_next_request_of_a_kept_connection_is_answered(ways: tuple[Way, Way]) -> None:
    for way in ways:
        address = urlsplit(way.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        for number in range(20):
            sent = request(b"GET", b"/v1/shelf/kopi", *([TAG] if number % 3 else []), number=number)
            writer.write(sent)
            async with asyncio.timeout(PATIENCE):
                _, fields, _ = await _answer(reader, sent)
            assert dict(fields)[b"x-request-id"] == b"followed-%d" % number
        writer.close()
    assert ways[0].app.taken == [True] * 20


async def test_a_field_that_would_end_the_head_is_never_written(cluster: Cluster) -> None:
    async with opened(cluster.settings) as shop:
        shop.state.spoilt = {"x-more": "a\r\nset-cookie: b=1"}
        assert (await shop.warm.get("/v1/shelf/kopi")).status_code == 500


def _counted() -> dict[tuple[str, str], float]:
    labels = {"service": "shelf", "route": "/v1/shelf/{name}"}
    return {
        (method, status): value("ishop_request_seconds_count", **labels, method=method, status=status)
        for method in ("GET", "HEAD")
        for status in ("2xx", "3xx")
    }
