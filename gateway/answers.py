"""Whole answers of services: what may be kept of them for others, and who asks for them."""

import asyncio
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from starlette.types import Message

from ishop.connections import written

Headers = list[tuple[bytes, bytes]]

LIFE_SECONDS: Final = 0.9
"""How long a public answer may be given to others, counted from the moment when its service was asked."""

OK: Final = 200
NOT_MODIFIED: Final = 304
PUBLIC: Final = re.compile(rb"public, max-age=([0-9]{1,9})")
"""What `ishop.etags.public_answer` says. An answer that says anything else, or more, is not kept."""
BY_LANGUAGE: Final = b"Accept-Language"
OF_THE_BODY: Final = frozenset({b"content-length", b"content-type"})
"""What a 304 does not say."""
OF_THE_CONNECTION: Final = frozenset({b"connection", b"transfer-encoding"})


class Head(NamedTuple):
    """Status and header fields of an answer; the same as bytes where it will be given to many callers."""

    status: int
    fields: Headers
    written: bytes = b""

    def prepared(self) -> "Head":
        """With the bytes."""
        return self._replace(written=written(self.fields, self.status))


class Answer:
    """A whole answer of a service, complete but for what the gateway tells each caller for itself."""

    __slots__ = ("body", "etag", "head", "life", "not_modified", "until")

    def __init__(self, status: int, fields: Headers, body: bytes) -> None:
        said: dict[bytes, list[bytes]] = {}
        for name, value in fields:
            said.setdefault(name, []).append(value)
        self.body = body
        self.head = Head(status, fields)
        self.not_modified = Head(NOT_MODIFIED, [field for field in fields if field[0] not in OF_THE_BODY])
        self.etag = said[b"etag"][0].decode("latin-1") if status == OK and b"etag" in said else None
        self.life = _life(status, said)
        """For how many seconds it may be given to others."""
        self.until = 0.0
        # What is written, the server believes: it must say where the answer ends, and nothing about the connection.
        ends = said.get(b"content-length") == [b"%d" % len(body)] and said.keys().isdisjoint(OF_THE_CONNECTION)
        if self.life and ends:
            self.head, self.not_modified = self.head.prepared(), self.not_modified.prepared()


def _life(status: int, said: Mapping[bytes, list[bytes]]) -> float:
    control = said.get(b"cache-control", [])
    public = PUBLIC.fullmatch(control[0]) if len(control) == 1 else None
    if status != OK or public is None or b"set-cookie" in said:
        return 0.0
    if said.get(b"vary", [BY_LANGUAGE]) != [BY_LANGUAGE]:
        return 0.0
    return min(LIFE_SECONDS, float(public[1]))


class Nobody:
    """The caller of a public read, as a service sees it: sends no body, stays, and takes the whole answer in."""

    def __init__(self) -> None:
        self._asked = False
        self._status = 0
        self._headers: Headers = []
        self._parts: list[bytes] = []

    async def receive(self) -> Message:
        """The empty body; behind it there is nothing, not even an end."""
        if self._asked:
            await asyncio.get_running_loop().create_future()
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Message) -> None:
        """Take one part of it."""
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], message["headers"]
        elif body := message.get("body", b""):
            self._parts.append(body)

    def answer(self) -> Answer:
        """All of it."""
        return Answer(self._status, self._headers, self._parts[0] if len(self._parts) == 1 else b"".join(self._parts))
