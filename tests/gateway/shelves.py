"""A service whose public answers can be changed, counted, held up and spoilt, behind a gateway that remembers them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import orjson
from fastapi import FastAPI, Request
from httpx import ASGITransport, AsyncClient
from starlette.responses import Response

from gateway.app import Gateway
from gateway.public_cache import PublicCache
from gateway.rate_limits import RateLimits
from gateway.routes import Route
from ishop.deprecation import Deprecation
from ishop.errors import NotFound
from ishop.etags import IfNoneMatch, public_answer
from ishop.routing import CallerLanguage, service_router
from ishop.service import Runtime, create_service
from ishop.settings import Role, Settings
from tests.modes import Mode, upstreams

SHELF = "shelf"
BASE_URL = "http://market.test"
MIB = 1024 * 1024
OLD = Deprecation(date(2026, 1, 1), date(2026, 12, 31), "page", parameter="old")


class Clock:
    """Time as the test wants it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class State:
    """What the service tells, and what it was asked."""

    stock: int = 40
    asked: list[dict[str, str]] = field(default_factory=list)
    """The header fields of every request that it got."""
    spoilt: dict[str, str] = field(default_factory=dict)
    """Header fields that an answer has besides, or instead."""
    size: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


router = service_router(tags=["shelf"])


@router.get("/v1/shelf/{name}")
async def read(
    *,
    request: Request,
    name: str,
    language: CallerLanguage,
    page: int = 1,
    old: str | None = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Tell what is there, as every public page does; `missing` never is, and `slow` takes as long as the test wants."""
    state: State = request.app.state.shelf
    state.asked.append(dict(request.headers))
    stock = state.stock
    state.arrived.set()
    if name.startswith("slow"):
        await state.open.wait()
    if name.endswith("missing"):
        raise NotFound
    told = {"name": name, "language": language, "page": page, "old": old, "stock": stock, "more": "x" * state.size}
    version = f"{name}-{page}-{stock}"
    answer = public_answer(orjson.dumps(told), language, if_none_match, max_age=60, version=version)
    for header, value in state.spoilt.items():
        answer.headers[header] = value
    return answer


@router.get("/v1/own/{name}", name="own")
async def read_own(request: Request, name: str, language: CallerLanguage) -> Response:
    """The same at an address that is not for everybody."""
    return await read(request=request, name=name, language=language)


ROUTES = (
    Route("GET", "/v1/shelf/{name}", SHELF, public=True, deprecations=(OLD,)),
    Route("GET", "/v1/own/{name}", SHELF),
)


def create_shelf(runtime: Runtime) -> FastAPI:
    """The service; it reads no database."""
    app = create_service(SHELF, Role.gateway, [router], runtime)
    app.state.shelf = State()
    return app


@dataclass
class Shop:
    """A gateway with a memory, one without, and the service behind both."""

    warm: AsyncClient
    cold: AsyncClient
    state: State
    clock: Clock
    cache: PublicCache
    runtime: Runtime
    gateway: Gateway

    @property
    def asked(self) -> int:
        return len(self.state.asked)


@asynccontextmanager
async def opened(
    settings: Settings, mode: Mode = Mode.in_process, *, size: int = MIB, **more: Any
) -> AsyncIterator[Shop]:
    """A shop whose memory holds `size` bytes; `more` are other settings."""
    settings = settings.model_copy(update=more)
    runtime, clock = Runtime.of(settings), Clock()
    app = create_shelf(runtime)
    cache = PublicCache(size, clock)
    async with upstreams({SHELF: app}, mode, settings) as reached:
        gateway = Gateway(runtime, reached, ROUTES, limits=RateLimits.of(settings), cache=cache)
        without = Gateway(runtime, reached, ROUTES, limits=RateLimits.of(settings))
        transports = [ASGITransport(door, client=("192.0.2.1", 50000)) for door in (gateway, without)]
        async with (
            AsyncClient(transport=transports[0], base_url=BASE_URL) as warm,
            AsyncClient(transport=transports[1], base_url=BASE_URL) as cold,
        ):
            yield Shop(warm, cold, app.state.shelf, clock, cache, runtime, gateway)
        await cache.close()
