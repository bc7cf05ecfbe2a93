"""Clients that are slow, silent or too many, on real sockets: they go, and nobody else notices.

Nothing here waits for real seconds: the clock of the connections is moved.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from typing import cast

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from ishop.connections import AFTER_ANSWER_SECONDS, GRACE_SECONDS, HEAD_SECONDS, Connections

PATIENCE = 20
IDLE_SECONDS = 75
MOST = 250
ANSWER = 32 * 1024 * 1024

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Server:
    """A running server, its connections, and how to call it."""

    def __init__(self, connections: Connections, clock: Clock, port: int) -> None:
        self.connections = connections
        self._clock = clock
        self._port = port
        self._clients: list[Client] = []

    async def connect(self, sent: bytes = b"") -> Client:
        client = await asyncio.open_connection("127.0.0.1", self._port)
        self._clients.append(client)
        client[1].write(sent)
        await client[1].drain()
        return client

    async def status(self, sent: bytes) -> int:
        reader, _ = await self.connect(sent)
        return int((await asyncio.wait_for(reader.readline(), PATIENCE)).split()[1])

    async def until(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while len(self.connections) != count:  # noqa: ASYNC110 - a count has no event.
                await asyncio.sleep(0.01)

    def pass_by(self, seconds: float) -> None:
        self._clock.now += seconds
        self.connections.sweep()

    def close(self) -> None:
        for _, writer in self._clients:
            writer.transport.abort()


class Wire(asyncio.Transport):
    """In the place of a socket: what was sent, piece by piece."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 50_000), "sockname": ("127.0.0.1", 80)})
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces.append(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """There is nothing to read from."""

    def resume_reading(self) -> None:
        """There is nothing to read from."""

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body, then answers: at /large with more than any buffer takes; at /early without reading it."""
    message = {"type": "http.request"} if scope["path"] == "/early" else await receive()
    while message.get("more_body"):
        message = await receive()
    if message["type"] == "http.disconnect":
        return
    body = b"x" * (ANSWER if scope["path"] == "/large" else 2)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def protocols(connections: Connections, app: ASGIApp = application) -> Callable[[], asyncio.Protocol]:
    """What makes the protocol of one connection, as uvicorn does."""
    made = cast("type[asyncio.Protocol]", connections.protocol)
    config = uvicorn.Config(app, http=made, ws="none", lifespan="off", log_config=None, timeout_keep_alive=IDLE_SECONDS)
    config.load()
    state = uvicorn.Server(config).server_state
    return lambda: connections.protocol(config=config, server_state=state, app_state={})


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    clock = Clock()
    connections = Connections(MOST, clock)
    listening = await asyncio.get_running_loop().create_server(protocols(connections), "127.0.0.1", 0)
    running = Server(connections, clock, listening.sockets[0].getsockname()[1])
    yield running
    running.close()
    listening.close()
    with suppress(TimeoutError):
        await running.until(0)


GET = b"GET / HTTP/1.1\r\nHost: market\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: market\r\nContent-Length: 100000\r\n\r\n"


class TestAnswers:
    async def test_an_answer_leaves_in_one_piece(self) -> None:
        wire, connection = Wire(), protocols(Connections(MOST))()
        connection.connection_made(wire)
        connection.data_received(GET)
        async with asyncio.timeout(PATIENCE):
            while not wire.pieces:  # noqa: ASYNC110 - the stand-in of a socket has no event for it.
                await asyncio.sleep(0)
        [answer] = wire.pieces
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"\r\n\r\nxx")

    async def test_what_waits_is_sent_before_the_connection_closes(self) -> None:
        wire, connection = Wire(), protocols(Connections(MOST))()
        connection.connection_made(wire)
        connection.data_received(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        async with asyncio.timeout(PATIENCE):
            while not wire.closed:  # noqa: ASYNC110 - the stand-in of a socket has no event for it.
                await asyncio.sleep(0)
        assert wire.pieces[0].endswith(b"\r\n\r\nxx")

    async def test_many_requests_in_one_packet_are_answered_in_order(self, server: Server) -> None:
        paths = [b"/early", b"/large", b"/", b"/early"]
        reader, _ = await server.connect(b"".join(GET.replace(b"/", path, 1) for path in paths))
        for path in paths:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
            length = ANSWER if path == b"/large" else 2
            assert b"content-length: %d\r\n" % length in head
            assert await asyncio.wait_for(reader.readexactly(length), PATIENCE) == b"x" * length


class TestSlowness:
    @pytest.mark.parametrize("sent", [b"", b"GET /a", b"GET / HTTP/1.1\r\nHost: market\r\nX-A: "])
    async def test_two_hundred_heads_that_never_end_neither_stop_others_nor_stay(
        self, server: Server, sent: bytes
    ) -> None:
        slow = [await server.connect(sent) for _ in range(200)]
        await server.until(200)
        assert await server.status(GET) == 200
        server.pass_by(HEAD_SECONDS - 1)
        for _, writer in slow:
            writer.write(b"x" if sent else b"")  # A byte now and then does not help.
        assert await server.status(GET) == 200
        server.pass_by(2)
        for reader, _ in slow:
            assert (await asyncio.wait_for(reader.readline(), PATIENCE)).startswith(b"HTTP/1.1 408")
        await server.until(2)

    async def test_two_hundred_bodies_that_dribble_go(self, server: Server) -> None:
        slow = [await server.connect(POST + b"a") for _ in range(200)]
        await server.until(200)
        assert await server.status(GET) == 200
        server.pass_by(GRACE_SECONDS + 1)
        for reader, _ in slow:
            assert (await asyncio.wait_for(reader.readline(), PATIENCE)).startswith(b"HTTP/1.1 408")
        await server.until(1)

    async def test_a_body_on_a_bad_line_may_take_its_time(self, server: Server) -> None:
        reader, writer = await server.connect(POST)
        for _ in range(10):
            writer.write(b"x" * 10_000)
            await writer.drain()
            await asyncio.sleep(0.02)
            server.pass_by(GRACE_SECONDS)
        assert (await asyncio.wait_for(reader.readline(), PATIENCE)).startswith(b"HTTP/1.1 200")

    async def test_an_answer_that_nobody_reads_is_given_up(self, server: Server) -> None:
        await server.connect(b"GET /large HTTP/1.1\r\nHost: market\r\n\r\n")
        await server.until(1)
        await asyncio.sleep(0.1)
        server.pass_by(1)
        await server.until(1)
        server.pass_by(GRACE_SECONDS + ANSWER / 5000 + 1)
        await server.until(0)

    async def test_who_is_answered_early_may_not_send_for_ever(self, server: Server) -> None:
        reader, _ = await server.connect(POST.replace(b"/", b"/early", 1))
        assert (await asyncio.wait_for(reader.readline(), PATIENCE)).startswith(b"HTTP/1.1 200")
        server.pass_by(AFTER_ANSWER_SECONDS + 1)
        await server.until(0)

    async def test_an_idle_connection_ends_when_it_was_kept_long_enough(self, server: Server) -> None:
        kept, writer = await server.connect(GET)
        for _ in range(2):
            assert (await asyncio.wait_for(kept.readuntil(b"\r\n\r\nxx"), PATIENCE)).startswith(b"HTTP/1.1 200")
            server.pass_by(IDLE_SECONDS)
            writer.write(GET)
        assert (await asyncio.wait_for(kept.readuntil(b"\r\n\r\nxx"), PATIENCE)).startswith(b"HTTP/1.1 200")
        server.pass_by(IDLE_SECONDS + 0.1)
        assert await asyncio.wait_for(kept.read(), PATIENCE) == b""
        await server.until(0)


class TestHead:
    async def test_one_without_an_end_is_refused(self, server: Server) -> None:
        reader, writer = await server.connect(b"GET / HTTP/1.1\r\nHost: market\r\n")
        with suppress(ConnectionError):
            for number in range(4000):
                writer.write(b"X-%d: %s\r\n" % (number, b"y" * 50))
                await writer.drain()
        assert (await asyncio.wait_for(reader.readline(), PATIENCE)).startswith(b"HTTP/1.1 431")
        await server.until(0)


class TestCrowd:
    async def test_the_longest_idle_makes_room(self, server: Server) -> None:
        for _ in range(MOST + 50):
            await server.connect(b"GET /")
        assert await server.status(GET) == 200
        assert len(server.connections) <= MOST

    async def test_refused_when_all_are_at_work(self, server: Server) -> None:
        for _ in range(MOST):
            await server.connect(POST)
        await server.until(MOST)
        async with asyncio.timeout(PATIENCE):
            while await server.status(GET) != 503:  # noqa: ASYNC110 - it may have taken the last place itself.
                await asyncio.sleep(0.01)
        assert len(server.connections) <= MOST
