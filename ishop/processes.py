"""`ishop serve`: what a market consists of when it does not run in one process, one part a process."""

import asyncio
import contextlib
import importlib
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ishop.errors import Unavailable
from ishop.market import SERVICES, assemble, assemble_gateway, assemble_jobs
from ishop.problems import language_of, problem_response
from ishop.service import Runtime, close_service, healthz
from ishop.settings import Role, Settings
from ishop.telemetry.exposition import exposed
from ishop.telemetry.metrics import SERVICE_REQUEST_SECONDS, Requests
from ishop.telemetry.readings import Readings
from ishop.tls import Certificate
from ishop.up import serve
from ishop.worker import run_worker

MARKET: Final = "market"
GATEWAY: Final = "gateway"
WORKER: Final = "worker"
PARTS: Final = (MARKET, GATEWAY, *SERVICES, WORKER)


async def serve_part(
    part: str, settings: Settings, door: socket.socket, stop: asyncio.Event, *, ready: Callable[[], None]
) -> None:
    """Serve one of PARTS at `door` until `stop`, then finish what was begun, within `shutdown_seconds`."""
    if part == WORKER:
        await _serve_worker(settings, door, stop, ready)
        return
    async with _application(part, settings) as app, exposed(settings):
        certificate = Certificate.of(settings) if part in (MARKET, GATEWAY) else None
        await serve(app, door, stop, settings, ready=ready, certificate=certificate)


@asynccontextmanager
async def _application(part: str, settings: Settings) -> AsyncIterator[ASGIApp]:
    if part in SERVICES:
        service = importlib.import_module(SERVICES[part]).create_app(Runtime.of(settings))
        try:
            yield Measured(service, part)
        finally:
            await close_service(service)
    else:
        gateway = assemble_gateway(settings) if part == GATEWAY else assemble(settings).gateway
        try:
            yield gateway
        finally:
            await gateway.close()


class Measured:
    """A service in a process of its own, with its requests counted; in one process with it, the gateway counts them."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service
        self._requests = Requests(SERVICE_REQUEST_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. The application leaves the route that it found in `scope`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status: int | None = None

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        try:
            await self._app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", None)
            self._requests.count(self._service, scope["method"], route, status, time.perf_counter() - started)


async def _serve_worker(
    settings: Settings, door: socket.socket, stop: asyncio.Event, ready: Callable[[], None]
) -> None:
    """The worker, which answers only how it is; jobs that would run beyond the shutdown go back into the queue."""
    jobs, databases = assemble_jobs(settings)
    connected = asyncio.Event()
    working = asyncio.create_task(run_worker(settings.database_dsn(Role.worker), jobs, stop=stop, connected=connected))
    working.add_done_callback(lambda _: stop.set())
    try:
        async with exposed(settings, Readings(settings.database_dsn(Role.worker), jobs)):
            await serve(_health_of_worker(connected), door, stop, settings, ready=ready)
        await asyncio.wait({working}, timeout=settings.shutdown_seconds)
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
    finally:
        for database in databases:
            await database.close()


def _health_of_worker(connected: asyncio.Event) -> Starlette:
    async def readyz(request: Request) -> Response:
        if not connected.is_set():
            return problem_response(Unavailable(), language_of(request.headers.get("accept-language")))
        return JSONResponse({"status": "ok"})

    app = Starlette()
    app.add_route("/healthz", healthz)
    app.add_route("/readyz", readyz)
    return app
