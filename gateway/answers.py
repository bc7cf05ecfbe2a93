"""Whole answers of services: what may be kept of them for others, and who asks for them."""

import asyncio
import re
from typing import Final

from starlette.types import Message

Headers = list[tuple[bytes, bytes]]

LIFE_SECONDS: Final = 0.9
"""How long a public answer may be given to others, counted from the moment when its service was asked."""

OK: Final = 200
PUBLIC: Final = re.compile(rb"public, max-age=([0-9]{1,9})")
"""What `ishop.etags.public_answer` says. An answer that says anything else, or more, is not kept."""
BY_LANGUAGE: Final = b"Accept-Language"
OF_THE_BODY: Final = frozenset({b"content-length", b"content-type"})
"""What a 304 does not say."""


class Answer:
    """A whole answer of a service, complete but for what the gateway tells each caller for itself."""

    __slots__ = ("body", "etag", "headers", "life", "not_modified", "status", "until")

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.etag: str | None = None
        self.not_modified: Headers = []
        if status == OK:
            tag = next((value for name, value in headers if name == b"etag"), None)
            self.etag = None if tag is None else tag.decode("latin-1")
            self.not_modified = [field for field in headers if field[0] not in OF_THE_BODY]
        self.life = self._life()
        """For how many seconds it may be given to others."""
        self.until = 0.0

    def _life(self) -> float:
        said: dict[bytes, list[bytes]] = {}
        for name, value in self.headers:
            said.setdefault(name, []).append(value)
        control = said.get(b"cache-control", [])
        public = PUBLIC.fullmatch(control[0]) if len(control) == 1 else None
        if self.status != OK or public is None or b"set-cookie" in said:
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
