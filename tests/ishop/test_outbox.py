"""The outbox on a real PostgreSQL: what is written with a change, and how it becomes jobs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from pgqueuer.core.qm import QueueManager
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from ishop.context import request_id
from ishop.outbox import drain, emit, queue_queries
from ishop.settings import Role
from tests.ishop.queues import TOPIC, Database, connected, write


@asynccontextmanager
async def session_of(database: Database, role: Role) -> AsyncIterator[AsyncSession]:
    dsn = database.dsn(role).replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(dsn, poolclass=NullPool)
    async with AsyncSession(engine) as session:
        yield session
    await engine.dispose()


async def queued(connection: asyncpg.Connection) -> list[tuple[str, list[str], dict[str, Any] | None]]:
    rows = await connection.fetch("SELECT entrypoint, payload, headers FROM ops.pgqueuer ORDER BY id")
    return [(topic, orjson.loads(payload), headers and orjson.loads(headers)) for topic, payload, headers in rows]


class TestEmit:
    async def test_a_committed_change_leaves_one_row_per_key(self, database: Database) -> None:
        product = UUID("019a0000-0000-7000-8000-000000000001")
        token = request_id.set("req-1")
        async with session_of(database, Role.catalog) as session:
            await emit(session, TOPIC, [product, "b", product])
            await session.commit()
        request_id.reset(token)
        async with connected(database) as connection:
            rows = await connection.fetch("SELECT topic, key, request_id FROM ops.outbox ORDER BY id")
        assert [tuple(row) for row in rows] == [(TOPIC, str(product), "req-1"), (TOPIC, "b", "req-1")]

    async def test_a_rollback_leaves_no_row_and_no_job(self, database: Database) -> None:
        async with session_of(database, Role.catalog) as session:
            await emit(session, TOPIC, ["a"])
            await session.rollback()
        async with connected(database) as connection:
            assert await drain(connection) == 0
            assert await queued(connection) == []

    async def test_writing_wakes_nobody(self, database: Database) -> None:
        heard: list[object] = []
        async with connected(database) as connection:

            def hear(*event: object) -> None:
                heard.append(event)

            await connection.add_listener("ch_pgqueuer", hear)
            await write(database, TOPIC, "a")
            await connection.fetchval("SELECT 1")
            assert heard == []
            await drain(connection)
            await asyncio.sleep(0.05)
            assert len(heard) == 1
            await connection.remove_listener("ch_pgqueuer", hear)

    async def test_no_keys_write_nothing(self, database: Database) -> None:
        async with session_of(database, Role.catalog) as session:
            await emit(session, TOPIC, [])
            assert not session.in_transaction()

    @pytest.mark.parametrize(
        "topic", ["product_changed", "catalog.product_changed", "Catalog.changed.v1", "a.b.v0", ""]
    )
    async def test_a_malformed_topic_is_refused(self, database: Database, topic: str) -> None:
        async with session_of(database, Role.catalog) as session:
            with pytest.raises(ValueError, match="is not a topic"):
                await emit(session, topic, ["a"])


class TestDrain:
    async def test_ten_changes_of_one_key_become_one_key_of_one_job(self, database: Database) -> None:
        for _ in range(10):
            await write(database, TOPIC, "a")
        await write(database, TOPIC, "b", "a")
        async with connected(database) as connection:
            assert await drain(connection) == 12
            assert [(topic, sorted(keys)) for topic, keys, _ in await queued(connection)] == [(TOPIC, ["a", "b"])]
            assert await connection.fetchval("SELECT count(*) FROM ops.outbox") == 0

    async def test_many_keys_are_cut_into_jobs_and_batches(self, database: Database) -> None:
        await write(database, TOPIC, *(f"k{number}" for number in range(25)))
        async with connected(database) as connection:
            assert await drain(connection, batch=23, keys_per_job=10) == 23
            assert [len(keys) for _, keys, _ in await queued(connection)] == [10, 10, 3]
            assert await connection.fetchval("SELECT count(*) FROM ops.outbox") == 2

    async def test_topics_do_not_mix(self, database: Database) -> None:
        await write(database, TOPIC, "a")
        await write(database, "orders.order_paid.v1", "a")
        async with connected(database) as connection:
            await drain(connection)
            assert sorted(await queued(connection)) == [(TOPIC, ["a"], None), ("orders.order_paid.v1", ["a"], None)]

    async def test_a_topic_with_a_waiting_job_stays_and_merges(self, database: Database) -> None:
        await write(database, TOPIC, "a")
        async with connected(database) as connection:
            await drain(connection)
            await write(database, TOPIC, "b")
            await write(database, TOPIC, "b")
            await write(database, "orders.order_paid.v1", "c")
            assert await drain(connection) == 1
            assert [topic for topic, _, _ in await queued(connection)] == [TOPIC, "orders.order_paid.v1"]
            await connection.execute("UPDATE ops.pgqueuer SET status = 'picked'")
            assert await drain(connection) == 2
            assert (await queued(connection))[-1] == (TOPIC, ["b"], None)

    async def test_a_job_that_waits_for_its_retry_holds_nothing_up(self, database: Database) -> None:
        await write(database, TOPIC, "a")
        async with connected(database) as connection:
            await drain(connection)
            await connection.execute("UPDATE ops.pgqueuer SET execute_after = now() + interval '1 hour'")
            await write(database, TOPIC, "b")
            assert await drain(connection) == 1

    async def test_a_crash_inside_the_drain_loses_nothing(self, database: Database) -> None:
        await write(database, TOPIC, "a", "b")
        crashing = await database.connect(Role.worker)
        await crashing.transaction().start()
        assert await drain(crashing) == 2
        crashing.terminate()
        async with connected(database) as connection:
            # Waits until the server has noticed the end of the session and undone its work.
            await connection.execute("SELECT id FROM ops.outbox FOR UPDATE")
            assert await drain(connection) == 2
            assert [sorted(keys) for _, keys, _ in await queued(connection)] == [["a", "b"]]

    async def test_two_workers_never_take_the_same_row(self, database: Database) -> None:
        await write(database, TOPIC, *(f"k{number:03}" for number in range(100)))
        async with connected(database) as first, connected(database) as second:
            async with first.transaction():
                assert await drain(first, batch=60) == 60
                assert await drain(second, batch=60) == 40
            jobs = await queued(first)
        assert sorted(key for _, keys, _ in jobs for key in keys) == [f"k{number:03}" for number in range(100)]

    async def test_a_job_carries_the_request_that_caused_it_alone(self, database: Database) -> None:
        async with connected(database, Role.orders) as connection:
            for topic, request in (("a.a.v1", "r1"), ("a.a.v1", "r1"), ("b.b.v1", "r1"), ("b.b.v1", "r2")):
                await connection.execute("SELECT ops.emit_v1($1, '{k}', $2)", topic, request)
        async with connected(database) as connection:
            await drain(connection)
            assert sorted(await queued(connection), key=str) == [
                ("a.a.v1", ["k"], {"request_id": "r1"}),
                ("b.b.v1", ["k"], None),
            ]


class TestQueueTables:
    async def test_they_are_what_the_installed_release_expects(self, database: Database) -> None:
        async with connected(database) as connection:
            queries = queue_queries(connection)
            plan = await queries.plan_upgrade()
            await QueueManager(queries).verify_structure()
        assert (plan.statements, plan.notes) == ((), ())

    async def test_their_names_do_not_come_from_the_environment(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("PGQUEUER_PREFIX", "PGQUEUER_SCHEMA", "CHANNEL", "QUEUE_TABLE", "PGQUEUER_FUNCTION", "TRIGGER"):
            monkeypatch.setenv(name, "elsewhere")
        async with connected(database) as connection:
            assert (await queue_queries(connection).plan_upgrade()).statements == ()

    async def test_services_cannot_reach_them(self, database: Database) -> None:
        async with connected(database, Role.catalog) as connection:
            for table in ("ops.pgqueuer", "ops.dead_jobs", "ops.outbox"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.fetch(f"SELECT FROM {table}")
