"""`ishop doctor`: every invariant of the data as a query that returns the offenders, so that none means healthy."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Final
from uuid import UUID

import asyncpg

from ishop.backup import Show

FIRST: Final = UUID(int=0)
LAST: Final = UUID(int=2**128 - 1)
EXAMPLES: Final = 5


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant. `sql` returns the rows that break it, a readable text in the first column.

    What is too large to be compared at once is compared in slices: `bounds` returns the ids that end them, and `sql`
    looks at what is behind $1 up to and with $2.
    """

    name: str
    sql: str
    bounds: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: nothing, or how many offenders and the first few."""

    name: str
    offenders: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    """A check, or one slice of it."""

    place: int
    check: Check
    values: tuple[UUID, ...] = ()


async def examine(
    connection: asyncpg.Connection,
    checks: Sequence[Check],
    *,
    helpers: Sequence[asyncpg.Connection] = (),
    show: Show = lambda *_: None,
) -> list[Finding]:
    """Run the checks on one snapshot of the database, so that a market in use does not look broken.

    `helpers` are other connections of the same role to the same database; they see that snapshot and share the work.
    """
    async with AsyncExitStack() as transactions:
        for one in (connection, *helpers):
            await transactions.enter_async_context(one.transaction(isolation="repeatable_read", readonly=True))
            if one is connection:
                snapshot = await one.fetchval("SELECT pg_export_snapshot()")
            else:
                await one.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        parts = [part async for part in _parts(connection, checks)]
        found: list[list[str]] = [[] for _ in parts]
        left = iter(parts)
        done = 0

        async def share(one: asyncpg.Connection) -> None:
            nonlocal done
            for part in left:
                found[part.place] = [str(row[0]) for row in await one.fetch(part.check.sql, *part.values)]
                done += 1
                show("Checking the market", done, len(parts))

        async with asyncio.TaskGroup() as tasks:
            for one in (connection, *helpers):
                tasks.create_task(share(one))
    return [
        _finding(check, [row for part in parts if part.check is check for row in found[part.place]]) for check in checks
    ]


async def _parts(connection: asyncpg.Connection, checks: Sequence[Check]) -> AsyncIterator[_Part]:
    place = 0
    for check in checks:
        slices: list[tuple[UUID, ...]] = [()]
        if check.bounds is not None:
            slices = list(pairwise((FIRST, *(row[0] for row in await connection.fetch(check.bounds)), LAST)))
        for values in slices:
            yield _Part(place, check, values)
            place += 1


def _finding(check: Check, offenders: Sequence[str]) -> Finding:
    return Finding(check.name, len(offenders), tuple(offenders[:EXAMPLES]))
