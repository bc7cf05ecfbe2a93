"""What the gateway answers by itself: health, the API document with its page, and the public keys."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from importlib.resources import files
from typing import Any, Final

import orjson
import structlog
from starlette.responses import RedirectResponse, Response
from starlette.types import Message, Scope

from gateway.rate_limits import RateLimits
from gateway.upstreams import Upstream
from ishop.errors import Unavailable
from ishop.service import Runtime

log = structlog.get_logger(__name__)

Page = Callable[[str], Awaitable[Response]]
"""Takes what the caller accepts (its Accept header) and answers, or raises an AppError."""

HEALTH: Final = frozenset({"/healthz", "/readyz"})
"""Asked by machines every second: never limited, and not worth a line in the log."""

READY_SECONDS: Final = 2.0
"""How long a service may take to say that it is ready."""
READY_KEPT_SECONDS: Final = 1.0
"""How long the answer is given again without asking, so that a flood of questions is not one of database queries."""

OK: Final = "ok"
DOWN: Final = "unavailable"

ASSET_CACHE: Final = "public, max-age=3600"
# Swagger UI sets styles from its script; everything else, above all code, comes from this address or not at all.
DOCS_POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Pages:
    """The gateway's own pages by path; each answers GET and HEAD."""

    def __init__(
        self,
        runtime: Runtime,
        upstreams: Mapping[str, Upstream],
        document: Callable[[], Awaitable[dict[str, Any]]],
        limits: RateLimits | None,
    ) -> None:
        self._keys = runtime.verifier.keys
        self._upstreams = upstreams
        self._document = document
        self._limits = limits
        self._document_bytes: bytes | None = None
        self._ready_until = 0.0
        self._ready: dict[str, str] = {}
        swagger, own = files("fastapi_swagger.resources"), files("gateway").joinpath("docs")
        self._assets: dict[str, tuple[Any, str]] = {
            "/docs": (own.joinpath("index.html"), "text/html"),
            "/docs/start.js": (own.joinpath("start.js"), "text/javascript"),
            "/docs/swagger-ui.css": (swagger.joinpath("swagger-ui.css"), "text/css"),
            "/docs/swagger-ui-bundle.js": (swagger.joinpath("swagger-ui-bundle.js"), "text/javascript"),
            "/docs/favicon.png": (swagger.joinpath("favicon-32x32.png"), "image/png"),
        }
        self._pages: dict[str, Page] = {
            "/": self._front_door,
            "/healthz": self._health,
            "/readyz": self._readiness,
            "/openapi.json": self._openapi,
            "/.well-known/jwks.json": self._jwks,
        }

    def find(self, path: str) -> Page | None:
        """The page at `path`; None where there is none."""
        asset = self._assets.get(path)
        if asset is None:
            return self._pages.get(path)

        async def answer(_accept: str) -> Response:
            file, media_type = asset
            # Read anew each time: browsers keep it, and the bundle is too large to hold in memory for its few readers.
            body = await asyncio.to_thread(file.read_bytes)
            headers = {
                "Cache-Control": ASSET_CACHE,
                "Content-Security-Policy": DOCS_POLICY,
                "Cross-Origin-Opener-Policy": "same-origin",
            }
            return Response(body, headers=headers, media_type=media_type)

        return answer

    async def _front_door(self, accept: str) -> Response:
        if "text/html" in accept:
            return RedirectResponse("/docs")
        return _json(orjson.dumps({"name": "i-Shop", "documentation": "/docs", "openapi": "/openapi.json"}))

    async def _health(self, _accept: str) -> Response:
        return _json(b'{"status":"ok"}')

    async def _readiness(self, _accept: str) -> Response:
        """Not ready where no service is. While one is, the gateway must get requests, or one failure would be all."""
        if time.monotonic() > self._ready_until:
            ready = await asyncio.gather(*(_is_ready(upstream) for upstream in self._upstreams.values()))
            found = {name: OK if well else DOWN for name, well in zip(self._upstreams, ready, strict=True)}
            self._ready_until = time.monotonic() + READY_KEPT_SECONDS
            if found != self._ready:
                log.warning("readiness changed", **found)
            self._ready = found
        states = set(self._ready.values())
        if states == {DOWN}:
            raise Unavailable
        status = OK if states == {OK} else "degraded"
        answer: dict[str, Any] = {"status": status, "upstreams": self._ready}
        if self._limits is not None and self._limits.shares:
            # No reason to be sent fewer requests: only the limits are looser, each gateway counting for itself.
            answer["rate_limits"] = self._limits.counted_in
        return _json(orjson.dumps(answer))

    async def _openapi(self, _accept: str) -> Response:
        if self._document_bytes is None:
            self._document_bytes = orjson.dumps(await self._document())
        return _json(self._document_bytes, "no-cache")

    async def _jwks(self, _accept: str) -> Response:
        if not self._keys.are_fresh:
            await self._keys.freshen()
        # Not longer than a new key is published before it signs.
        return _json(orjson.dumps({"keys": self._keys.living()}), "public, max-age=15")


def _json(body: bytes, cache: str = "no-store") -> Response:
    return Response(body, headers={"Cache-Control": cache}, media_type="application/json")


async def _is_ready(upstream: Upstream) -> bool:
    """Ask a service for its /readyz, whichever way it is reached."""
    status = 0
    parts: Iterator[Message] = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Message:
        return next(parts, None) or await asyncio.get_running_loop().create_future()

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]

    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/readyz",
        "raw_path": b"/readyz",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"gateway")],
        "client": None,
        "server": None,
    }
    try:
        async with asyncio.timeout(READY_SECONDS):
            await upstream(scope, receive, send)
    except Exception:  # noqa: BLE001 - whatever is wrong with a service, the answer is the same: it is not ready.
        return False
    return status == 200  # noqa: PLR2004 - the HTTP status OK
