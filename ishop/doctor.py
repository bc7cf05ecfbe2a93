"""`ishop doctor`: every invariant of the data as a query that returns the offenders, so that none means healthy."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant. `sql` returns the rows that break it, a readable text in the first column."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: nothing, or how many offenders and the first few."""

    name: str
    offenders: int
    examples: tuple[str, ...]


async def examine(connection: asyncpg.Connection, checks: Sequence[Check]) -> list[Finding]:
    """Run the checks on one snapshot of the database, so that a market in use does not look broken."""
    findings = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for check in checks:
            rows = await connection.fetch(check.sql)
            findings.append(Finding(check.name, len(rows), tuple(str(row[0]) for row in rows[:5])))
    return findings
