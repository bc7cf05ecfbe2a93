"""Connections for single statements on a real PostgreSQL: never too many, none that is broken, none that is busy."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import asyncpg
import pytest

from ishop.plain_pool import PlainPool
from ishop.settings import Role
from ishop.telemetry.metrics import PoolState
from tests.databases import TestDatabase

SIZE: Final = 3
PID: Final = "SELECT pg_backend_pid()"
ALIVE: Final = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"
AT_WORK: Final = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND state = 'active'"
NAME: Final = "plain-pool-test"

Count = Callable[[str], Awaitable[int]]


@pytest.fixture
async def pool(database: TestDatabase) -> AsyncIterator[PlainPool]:
    pool = PlainPool(database.dsn(Role.catalog), SIZE, 10, "catalog", {"application_name": NAME})
    yield pool
    await pool.close()


@pytest.fixture
async def count(database: TestDatabase) -> AsyncIterator[Count]:
    connection = await database.connect(Role.catalog)

    async def counted(sql: str) -> int:
        found: int = await connection.fetchval(sql, NAME)
        return found

    yield counted
    await connection.close()


async def pid(pool: PlainPool) -> int:
    [row] = await pool.fetch(PID, ())
    found: int = row[0]
    return found


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 - what the server does has no event here.
            await asyncio.sleep(0.01)


def idle(connections: int) -> PoolState:
    return PoolState("plain", size=SIZE, open=connections, in_use=0, waiting=0)


async def test_never_more_connections_than_its_size(pool: PlainPool, count: Count) -> None:
    seen = await asyncio.gather(*(pool.fetch("SELECT pg_backend_pid(), pg_sleep(0.01)", ()) for _ in range(40)))
    assert len({rows[0][0] for rows in seen}) == SIZE
    assert await count(ALIVE) == SIZE
    assert pool.state() == idle(SIZE)


async def test_one_after_the_other_shares_one(pool: PlainPool) -> None:
    assert len({await pid(pool) for _ in range(5)}) == 1
    assert pool.state() == idle(1)


async def test_a_refused_statement_keeps_its_connection(pool: PlainPool) -> None:
    before = await pid(pool)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await pool.fetch("SELECT 1 / $1::integer", (0,))
    assert await pid(pool) == before
    assert pool.state() == idle(1)


async def test_only_the_statement_that_asks_for_it_is_planned_anew(pool: PlainPool) -> None:
    kept, anew, after = [
        (await pool.fetch("SELECT current_setting('plan_cache_mode'), pg_backend_pid()", (), plan_anew=anew))[0]
        for anew in (False, True, False)
    ]
    assert (kept[0], anew[0], after[0]) == ("force_generic_plan", "force_custom_plan", "force_generic_plan")
    assert kept[1] == anew[1] == after[1]


async def test_a_statement_that_fails_leaves_nobody_planning_anew(pool: PlainPool) -> None:
    for anew, mode in ((True, "force_generic_plan"), (False, "force_custom_plan")):
        with pytest.raises(asyncpg.DivisionByZeroError):
            await pool.fetch("SELECT 1 / $1::integer", (0,), plan_anew=anew)
        rows = await pool.fetch("SELECT current_setting('plan_cache_mode')", (), plan_anew=not anew)
        assert rows[0][0] == mode
    assert pool.state() == idle(1)


async def test_each_way_of_planning_keeps_its_own_connections(pool: PlainPool) -> None:
    sleepy = "SELECT current_setting('plan_cache_mode'), pg_sleep(0.001)"
    both = await asyncio.gather(*(pool.fetch(sleepy, (), plan_anew=bool(number % 2)) for number in range(60)))
    modes = ("force_generic_plan", "force_custom_plan")
    assert [rows[0][0] for rows in both] == [modes[number % 2] for number in range(60)]
    assert pool.state() == idle(SIZE)


async def test_a_connection_that_the_server_ended_is_replaced(pool: PlainPool, database: TestDatabase) -> None:
    before = await pid(pool)
    other = await database.connect(Role.catalog)
    await other.execute("SELECT pg_terminate_backend($1, 5000)", before)
    await other.close()
    await asyncio.sleep(0.1)  # The end comes through the socket.
    assert await pid(pool) != before
    assert pool.state() == idle(1)


async def test_a_connection_that_ends_in_the_midst_is_not_lent_again(pool: PlainPool) -> None:
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await pool.fetch("SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(5)", ())
    assert await pid(pool)
    assert pool.state() == idle(1)


async def test_who_is_cancelled_stops_the_statement_and_nobody_elses(pool: PlainPool, count: Count) -> None:
    for _ in range(10):
        slow = [asyncio.create_task(pool.fetch("SELECT pg_sleep(60)", ())) for _ in range(SIZE)]

        async def all_at_work() -> bool:
            return await count(AT_WORK) == SIZE

        await until(all_at_work)
        for task in slow:
            task.cancel()
        # They come while the server is still being told, and none of them may be told to stop.
        assert [await pid(pool) for _ in range(5)]
        assert all(
            isinstance(result, asyncio.CancelledError) for result in await asyncio.gather(*slow, return_exceptions=True)
        )

    async def none_at_work() -> bool:
        return await count(AT_WORK) == 0

    await until(none_at_work)
    assert pool.state().in_use == 0


async def test_who_waits_too_long_is_told_and_takes_nothing(database: TestDatabase) -> None:
    pool = PlainPool(database.dsn(Role.catalog), 1, 0.05, "catalog", {"application_name": NAME})
    busy = asyncio.create_task(pool.fetch("SELECT pg_sleep(0.5)", ()))
    await asyncio.sleep(0.1)
    with pytest.raises(TimeoutError):
        await pool.fetch(PID, ())
    assert pool.state().waiting == 0
    await busy
    assert await pid(pool)
    await pool.close()


async def test_closed_when_what_is_asked_is_answered_and_open_again_on_demand(pool: PlainPool, count: Count) -> None:
    asked = asyncio.create_task(pool.fetch("SELECT 1, pg_sleep(0.2)", ()))
    await asyncio.sleep(0.1)
    await pool.close()
    assert (await asked)[0][0] == 1
    assert await count(ALIVE) == 0
    assert await pid(pool)


async def test_closed_by_two_at_once(pool: PlainPool, count: Count) -> None:
    asked = asyncio.create_task(pool.fetch("SELECT pg_sleep(0.2)", ()))
    await asyncio.sleep(0.1)
    async with asyncio.timeout(10):
        await asyncio.gather(pool.close(), pool.close(), asked)
    assert await count(ALIVE) == 0


async def test_a_database_that_is_not_there_leaves_no_place_taken() -> None:
    pool = PlainPool("postgresql://nobody@127.0.0.1:9/none", 1, 5, "catalog", {})
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            await pool.fetch(PID, ())
    assert pool.state() == PoolState("plain", size=1, open=0, in_use=0, waiting=0)
