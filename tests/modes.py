"""The two ways to run: every service in the gateway's process, or each behind a socket of its own."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from enum import StrEnum

from fastapi import FastAPI
from starlette.types import ASGIApp

from gateway.over_http import OverHttp
from gateway.upstreams import InProcess, Upstream
from ishop.service import close_service
from ishop.settings import Settings
from ishop.up import serve


class Mode(StrEnum):
    """How the gateway reaches services."""

    in_process = "in process"
    over_http = "over http"


MODES = tuple(Mode)


@asynccontextmanager
async def served(app: ASGIApp, settings: Settings, *, port: int = 0) -> AsyncIterator[str]:
    """The application on a loopback port, served as the processes do it; its address."""
    with socket.create_server(("127.0.0.1", port)) as door:
        ready, stop = asyncio.Event(), asyncio.Event()
        serving = asyncio.create_task(serve(app, door, stop, settings, ready=ready.set))
        await ready.wait()
        try:
            yield f"http://127.0.0.1:{door.getsockname()[1]}"
        finally:
            stop.set()
            await serving


@asynccontextmanager
async def upstreams(
    services: Mapping[str, FastAPI], mode: Mode, settings: Settings
) -> AsyncIterator[Mapping[str, Upstream]]:
    """`services` as the gateway reaches them; identity stays with it in both modes. All is closed at the end."""
    apart = [name for name in services if name != "identity"] if mode is Mode.over_http else []
    reached: dict[str, Upstream] = {name: InProcess(app) for name, app in services.items() if name not in apart}
    async with AsyncExitStack() as stack:
        for name in apart:
            stack.push_async_callback(close_service, services[name])
            url = await stack.enter_async_context(served(services[name], settings))
            reached[name] = OverHttp(name, url, settings.request_seconds)
        for upstream in reached.values():
            stack.push_async_callback(upstream.close)
        yield reached
