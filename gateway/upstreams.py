"""How the gateway reaches a service. Which way it is, is decided where the process is put together, nowhere else."""

from typing import Any, Final, Protocol

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from ishop.openapi import service_document
from ishop.service import close_service


class Upstream(Protocol):
    """A service as the gateway sees it: an ASGI callable for HTTP requests that can be described and closed.

    It answers with a status below 500 or with a problem; an exception is the gateway's 500. It sees the caller only in
    the `Authorization` header, which it verifies itself.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

    async def document(self) -> dict[str, Any]:
        """The OpenAPI document of the service."""

    async def close(self) -> None:
        """Give back what was opened to reach it."""


class InProcess:
    """A service in this process: a direct call, no connection and no copy in between."""

    def __init__(self, app: FastAPI) -> None:
        self.app: Final = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    async def document(self) -> dict[str, Any]:
        """The document that FastAPI draws from the routes, completed with what the kernel adds to each of them."""
        return service_document(self.app)

    async def close(self) -> None:
        """Give back what the service holds."""
        await close_service(self.app)
