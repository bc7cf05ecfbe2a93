"""Doors for tests: a gateway before services of the test's choice, with a client that knocks."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from gateway.app import Gateway
from gateway.rate_limits import RateLimits
from gateway.routes import IDENTITY, Route
from ishop.service import Runtime
from ishop.settings import Settings
from tests.modes import Mode, upstreams

BASE_URL = "http://market.test"


class Door:
    """A gateway, the services behind it, and an anonymous client."""

    def __init__(
        self, gateway: Gateway, services: Mapping[str, FastAPI], runtime: Runtime, client: AsyncClient
    ) -> None:
        self.gateway = gateway
        self.services = services
        self.runtime = runtime
        self.client = client


@asynccontextmanager
async def open_door(
    settings: Settings,
    routes: Iterable[Route],
    services: Mapping[str, Any],
    *,
    address: str = "127.0.0.1",
    mode: Mode = Mode.in_process,
) -> AsyncIterator[Door]:
    """A gateway with these routes before `services`, made by their `create_app` functions; closed at the end."""
    runtime = Runtime.of(settings)
    apps: dict[str, FastAPI] = {name: create(runtime) for name, create in services.items()}
    async with upstreams(apps, mode, settings) as reached:
        key_tokens = apps[IDENTITY].state.key_tokens if IDENTITY in apps else None
        limits = RateLimits.of(settings)
        gateway = Gateway(runtime, reached, tuple(routes), key_tokens, limits=limits)
        transport = ASGITransport(gateway, client=(address, 50000))
        async with AsyncClient(transport=transport, base_url=BASE_URL) as client:
            try:
                yield Door(gateway, apps, runtime, client)
            finally:
                if limits is not None:
                    await limits.close()
