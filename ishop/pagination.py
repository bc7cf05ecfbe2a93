"""Keyset pagination with opaque, signed cursors: a cursor holds the sort, the filters' hash and the last key."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import Query

from ishop.errors import InvalidRequest

MAX_LIMIT = 100
SIGNATURE_BYTES = 12

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items at most")]
CursorText = Annotated[
    str | None,
    Query(
        max_length=1024,
        description="`next_cursor` of the page before",
        # For readers of the document only: a cursor of other characters is told `invalid_cursor` like any other.
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]*$"},
    ),
]


class Cursors:
    """Writes and reads cursors. They never expire, and one of another list, sort or filter is refused with 422."""

    def __init__(self, secret: str) -> None:
        """`secret` is the password of the service's role: all replicas share it, and it outlives a restart."""
        self._key = hashlib.blake2b(secret.encode(), person=b"ishop-cursor").digest()

    def write(self, listing: str, filters: Mapping[str, Any], last: list[Any]) -> str:
        """The cursor behind the row whose sort key is `last`."""
        payload = orjson.dumps([_list_hash(listing, filters), last], default=str)
        return urlsafe_b64encode(self._sign(payload) + payload).rstrip(b"=").decode()

    def read(self, cursor: str | None, listing: str, filters: Mapping[str, Any]) -> list[Any] | None:
        """The sort key to go on behind; None on the first page."""
        if cursor is None:
            return None
        try:
            raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            signature, payload = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
            list_hash, last = (
                orjson.loads(payload) if hmac.compare_digest(signature, self._sign(payload)) else ("", None)
            )
        except ValueError:
            list_hash, last = "", None
        if list_hash != _list_hash(listing, filters) or not isinstance(last, list):
            raise InvalidRequest(
                errors=[
                    {
                        "pointer": "/cursor",
                        "in": "query",
                        "code": "invalid_cursor",
                        "detail": "This cursor is not of this list.",
                    }
                ]
            )
        return last

    def _sign(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, payload, "sha256")[:SIGNATURE_BYTES]


def _list_hash(listing: str, filters: Mapping[str, Any]) -> str:
    text = orjson.dumps([listing, {name: str(value) for name, value in filters.items()}], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=8).hexdigest()
