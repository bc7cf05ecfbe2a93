"""Serving until asked to stop, and `ishop up`: the market behind its gateway, with its worker, in one process."""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from ishop.connections import Connections
from ishop.errors import Unavailable
from ishop.home import StartupError
from ishop.market import Market, assemble
from ishop.problems import language_of, problem_response
from ishop.settings import Role, Settings
from ishop.tls import Certificate
from ishop.worker import run_worker

IDLE_SECONDS = 75
"""How long an idle connection is kept: longer than the gateway keeps those to the services (gateway.over_http)."""
CLOSE_SECONDS = 1
POLL_SECONDS = 0.02
TICKS_A_SECOND = 10
OBJECTS_BETWEEN_LOOKS = 10_000
"""How many objects come to be before the youngest are looked through for garbage; Python's own number is 700."""


class Server(uvicorn.Server):
    """uvicorn, with an eye on slow clients, `most` of them at once.

    The signals are left to us: it would raise them again before the other parts are stopped.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        ready: Callable[[], None],
        most: int = 100,
        certificate: Certificate | None = None,
    ) -> None:
        self._connections = Connections(most)
        config.http = cast("type[asyncio.Protocol]", self._connections.protocol)
        config.ws = "none"
        if certificate is not None:
            config.ssl_certfile, config.ssl_keyfile = str(certificate.chain), str(certificate.key)
        super().__init__(config)
        self._certificate = certificate
        self._ready = ready

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second; once, look for slow clients and a new certificate."""
        if counter % TICKS_A_SECOND == 0:
            self._connections.sweep()
            if self._certificate is not None and self.config.ssl is not None:
                self._certificate.renew(self.config.ssl)
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the handlers alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.started:
            # What is there now stays: looking through it again and again for garbage costs a tenth of all requests.
            gc.collect()
            gc.freeze()
            gc.set_threshold(OBJECTS_BETWEEN_LOOKS, *gc.get_threshold()[1:])
            self._ready()

    def have_answered_by(self, app: ASGIApp) -> None:
        """Give what comes from now on to this application."""
        self.config.loaded_app = app
        self._connections.have_answered_by(app)

    async def finish(self, seconds: float) -> None:
        """Listen no longer, wait for the requests being served, at most so many seconds, and end."""
        for server in getattr(self, "servers", ()):
            server.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.server_state.tasks:  # noqa: ASYNC110 - uvicorn has no event for it.
                    await asyncio.sleep(POLL_SECONDS)
        self.should_exit = True


def listen(settings: Settings) -> socket.socket:
    """The socket of the market's door; raises StartupError where the port is taken or not allowed."""
    return bind(settings.host, settings.port, "ISHOP_PORT")


def bind(host: str, port: int, variable: str) -> socket.socket:
    """A socket that listens; raises StartupError, which names the `variable` to set."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the socket names its protocol; with it every answer waits 40 ms.
    door = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((host, port))
        door.listen()
    except OSError as error:
        door.close()
        raise StartupError(
            f"Port {port} on {host} cannot be used ({error.strerror}). "
            f"Set {variable} to a free one, for example {variable}={port + 1}."
        ) from error
    return door


def asked_to_stop() -> asyncio.Event:
    """An event that SIGINT (Ctrl-C) and SIGTERM set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def serve(
    app: ASGIApp,
    door: socket.socket,
    stop: asyncio.Event,
    settings: Settings,
    *,
    ready: Callable[[], None],
    certificate: Certificate | None = None,
) -> None:
    """Answer at `door` until `stop`, over TLS with a `certificate`; `ready` is called when the first request may come.

    Then nobody new is let in, who sends on a kept connection is refused with 503, and what was taken is finished, for
    `shutdown_seconds` at most.
    """
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # uvicorn would believe anybody on this machine; see ISHOP_TRUSTED_PROXIES.
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=CLOSE_SECONDS,
    )
    server = Server(config, ready, settings.connections, certificate)
    # What is there now stays to the end. A batch of 10,000 rows makes the collector look for garbage, and walking over
    # all of the program each time takes as long as the batch.
    gc.collect()
    gc.freeze()
    serving = asyncio.create_task(server.serve(sockets=[door]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.have_answered_by(refuse)
    await server.finish(settings.shutdown_seconds)
    await serving


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """The application of a market that closes: it refuses everything, health included."""
    refusal = Unavailable()
    refusal.headers["Connection"] = "close"
    language = language_of(dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1"))
    await problem_response(refusal, language)(scope, receive, send)


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
