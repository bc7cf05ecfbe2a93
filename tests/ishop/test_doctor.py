"""The doctor's way of working: one snapshot for all connections, slices without a gap, and progress."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from ishop.doctor import Check, examine
from ishop.settings import Role
from tests.databases import TestDatabase

SLICES = "SELECT lpad(n::text, 32, '0')::uuid FROM generate_series(10, 90, 10) n"
BETWEEN = """
SELECT id FROM (SELECT lpad(n::text, 32, '0')::uuid AS id FROM generate_series(1, 99) n) every
WHERE id > $1 AND id <= $2
"""
SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"


class TestExamine:
    @pytest.mark.parametrize("helpers", [0, 2])
    async def test_looks_at_everything_once(self, database: TestDatabase, helpers: int) -> None:
        shown: list[tuple[int, int]] = []
        async with AsyncExitStack() as closing:
            connections = []
            for _ in range(1 + helpers):
                connections.append(await database.connect(Role.migrator))
                closing.push_async_callback(connections[-1].close)
            checks = (Check("nothing", "SELECT 1 WHERE false"), Check("all", BETWEEN, bounds=SLICES))
            none, every = await examine(
                connections[0],
                checks,
                helpers=connections[1:],
                show=lambda _, done, total: shown.append((done, total)),
            )
        assert (none.offenders, every.offenders) == (0, 99)
        assert [example[-2:] for example in every.examples] == ["01", "02", "03", "04", "05"]
        assert shown == [(done, 11) for done in range(1, 12)]

    async def test_connections_see_one_snapshot(self, database: TestDatabase) -> None:
        waiting = f"SELECT s.* FROM ({SLICES}) s, (SELECT pg_sleep(1)) z"
        count = "SELECT count(*) FROM vendors.cohorts, pg_sleep(0.02) WHERE $1::uuid < $2::uuid"
        async with AsyncExitStack() as closing:
            first, second, meddler = [await database.connect(Role.migrator) for _ in range(3)]
            for one in (first, second, meddler):
                closing.push_async_callback(one.close)
            examining = asyncio.create_task(examine(first, [Check("count", count, bounds=waiting)], helpers=[second]))
            async with asyncio.timeout(10):
                while not await meddler.fetchval(SLEEPING):
                    pass  # The round trip is pause enough.
            await meddler.execute(
                "INSERT INTO vendors.cohorts (slug, name_id, name_en, vendors, workers, source)"
                " VALUES ('new', 'a', 'a', 0, 0, 'a')"
            )
            (finding,) = await examining
        assert finding.offenders == 10
        assert set(finding.examples) == {"0"}
