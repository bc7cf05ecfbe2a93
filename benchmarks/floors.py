"""The floors: what the machine does without i-Shop, asked the same thing in the same run."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle, repeat
from pathlib import Path
from statistics import median
from typing import Final
from uuid import UUID

import asyncpg
from pwdlib import PasswordHash

from benchmarks.grounds import Grounds, run_program
from benchmarks.load import Burst, http_request, send
from benchmarks.statements import Replay, Statement, run
from demo.accounts import PASSWORD
from ishop.child_process import LOOPBACK
from ishop.postgres import programs
from ishop.settings import Role

TPS: Final = re.compile(r"^tps = ([0-9.]+) ", re.MULTILINE)
FAILED: Final = re.compile(r"^number of failed transactions: ([0-9]+) ", re.MULTILINE)
PGBENCH_GRACE_SECONDS: Final = 60


async def hello(port: int, connections: int, seconds: float) -> Burst:
    """Requests to the smallest application behind the same server."""
    return await send(port, repeat(http_request("GET", "/v1/products/hello")), connections=connections, seconds=seconds)


async def pgbench(grounds: Grounds, script: Path, clients: int, seconds: int) -> float:
    """Transactions a second of `script` by as many clients, as the role of the orders service."""
    settings = grounds.settings
    command: list[str | Path] = [
        programs() / "pgbench", "--no-vacuum", "--protocol=prepared", f"--client={clients}", "--jobs=1",
        f"--time={seconds}", f"--file={script}", f"--host={LOOPBACK}", f"--port={settings.database_port}",
        f"--username={Role.orders}", settings.database_name,
    ]  # fmt: skip
    said = await run_program(
        command,
        script.with_suffix(".log"),
        seconds + PGBENCH_GRACE_SECONDS,
        {"PGPASSWORD": settings.password(Role.orders)},
    )
    rate, failed = TPS.search(said), FAILED.search(said)
    if rate is None or failed is None or int(failed[1]) > 0:
        raise ValueError(f"pgbench did not measure what was wanted:\n{said}")
    return float(rate[1])


async def replay_ms(connection: asyncpg.Connection, replay: Replay, times: int) -> float:
    """Milliseconds of one transaction of these statements, the median of `times`.

    The connection is kept from round to round, as a service keeps its own, so that both have their plans ready.
    """
    rows = await connection.fetch("SELECT uuidv7() FROM generate_series(1, $1)", len(replay.fresh) * times)
    ids = iter([UUID(bytes=row[0].bytes) for row in rows])
    taken = []
    for statements in [replay.renewed(ids) for _ in range(times)]:
        started = time.perf_counter()
        await run(connection, statements, in_transaction=replay.in_transaction)
        taken.append(time.perf_counter() - started)
    return median(taken) * 1000


async def sql_searches(
    grounds: Grounds, searches: Sequence[Sequence[Statement]], connections: int, seconds: float
) -> float:
    """Searches a second when PostgreSQL is asked directly, over as many connections that plan as the market's do."""
    wanted = cycle(searches)
    mode = "force_custom_plan" if any(one.plan_anew for search in searches for one in search) else "force_generic_plan"

    async def work(connection: asyncpg.Connection, deadline: float) -> int:
        done = 0
        while time.perf_counter() < deadline:
            for statement in next(wanted):
                await connection.fetch(statement.sql, *statement.values)
            done += 1
        return done

    async with _connections(grounds.settings.database_dsn(Role.catalog), connections) as pool:
        for connection in pool:
            await connection.execute(f"SET plan_cache_mode = {mode}")
        started = time.perf_counter()
        counts = await asyncio.gather(*(work(connection, started + seconds) for connection in pool))
        return sum(counts) / (time.perf_counter() - started)


def password_ms(times: int) -> float:
    """Milliseconds of one check of a password, the median of `times`."""
    hasher = PasswordHash.recommended()
    stored = hasher.hash(PASSWORD)
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        hasher.verify(PASSWORD, stored)
        taken.append(time.perf_counter() - started)
    return median(taken) * 1000


@asynccontextmanager
async def _connections(dsn: str, count: int) -> AsyncIterator[list[asyncpg.Connection]]:
    pool = [await asyncpg.connect(dsn) for _ in range(count)]
    try:
        yield pool
    finally:
        for connection in pool:
            await connection.close()
