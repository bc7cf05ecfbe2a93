"""Whole answers past uvicorn's messages: when they are taken, and what is left as uvicorn expects it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from ishop.connections import WHOLE_ANSWER, Connections, written
from tests.ishop.test_connections import GET, PATIENCE, POST, Wire, protocols

HEAD = written([(b"content-length", b"2")], 200)
Before = Callable[[Any], None]


class Answering:
    """An application that gives a whole answer, twice, or the messages of one where that is not taken.

    `before` does something to the connection first.
    """

    def __init__(self, before: Before = lambda _: None) -> None:
        self.wire = Wire()
        self.connection: Any = protocols(Connections(10), self)()
        self.connection.connection_made(self.wire)
        self.taken: list[bool] = []
        self._before = before

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        self._before(self.connection)
        whole = scope["extensions"][WHOLE_ANSWER]
        self.taken += [whole(scope, HEAD, b"xx"), whole(scope, HEAD, b"xx")]
        if self.taken[-2:] == [False, False]:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"xx"})

    async def sent(self, request: bytes) -> bytes:
        """What a request is answered with, once its application is through."""
        self.connection.data_received(request)
        tasks = self.connection.server_state.tasks
        async with asyncio.timeout(PATIENCE):
            while tasks:  # noqa: ASYNC110 - uvicorn has no event for it.
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        return b"".join(self.wire.pieces)


async def test_written_once_and_left_as_after_any_answer() -> None:
    app = Answering()
    app.connection.server_state.default_headers = [(b"date", b"now")]
    assert await app.sent(GET) == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ndate: now\r\n\r\nxx"
    assert app.taken == [True, False]
    cycle = app.connection.cycle
    assert cycle.response_started
    assert cycle.response_complete
    assert cycle.message_event.is_set()
    assert await cycle.receive() == {"type": "http.disconnect"}
    assert app.connection.waits_for_head
    assert app.connection.server_state.total_requests == 1
    assert not app.wire.closed
    with pytest.raises(RuntimeError):
        await cycle.send({"type": "http.response.start", "status": 200, "headers": []})


@pytest.mark.parametrize(
    ("request_", "before"),
    [
        (GET.replace(b"Host", b"Connection: close\r\nHost"), lambda _: None),
        (GET.replace(b"1.1", b"1.0"), lambda _: None),
        (GET, lambda connection: connection.shutdown()),
    ],
    ids=["asked for", "http/1.0", "the door closes"],
)
async def test_the_connection_ends_when_it_is_not_kept(request_: bytes, before: Before) -> None:
    app = Answering(before)
    assert (await app.sent(request_)).endswith(b"\r\nconnection: close\r\n\r\nxx")
    assert app.taken == [True, False]
    assert app.wire.closed


async def test_no_body_when_only_the_head_was_asked_for() -> None:
    assert (await Answering().sent(GET.replace(b"GET", b"HEAD"))).endswith(b"content-length: 2\r\n\r\n")


async def test_nothing_is_asked_of_a_client_that_is_answered_already() -> None:
    app = Answering()
    answer = await app.sent(POST.replace(b"Host", b"Expect: 100-continue\r\nHost"))
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert not app.connection.waits_for_head  # Its body is still to come.


async def test_left_to_messages_when_the_client_does_not_read() -> None:
    app = Answering(lambda connection: connection.pause_writing())
    asyncio.get_running_loop().call_later(0.05, app.connection.resume_writing)
    assert await app.sent(GET) == HEAD + b"\r\nxx"
    assert app.taken == [False, False]


async def test_nothing_is_written_when_the_client_has_gone() -> None:
    app = Answering(lambda connection: connection.connection_lost(None))
    assert await app.sent(GET) == b""
    assert app.taken == [False, False]


async def test_left_to_messages_when_the_next_request_is_here() -> None:
    app = Answering()
    assert await app.sent(GET + GET) == (HEAD + b"\r\nxx") * 2
    assert app.taken == [False, False, True, False]


@pytest.mark.parametrize(
    "field",
    [
        (b"x-a", b"1\r\nset-cookie: a=1"), (b"x-a", b"1\r\n\r\nHTTP/1.1 200 OK"), (b"x-a", b"1\n"), (b"x-a", b"1\r"),
        (b"x-a", b"\0"), (b"x-a", b"\x7f"), (b"x-a: 1\r\nx-b", b"1"),
    ],
)  # fmt: skip
def test_a_field_that_would_break_out_is_not_written(field: tuple[bytes, bytes]) -> None:
    for fields in ([field], [(b"x-c", b"2"), field], [field, field]):
        with pytest.raises(ValueError, match="header field"):
            written(fields)
