"""A tap on a connection to a server: what a service sends to its search engine, to the byte."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from ishop.child_process import LOOPBACK

PIECE: Final = 65536


@dataclass(slots=True)
class Tap:
    """Listens at `port` of 127.0.0.1 and passes everything on to the server behind it."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def tapped(server_port: int) -> AsyncIterator[Tap]:
    """A tap before the server at `server_port`, for clients that wait for each answer, as HTTP/1.1 clients do."""
    tap = Tap()

    async def serve(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        answers, to_server = await asyncio.open_connection(LOOPBACK, server_port)
        pending = bytearray()

        def note(piece: bytes) -> None:
            pending.extend(piece)

        def close_request(_piece: bytes) -> None:
            if pending:
                tap.requests.append(bytes(pending))
                pending.clear()

        forth = asyncio.create_task(_pass_on(client, to_server, note))
        try:
            await _pass_on(answers, to_client, close_request)
        finally:
            forth.cancel()
            to_client.close()
            to_server.close()

    listener = await asyncio.start_server(serve, LOOPBACK, 0)
    tap.port = listener.sockets[0].getsockname()[1]
    try:
        yield tap
    finally:
        listener.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await listener.wait_closed()


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter, seen: Callable[[bytes], None]) -> None:
    with suppress(ConnectionError):
        while piece := await source.read(PIECE):
            seen(piece)
            target.write(piece)
            await target.drain()
    target.close()
