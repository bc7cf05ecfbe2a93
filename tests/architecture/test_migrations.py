"""The revisions are one line, go up and down, and agree with the models."""

import asyncio
import re
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from ishop import migrations, revisions
from ishop.home import StartupError
from ishop.settings import Role
from tests.databases import TestDatabase

NAME = re.compile(r"\d{4}-\d{2}-\d{2}-\d{4}_[a-z0-9_]+\.py")


def test_the_history_is_one_line() -> None:
    script = ScriptDirectory.from_config(migrations.configure("postgresql://nowhere"))
    assert len(script.get_heads()) == 1
    assert all(not revision.is_merge_point and not revision.is_branch_point for revision in script.walk_revisions())


def test_those_read_without_alembic_are_those_that_it_runs() -> None:
    script = ScriptDirectory.from_config(migrations.configure("postgresql://nowhere"))
    assert revisions.revisions() == tuple(revision.revision for revision in script.walk_revisions())


def test_revisions_are_named_by_date_and_sort_in_their_order() -> None:
    script = ScriptDirectory.from_config(migrations.configure("postgresql://nowhere"))
    in_order = [Path(revision.path).name for revision in script.walk_revisions()][::-1]
    assert in_order == sorted(in_order)
    assert all(NAME.fullmatch(name) for name in in_order)


class TestRevisions:
    async def test_models_say_what_the_revisions_made(self, database: TestDatabase) -> None:
        await asyncio.to_thread(migrations.check, database.dsn(Role.migrator))

    async def test_nothing_is_left_when_taken_back_and_all_is_there_when_run_again(
        self, database: TestDatabase
    ) -> None:
        dsn = database.dsn(Role.migrator)
        before = await objects(database)
        await asyncio.to_thread(migrations.downgrade, dsn, "base")
        assert await objects(database) == ["public.alembic_version"]
        await asyncio.to_thread(migrations.upgrade, dsn)
        assert await objects(database) == before

    async def test_run_in_a_process_of_its_own_when_there_are_newer_ones(self, database: TestDatabase) -> None:
        dsn = database.dsn(Role.migrator)
        before = await objects(database)
        await asyncio.to_thread(migrations.downgrade, dsn, "-1")
        await revisions.upgrade(dsn)
        assert await objects(database) == before

    async def test_refused_when_the_revision_does_not_exist(self, database: TestDatabase) -> None:
        with pytest.raises(StartupError, match="not migrated"):
            await revisions.upgrade(database.dsn(Role.migrator), "never")


async def objects(database: TestDatabase) -> list[str]:
    """All relations and functions of our schemas, by name."""
    connection = await database.connect(Role.migrator)
    try:
        rows = await connection.fetch(
            "SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname IN ('public', 'catalog', 'vendors', 'orders', 'identity', 'ops')"
            " AND c.relkind IN ('r', 'v', 'S')"
            " UNION ALL SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
            " WHERE n.nspname IN ('catalog', 'vendors', 'orders', 'identity', 'ops') ORDER BY 1"
        )
    finally:
        await connection.close()
    return [row["name"] for row in rows]
