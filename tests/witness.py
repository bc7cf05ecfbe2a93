"""Holds every answer that a test gets at the door to the document: status, code, header fields and shape.

What the code can raise and the document does not say fails the test that sees it first, whatever the test is about.
"""

from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
from openapi_schema_validator import OAS31Validator

from gateway.routes import ROUTES, RouteTable
from ishop.errors import MethodNotAllowed, NotFound

Document = dict[str, Any]

ROOT: Final = Path(__file__).parents[1]
TABLE: Final = RouteTable(ROUTES)
PROMISED: Final = frozenset(
    {
        "etag",
        "location",
        "content-language",
        "retry-after",
        "www-authenticate",
        "idempotency-replayed",
        "ratelimit",
        "ratelimit-policy",
        "deprecation",
        "sunset",
        "link",
    }
)
"""The header fields that callers build on; the others are the transport's."""
EVERYWHERE: Final = frozenset({"content-language"})
"""On all errors, and said in the introduction."""
CHECKED_SHAPES: Final = 3
"""How often an answer of one kind is held to its schema by one witness: checking a large one takes milliseconds."""


class Undocumented(AssertionError):
    """The door answered something that the document does not say."""


@lru_cache(maxsize=1)
def document() -> Document:
    """The committed document; `make check` holds it to the code."""
    loaded: Document = orjson.loads((ROOT / "openapi.json").read_bytes())
    return loaded


def _resolved(part: Document) -> Document:
    while "$ref" in part:
        _, _, kind, name = part["$ref"].split("/")
        part = document()["components"][kind][name]
    return part


class Witness:
    """Looks at the answers of many clients and remembers which kinds of them it has held to their schemas."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, int, str]] = Counter()

    async def look_at(self, answer: httpx.Response) -> None:
        """An event hook of a client: raises Undocumented for an answer that breaks a promise."""
        request = answer.request
        try:
            route = TABLE.find(request.method, request.url.raw_path.decode().partition("?")[0])
        except (NotFound, MethodNotAllowed):
            return
        await answer.aread()
        name = f"{route.method} {route.path}"
        operation = document()["paths"][route.path][route.method.lower()]
        if str(answer.status_code) not in operation["responses"]:
            raise Undocumented(f"{name} answered {answer.status_code}: {answer.text[:500]}")
        described = _resolved(operation["responses"][str(answer.status_code)])
        known = {header.lower() for header in described.get("headers", {})} | EVERYWHERE
        if more := PROMISED & answer.headers.keys() - known:
            raise Undocumented(f"{name} answered {answer.status_code} with {', '.join(sorted(more))}")
        if request.method != "HEAD" and answer.content:
            self._look_at_body(name, answer, described)

    def _look_at_body(self, name: str, answer: httpx.Response, described: Document) -> None:
        media_type = answer.headers["content-type"].partition(";")[0]
        if media_type not in described["content"]:
            raise Undocumented(f"{name} answered {answer.status_code} as {media_type}")
        if not media_type.endswith("json"):
            return
        media, body, code = described["content"][media_type], answer.json(), ""
        if answer.is_error:
            code = body["code"]
            if code not in media["examples"]:
                raise Undocumented(f"{name} answered {answer.status_code} with the code {code}")
        self._seen[name, answer.status_code, code] += 1
        if self._seen[name, answer.status_code, code] <= CHECKED_SHAPES:
            validator = OAS31Validator({**media["schema"], "components": document()["components"]})
            for error in validator.iter_errors(body):
                raise Undocumented(f"{name} answered {answer.status_code} with a wrong shape: {error.message}")
