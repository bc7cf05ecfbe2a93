"""Services made of bytes, for what no real one does, and callers that look at every message of an answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.types import Message, Scope

from gateway.upstreams import Upstream

Reply = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Answers one request, of which the head has been read."""

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class WireService:
    """A server that notes the head of every request and answers as it is told."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.heads: list[bytes] = []
        self.connections = 0
        self.port = 0
        self._asked = asyncio.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def open(self, port: int = 0) -> AsyncIterator["WireService"]:
        server = await asyncio.start_server(self._talk, "127.0.0.1", port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def asked(self, times: int = 1) -> None:
        """Wait until so many requests have come."""
        async with self._asked:
            await self._asked.wait_for(lambda: len(self.heads) >= times)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                async with self._asked:
                    self._asked.notify_all()
                await self.reply(head, reader, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # The gateway hung up.
        finally:
            writer.close()


def answers(answer: bytes) -> Reply:
    """Every request with the same bytes."""

    async def reply(_head: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return reply


def breaks_off(after: bytes = b"") -> Reply:
    """Every connection, once it has sent `after`."""

    async def reply(_head: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(after)
        await writer.drain()
        writer.close()

    return reply


async def says_nothing(_head: bytes, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Until the gateway hangs up."""
    await reader.read()


@dataclass
class Caller:
    """One request to an upstream and what came back. `parts` of the body are given when asked for, then it waits."""

    method: str = "GET"
    path: bytes = b"/v1/things"
    query: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=lambda: [b""])
    messages: list[Message] = field(default_factory=list)
    given: int = 0

    def __post_init__(self) -> None:
        self.gone = asyncio.Event()
        self.takes = asyncio.Event()
        self.takes.set()

    async def call(self, upstream: Upstream) -> "Caller":
        scope: Scope = {
            "type": "http", "method": self.method, "path": self.path.decode(), "raw_path": self.path,
            "query_string": self.query, "headers": self.headers,
        }  # fmt: skip
        await upstream(scope, self._receive, self._send)
        return self

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def fields(self) -> dict[bytes, bytes]:
        return dict(self.messages[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    async def _receive(self) -> Message:
        if self.given < len(self.parts):
            self.given += 1
            return {
                "type": "http.request",
                "body": self.parts[self.given - 1],
                "more_body": self.given < len(self.parts),
            }
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        await self.takes.wait()
        self.messages.append(message)
