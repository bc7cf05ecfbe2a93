"""Bugs to plant in a running market: in the functions of its database, by triggers beside them, or in its gateway."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TRIGGER = """
CREATE FUNCTION public.planted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN {body} END $$;
CREATE TRIGGER planted {when} ON {table} FOR EACH ROW EXECUTE FUNCTION public.planted();
"""
FUNCTIONS = """
SELECT p.oid::regprocedure::text AS name, pg_get_functiondef(p.oid) AS definition
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = $1 AND p.prokind = 'f' AND p.proname LIKE $2
"""


@dataclass(frozen=True)
class Mutation:
    """Every match of these patterns, in the functions of these names, becomes something else."""

    schema: str
    functions: str
    edits: tuple[tuple[str, str], ...]
    before: str = ""
    """A statement that makes room for it."""

    async def plant(self, connection: asyncpg.Connection) -> None:
        """Replace the functions; each edit must find its place, or the bug would be none."""
        if self.before:
            await connection.execute(self.before)
        rows = await connection.fetch(FUNCTIONS, self.schema, self.functions)
        found = {row["name"]: row["definition"] for row in rows}
        for pattern, replacement in self.edits:
            changed = {name: re.sub(pattern, replacement, definition) for name, definition in found.items()}
            assert changed != found, f"nothing in {self.schema}.{self.functions} is like {pattern}"
            found = changed
        for definition in found.values():
            await connection.execute(definition)


@dataclass(frozen=True)
class Trigger:
    """Something that goes wrong with rows of a table."""

    table: str
    when: str
    body: str

    async def plant(self, connection: asyncpg.Connection) -> None:
        """Make the trigger."""
        await connection.execute(TRIGGER.format(table=self.table, when=self.when, body=self.body))


@dataclass(frozen=True)
class Statement:
    """Something else that goes wrong."""

    sql: str

    async def plant(self, connection: asyncpg.Connection) -> None:
        """Do it."""
        await connection.execute(self.sql)


async def nothing_there(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Before the gateway is there nobody is answered."""


@dataclass
class Door:
    """Where callers reach the gateway; a bug of the gateway is planted between them."""

    app: ASGIApp = nothing_there

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong in the gateway with requests of a method whose path is like the pattern."""

    method: str
    path: str
    make: Callable[[ASGIApp], ASGIApp]

    def plant(self, door: Door) -> None:
        """Put what `make` makes of the gateway before it, for these requests."""
        whole = door.app
        faulty = self.make(whole)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            meant = scope["method"] == self.method and re.fullmatch(self.path, scope["path"])
            await (faulty if meant else whole)(scope, receive, send)

        door.app = app


@dataclass
class Answering:
    """A gateway whose answers are something else: `change` is given address, status and body, and gives the body."""

    gateway: ASGIApp
    change: Callable[[str, int, Any], Any]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {}
        body = b""

        async def changing(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            address = f"{scope['path']}?{scope['query_string'].decode()}"
            changed = orjson.dumps(self.change(address, start["status"], orjson.loads(body)))
            headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
            await send({**start, "headers": [*headers, (b"content-length", b"%d" % len(changed))]})
            await send({"type": "http.response.body", "body": changed})

        await self.gateway(scope, receive, changing)


@dataclass
class Cutting:
    """A gateway that loses every `every`-th connection in the middle of the answer."""

    gateway: ASGIApp
    every: int
    asked: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        cut = self.asked % self.every == 0

        async def cutting(message: Message) -> None:
            if not cut or message["type"] == "http.response.start":
                await send(message)
            elif not message.get("more_body"):
                await send({**message, "body": message["body"][:-1], "more_body": True})

        await self.gateway(scope, receive, cutting)


@dataclass
class Shedding:
    """A gateway that has too much to do for every `every`-th request; only a `polite` one says when to come back."""

    gateway: ASGIApp
    every: int
    polite: bool = False
    asked: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        if self.asked % self.every:
            await self.gateway(scope, receive, send)
            return
        headers = [(b"content-type", b"application/problem+json"), *([(b"retry-after", b"1")] if self.polite else [])]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"code":"overloaded"}'})


@dataclass
class Mending:
    """A gateway that takes the body of a caller who is gone for an empty one."""

    gateway: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                body = b"{}"
                scope = {**scope, "headers": [one for one in scope["headers"] if one[0] != b"content-length"]}
            body += message.get("body", b"")
            more = message.get("more_body", False)
        sent = False

        async def mended() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.gateway(scope, mended, send)


@dataclass
class First:
    """Gives the first answer to each address, or to all of them, again and again: a memory that forgets nothing."""

    by_address: bool
    kept: dict[str, Any] = field(default_factory=dict)

    def __call__(self, address: str, status: int, body: Any) -> Any:
        if status >= 400:
            return body
        return self.kept.setdefault(address if self.by_address else "", body)


Bug = Mutation | Trigger | Statement | Fault


async def plant(bug: Bug, database: str, door: Door) -> None:
    """Plant it in a running market."""
    if isinstance(bug, Fault):
        bug.plant(door)
        return
    connection = await asyncpg.connect(database)
    await bug.plant(connection)
    await connection.close()
