"""What the tests of the outbox, the jobs and the worker share."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import asyncpg

from ishop.jobs import Jobs
from ishop.settings import Role
from ishop.worker import run_worker

TOPIC = "catalog.product_changed.v1"


class Database(Protocol):
    """A migrated database of one test alone."""

    def dsn(self, role: Role) -> str: ...

    async def connect(self, role: Role) -> asyncpg.Connection: ...


@asynccontextmanager
async def connected(database: Database, role: Role = Role.worker) -> AsyncIterator[asyncpg.Connection]:
    """A connection of `role`, closed at the end."""
    connection = await database.connect(role)
    try:
        yield connection
    finally:
        await connection.close()


async def write(database: Database, topic: str, *keys: str) -> None:
    """Commit rows of the outbox as a service does."""
    async with connected(database, Role.catalog) as connection:
        await connection.execute("SELECT ops.emit_v1($1, $2)", topic, list(keys))


@asynccontextmanager
async def working(database: Database, jobs: Jobs) -> AsyncIterator[asyncio.Event]:
    """A running worker, which is stopped at the end and must then return without an error; yields its stop event."""
    stop = asyncio.Event()
    worker = asyncio.create_task(run_worker(database.dsn(Role.worker), jobs, stop=stop))
    try:
        yield stop
    finally:
        stop.set()
        async with asyncio.timeout(10):
            await worker


@dataclass
class Recorder:
    """A handler that notes its calls and fails for the keys in `bad`."""

    bad: set[str] = field(default_factory=set)
    calls: list[list[str]] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def __call__(self, keys: Sequence[str]) -> None:
        """Note the call, then fail or do the keys."""
        self.calls.append(list(keys))
        if failing := self.bad.intersection(keys):
            raise ValueError(f"cannot do {sorted(failing)[0]}, ask budi@example.test or 081234567890")
        async with self.changed:
            self.done += keys
            self.changed.notify_all()

    async def until_done(self, *keys: str, timeout: float = 10) -> None:  # noqa: ASYNC109 - a test's patience.
        """Wait until all of `keys` have been done."""
        async with asyncio.timeout(timeout), self.changed:
            await self.changed.wait_for(lambda: set(keys) <= set(self.done))
