"""The service factory: every service is the same kind of FastAPI application around its routers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ishop import openapi, problems
from ishop.auth import Verifier
from ishop.database import Database
from ishop.errors import Unavailable
from ishop.idempotency import Gates
from ishop.pagination import Cursors
from ishop.settings import Role, Settings

DOCUMENT_PATH: Final = "/internal/openapi.json"
"""Where a service shows its own document: to the gateway, whose route table has no such path."""


@dataclass(frozen=True)
class Runtime:
    """What all services of one process share."""

    settings: Settings
    verifier: Verifier

    @classmethod
    def of(cls, settings: Settings) -> "Runtime":
        """The runtime of a process with these settings."""
        return cls(settings, Verifier.from_settings(settings))


def create_service(name: str, role: Role, routers: Iterable[APIRouter], runtime: Runtime) -> FastAPI:
    """A service; `app.state` holds its `name`, `database`, `verifier`, `cursors` and `gates`. `close_service` ends it.

    What else lives as long as the service adds how it is closed to `app.state.closers`.
    """
    app = FastAPI(
        title=f"i-Shop {name}",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # FastAPI's own would tell what `ishop.telemetry` tells, and of a body more than may leave.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.name = name
    app.state.runtime = runtime
    app.state.database = Database(runtime.settings, role)
    # In reverse, so that nothing reads keys when the database closes.
    app.state.closers = [app.state.database.close, runtime.verifier.keys.close]
    runtime.verifier.keys.follow(app.state.database.fetch_row)
    app.state.verifier = runtime.verifier
    app.state.cursors = Cursors(runtime.settings.password(role))
    app.state.gates = Gates()
    problems.install(app)
    for router in routers:
        # As routes of the service itself: FastAPI looks for a route of an included router twice, router by router.
        app.router.routes.extend(router.routes)
    app.add_route("/healthz", healthz, include_in_schema=False)
    app.add_route("/readyz", readyz, include_in_schema=False)
    app.add_route(DOCUMENT_PATH, document, include_in_schema=False)
    return app


async def close_service(app: FastAPI) -> None:
    """Give back what the service holds, the last made first."""
    for close in reversed(app.state.closers):
        await close()


async def healthz(_: Request) -> Response:
    """The process lives."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """The process can serve: its database answers and is migrated. Else the 503 problem."""
    if not await request.app.state.database.is_migrated():
        raise Unavailable
    return JSONResponse({"status": "ok"})


async def document(request: Request) -> Response:
    """The service's own part of the OpenAPI document."""
    return JSONResponse(openapi.service_document(request.app))
