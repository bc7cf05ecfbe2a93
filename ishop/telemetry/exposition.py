"""`/metrics`, at a port of its own: the public door has no such page, so nothing has to guard it there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Final

import structlog
import uvicorn
from prometheus_client import exposition
from prometheus_client.metrics_core import Metric
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from ishop.home import StartupError
from ishop.settings import Settings
from ishop.telemetry.metrics import REGISTRY, pool_families
from ishop.telemetry.readings import Readings
from ishop.up import Server, bind

log = structlog.get_logger(__name__)

DISTANCE: Final = 1000
"""The default port is the process's own and so many more: processes side by side on one machine have each its own."""
LAST_PORT: Final = 65535
IDLE_SECONDS: Final = 75


@asynccontextmanager
async def exposed(settings: Settings, readings: Readings | None = None) -> AsyncIterator[None]:
    """Show the figures of this process while inside, at ISHOP_METRICS_HOST and ISHOP_METRICS_PORT (0 for not at all).

    Raises StartupError where the port that was asked for cannot be used; without the default one the market goes on.
    """
    port = settings.port + DISTANCE if settings.metrics_port is None else settings.metrics_port
    if not 0 < port <= LAST_PORT:
        yield
        return
    try:
        door = bind(settings.metrics_host, port, "ISHOP_METRICS_PORT")
    except StartupError as error:
        if settings.metrics_port is not None:
            raise
        log.warning("no figures are shown", reason=str(error))
        yield
        return
    config = uvicorn.Config(
        _application(readings),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=1,
    )
    server = Server(config, ready=lambda: log.info("figures are shown", address=f"{settings.metrics_host}:{port}"))
    serving = asyncio.create_task(server.serve(sockets=[door]))
    try:
        yield
    finally:
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        if readings is not None:
            await readings.close()


def _application(readings: Readings | None) -> Starlette:
    async def metrics(request: Request) -> Response:
        # Everything that lives in the event loop is read here; to write it out takes milliseconds, so a thread does.
        found: list[Metric] = [*pool_families(), *(await readings.families() if readings is not None else ())]
        encode, content_type = exposition.choose_encoder(request.headers.get("accept", ""))
        text = await asyncio.to_thread(encode, _Scrape(found))
        return Response(text, headers={"Content-Type": content_type, "Cache-Control": "no-store"})

    app = Starlette()
    app.add_route("/metrics", metrics)
    return app


class _Scrape:
    """All figures of one scrape, as the library's encoders want them."""

    def __init__(self, read: Iterable[Metric]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        yield from REGISTRY.collect()
        yield from self._read
