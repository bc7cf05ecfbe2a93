"""A service made for looking at the gateway from behind: it answers what it sees, and misbehaves when asked."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from gateway.routes import MIB, Route
from ishop.auth import Caller
from ishop.context import request_id
from ishop.routing import service_router
from ishop.schemas import Schema
from ishop.service import Runtime, create_service
from ishop.settings import Role

PROBE = "probe"

ROUTES = (
    Route("GET", "/v1/seen", PROBE),
    Route("GET", "/v1/seen/{name}", PROBE),
    Route("GET", "/v1/seen/{name}/parts/{part}", PROBE),
    Route("GET", "/v1/mine", PROBE),
    Route("POST", "/v1/things", PROBE),
    Route("POST", "/v1/large-things", PROBE, body_limit=4 * MIB),
    Route("POST", "/v1/uploads", PROBE),
    Route("POST", "/v1/held", PROBE),
    Route("GET", "/v1/bug", PROBE),
    Route("GET", "/v1/broken-off", PROBE),
    Route("GET", "/v1/cacheable", PROBE),
    Route("POST", "/v1/sign-in", PROBE, signs_in=True),
)

router = service_router(tags=["probe"])

held = asyncio.Event()
"""Requests to /v1/held wait for it; `arrived` counts them."""
arrived = 0


class Thing(Schema):
    """Something to send."""

    text: str = Field(examples=["kopi"])


class Seen(Schema):
    """The request as the service saw it."""

    path: str
    name: str | None
    headers: list[tuple[str, str]]
    request_id: str | None


@router.get("/v1/seen")
@router.get("/v1/seen/{name}", name="named")
@router.get("/v1/seen/{name}/parts/{part}", name="part")
async def see(request: Request) -> Seen:
    """Answer what arrived."""
    return Seen(
        path=request.url.path,
        name=request.path_params.get("name"),
        headers=list(request.headers.items()),
        request_id=request_id.get(),
    )


@router.get("/v1/mine")
async def mine(caller: Caller) -> dict[str, str]:
    """Answer who calls."""
    return {"id": str(caller.id)}


@router.post("/v1/things")
@router.post("/v1/large-things", name="large")
async def take(body: Thing) -> dict[str, int]:
    """Answer how much text came."""
    return {"length": len(body.text)}


@router.post("/v1/held")
async def hold() -> dict[str, str]:
    """Take as long as the test wants."""
    global arrived  # noqa: PLW0603 - the probe runs in the process of its test.
    arrived += 1
    await held.wait()
    return {}


@router.post("/v1/uploads")
async def upload(request: Request) -> dict[str, int]:
    """Read a body in parts, as a file would be read."""
    length = 0
    async for part in request.stream():
        length += len(part)
    return {"length": length}


@router.get("/v1/bug")
async def bug() -> dict[str, str]:
    """Fail as only a bug fails."""
    raise RuntimeError("secret of the implementation")


@router.get("/v1/broken-off")
async def break_off() -> Response:
    """Fail in the middle of an answer."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"first half, "
        raise RuntimeError("secret of the implementation")

    return StreamingResponse(parts(), media_type="text/plain")


@router.get("/v1/cacheable")
async def cacheable() -> Response:
    """Answer something that everybody may keep."""
    return Response(b"{}", headers={"Cache-Control": "public, max-age=60"}, media_type="application/json")


@router.post("/v1/sign-in")
async def sign_in(request: Request) -> Seen:
    """Answer what arrived of somebody who signs in."""
    return await see(request)


def create_probe(runtime: Runtime) -> FastAPI:
    """The service; it is the gateway's own role, and reads nothing."""
    return create_service(PROBE, Role.gateway, [router], runtime)
