"""`ishop up` and `ishop serve`: the market behind its gateway in one process, until it is asked to stop."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from ishop.home import StartupError
from ishop.market import Market, assemble, assemble_jobs
from ishop.settings import Role, Settings
from ishop.worker import run_worker

SHUTDOWN_SECONDS = 10


class Server(uvicorn.Server):
    """uvicorn, with the signals left to us: it would raise them again before the other parts are stopped."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the handlers alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.started:
            self._ready()


def listen(settings: Settings) -> socket.socket:
    """The socket of the market's door; raises StartupError where the port is taken or not allowed."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the socket names its protocol; with it every answer waits 40 ms.
    door = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((settings.host, settings.port))
        door.listen()
    except OSError as error:
        door.close()
        raise StartupError(
            f"Port {settings.port} on {settings.host} cannot be used ({error.strerror}). "
            f"Set ISHOP_PORT to a free one, for example ISHOP_PORT={settings.port + 1}."
        ) from error
    return door


def asked_to_stop() -> asyncio.Event:
    """An event that SIGINT (Ctrl-C) and SIGTERM set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def serve(app: ASGIApp, door: socket.socket, stop: asyncio.Event, *, ready: Callable[[], None]) -> None:
    """Answer at `door` until `stop`, then finish what was begun; `ready` is called when the first request may come."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    server = Server(config, ready)
    serving = asyncio.create_task(server.serve(sockets=[door]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stopping.cancel()
    await serving


@asynccontextmanager
async def working_market(settings: Settings, stop: asyncio.Event) -> AsyncIterator[Market]:
    """The market with its worker, both in this process; the worker finishes its jobs at the end, or sets `stop`."""
    market = assemble(settings)
    ending = asyncio.Event()
    worker = asyncio.create_task(run_worker(settings.database_dsn(Role.worker), market.jobs, stop=ending))
    # A market whose worker died takes orders that nobody expires and changes that nobody indexes: it must end.
    worker.add_done_callback(lambda _: stop.set())
    try:
        yield market
    finally:
        ending.set()
        try:
            await worker
        finally:
            await market.close()


async def work(settings: Settings, stop: asyncio.Event) -> None:
    """`ishop serve worker`: the worker as a process of its own."""
    jobs, databases = assemble_jobs(settings)
    try:
        await run_worker(settings.database_dsn(Role.worker), jobs, stop=stop)
    finally:
        for database in databases:
            await database.close()
