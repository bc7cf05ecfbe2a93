"""The parts of the OpenAPI document that all operations share: introduction, security, parameters, header fields."""

from collections.abc import Mapping
from typing import Any, Final

from ishop import idempotency
from ishop.scopes import SCOPES

DESCRIPTION: Final = """\
The open backend of a regional marketplace for small producers: find, order, restock, ship.

**Errors** are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) `application/problem+json`. `code` is stable, `detail`
is a sentence in the language of `Accept-Language` (`id` or `en`), `errors` names parts of the request by JSON pointer.
Not yours is 404, like not there.

**Sign in** with `POST /v1/auth/token` and send `Authorization: Bearer …`. Access tokens live ten minutes.
Programs send an API key (`POST /v1/api-keys`) in the same place; it may do what its scopes say.

**Retry safely**: send an `Idempotency-Key` with every POST and PATCH. The same key with the same request gets the first
answer again (`Idempotency-Replayed: true`), with another request 422. Keys are kept for 7 days.

**Lists** answer `items` and `next_cursor`; send it as `cursor` to go on. **Edits** carry `If-Match` with the `ETag` of
what was read. **Money** is a whole number of rupiah, and whole
numbers are written without a fraction (`12`, not `12.0`). **Times** are UTC. Unknown fields and parameters are refused.

Every answer has an `X-Request-Id`: name it when something goes wrong.\
"""

SECURITY_SCHEME: Final = "SignIn"
KEY_SCHEME: Final = "ApiKey"

KEY_SCHEMA: Final = {
    "type": "string",
    "minLength": 1,
    "maxLength": idempotency.MAX_KEY_LENGTH,
    "pattern": "^[ -~]+$",
    "examples": ["order-2026-0117"],
}

COMPONENTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "securitySchemes": {
        SECURITY_SCHEME: {
            "type": "oauth2",
            "description": "Sign in with e-mail address and password; leave the client fields empty.",
            "flows": {"password": {"tokenUrl": "/v1/auth/token", "refreshUrl": "/v1/auth/token", "scopes": {}}},
        },
        KEY_SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "ishop_<prefix>_<secret>",
            "description": "An API key of a service account, sent like an access token. An operation names the scope "
            "that the key needs; operations that do not list this scheme are closed to keys. Scopes: "
            + ", ".join(f"`{scope}`" for scope in sorted(SCOPES))
            + ".",
        },
    },
    "parameters": {
        "AcceptLanguage": {
            "name": "Accept-Language",
            "in": "header",
            "description": "Language of texts and errors: `id` (default) or `en`",
            "schema": {"type": "string", "examples": ["en"]},
        },
        "RequestId": {
            "name": "X-Request-Id",
            "in": "header",
            "description": "Your own id for this request: 8 to 64 letters, digits and hyphens. Any other is replaced, "
            "and so is one that looks like a number of a person",
            "schema": {"type": "string", "examples": ["hotel-4711-2026"]},
        },
        "IdempotencyKey": {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Makes the request safe to send again",
            "schema": KEY_SCHEMA,
        },
        "RequiredIdempotencyKey": {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "description": "Makes the request safe to send again; this operation does not go without",
            "schema": KEY_SCHEMA,
        },
    },
    "headers": {
        "ETag": {
            "description": "The version of what is answered, for If-None-Match or If-Match",
            "schema": {"type": "string", "examples": ['"7"']},
        },
        "Location": {
            "description": "Where what was made can be read",
            "schema": {
                "type": "string",
                "format": "uri-reference",
                "examples": ["/v1/orders/0198c5b7-6f0e-7d3a-9f0e-2f4f3f1f6a10"],
            },
        },
        "Cache-Control": {
            "description": "Who may keep the answer, and for how long",
            "schema": {"type": "string", "examples": ["public, max-age=1", "no-store"]},
        },
        "Content-Language": {
            "description": "The language of the texts",
            "schema": {"type": "string", "enum": ["id", "en"]},
        },
        "RequestId": {"description": "The id of this request", "schema": {"type": "string"}},
        "RetryAfter": {"description": "Seconds to wait before another try", "schema": {"type": "integer"}},
        "RateLimit": {
            "description": "What is left: `r` requests in the next `t` seconds",
            "schema": {"type": "string", "examples": ['"reads";r=598;t=41']},
        },
        "RateLimitPolicy": {
            "description": "The limit: `q` requests in `w` seconds",
            "schema": {"type": "string", "examples": ['"reads";q=600;w=60']},
        },
        "Authenticate": {
            "description": "How to sign in; with 403, which scope an API key lacks",
            "schema": {
                "type": "string",
                "examples": ["Bearer", 'Bearer error="insufficient_scope", scope="stock:read"'],
            },
        },
        "Deprecation": {
            "description": "Since when what was called is deprecated: `@` and seconds since 1970 (RFC 9745)",
            "schema": {"type": "string", "examples": ["@1798761600"]},
        },
        "Sunset": {
            "description": "Until when it works (RFC 8594)",
            "schema": {"type": "string", "examples": ["Thu, 31 Dec 2026 23:59:59 GMT"]},
        },
        "Link": {
            "description": "What to call instead (`successor-version`) and where that is told (`deprecation`)",
            "schema": {"type": "string", "examples": ['</v1/orders>; rel="successor-version"']},
        },
        "Replayed": {
            "description": "`true` where this is the first answer again",
            "schema": {"type": "string", "examples": ["true"]},
        },
    },
}

HEADERS_OF_ALL: Final[Mapping[str, str]] = {
    "X-Request-Id": "RequestId",
    "RateLimit": "RateLimit",
    "RateLimit-Policy": "RateLimitPolicy",
}
"""The last two wherever limits are on, which they are outside development."""

HEADERS_OF_STATUS: Final[Mapping[int, Mapping[str, str]]] = {
    401: {"WWW-Authenticate": "Authenticate"},
    403: {"WWW-Authenticate": "Authenticate"},
    409: {"Retry-After": "RetryAfter"},  # Where the first request with the same Idempotency-Key is still at work.
    429: {"Retry-After": "RetryAfter"},
    503: {"Retry-After": "RetryAfter"},
}


def shows(status: int, *headers: str) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route whose answer of this status has these header fields."""
    return {status: {"headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers}}}
