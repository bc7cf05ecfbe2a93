"""CORS: which web pages of other origins may call, told to the browsers that ask. Cookies are never allowed along."""

from typing import Final

from starlette.responses import Response

from gateway.answers import Headers

ALLOWED_FIELDS: Final = (
    "Accept-Language, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id"
)
EXPOSED_FIELDS: Final = (
    b"Deprecation, ETag, Idempotency-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, Sunset, "
    b"X-Request-Id"
)
MAX_AGE_SECONDS: Final = 7200
"""Browsers ask again after two hours at the latest, whatever is said."""


class Cors:
    """The origins that may call: ISHOP_CORS_ORIGINS."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins = frozenset(origins)

    def headers(self, origin: str | None) -> Headers:
        """What every answer to a caller of this origin says; nothing where no origin may call."""
        if not self._origins:
            return []
        vary = (b"vary", b"Origin")
        if origin is None or origin not in self._origins:
            return [vary]
        return [
            vary,
            (b"access-control-allow-origin", origin.encode()),
            (b"access-control-expose-headers", EXPOSED_FIELDS),
        ]

    def preflight(self, origin: str | None, methods: str) -> Response | None:
        """The answer to a browser that asks before it calls; None where this origin may not."""
        if origin is None or origin not in self._origins:
            return None
        return Response(
            status_code=204,
            headers={
                "Access-Control-Allow-Methods": methods,
                "Access-Control-Allow-Headers": ALLOWED_FIELDS,
                "Access-Control-Max-Age": str(MAX_AGE_SECONDS),
            },
        )
