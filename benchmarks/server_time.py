"""What PostgreSQL itself says it needed for each statement of an order, from its own log, for a moment turned on."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg

from benchmarks.grounds import Grounds
from ishop.settings import Role

PREFIX: Final = "%u@@"
ENTRY: Final = re.compile(r"^(?P<user>\w*)@@LOG:  duration: (?P<ms>[0-9.]+) ms(?:  (?P<phase>\w+)[^:]*: (?P<sql>.*))?$")
OBJECT: Final = re.compile(r"\b(?:catalog|vendors|orders|ops|identity)\.\w+")
EXECUTING: Final = ("execute", "statement")
SETTLE_SECONDS: Final = 0.3


@dataclass(frozen=True, slots=True)
class StatementTime:
    """One kind of statement: how often it is sent for a request, and milliseconds of the server for that."""

    name: str
    sent: float
    planning_ms: float
    """Parsing and binding; a statement whose plan is made anew every time spends its time here."""
    executing_ms: float

    @property
    def ms(self) -> float:
        """All of it."""
        return self.planning_ms + self.executing_ms


async def server_times(grounds: Grounds, role: Role, requests: int, work: Awaitable[object]) -> list[StatementTime]:
    """The statements that `role` sends while `work` serves that many `requests`, in their order."""
    log = grounds.home / "postgres.log"
    async with _everything_logged(grounds):
        start = (await asyncio.to_thread(log.stat)).st_size
        await work
        await asyncio.sleep(SETTLE_SECONDS)
        written = (await asyncio.to_thread(log.read_bytes))[start:]
    return summed(written.decode(errors="replace").splitlines(), role, requests)


def summed(lines: Iterable[str], role: str, requests: int) -> list[StatementTime]:
    """The times of one role's statements in the lines of a log, for one of so many requests."""
    sent: Counter[str] = Counter()
    planning: Counter[str] = Counter()
    executing: Counter[str] = Counter()
    for user, phase, sql, microseconds in _entries(lines):
        if user == role:
            name = name_of(sql)
            sent[name] += phase in EXECUTING
            (executing if phase in EXECUTING else planning)[name] += microseconds
    return [
        StatementTime(name, sent[name] / requests, planning[name] / requests / 1000, executing[name] / requests / 1000)
        for name in sent
    ]


def name_of(sql: str) -> str:
    """What a statement is recognised by: the first object of ours in it, else its first word."""
    found = OBJECT.search(sql)
    return found[0] if found else sql.split(maxsplit=1)[0].rstrip(";").upper()


def _entries(lines: Iterable[str]) -> Iterator[tuple[str, str, str, int]]:
    """User, phase (parse, bind, execute or statement), SQL and microseconds of each timed step in the log."""
    entry: re.Match[str] | None = None
    sql: list[str] = []
    for line in [*lines, "@@"]:
        if line.startswith("\t"):
            sql.append(line)
            continue
        if entry is not None and entry["phase"]:
            yield entry["user"], entry["phase"], "\n".join(sql), round(float(entry["ms"]) * 1000)
        entry = ENTRY.match(line)
        sql = [entry["sql"] or ""] if entry else []


@asynccontextmanager
async def _everything_logged(grounds: Grounds) -> AsyncIterator[None]:
    """Have the server log every statement with its time; as it was again at the end."""
    connection = await asyncpg.connect(grounds.superuser_dsn)
    try:
        await connection.execute(f"ALTER SYSTEM SET log_line_prefix = '{PREFIX}'")
        await connection.execute("ALTER SYSTEM SET log_min_duration_statement = 0")
        await connection.execute("SELECT pg_reload_conf()")
        await asyncio.sleep(SETTLE_SECONDS)
        yield
    finally:
        await connection.execute("ALTER SYSTEM RESET ALL")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.close()
