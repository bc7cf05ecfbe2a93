"""Backup and restore on a given server: rights come back, a database in use stays, an old backup is migrated."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from ishop import migrations, revisions
from ishop.backup import back_up
from ishop.home import StartupError
from ishop.restore import is_empty, restore
from ishop.settings import Role
from tests.databases import Cluster, TestDatabase

RIGHTS = """
SELECT 'relation', n.nspname, c.relname, c.relacl::text, pg_get_userbyid(c.relowner)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('ops', 'identity', 'catalog', 'vendors', 'orders', 'public', 'extensions')
UNION ALL
SELECT 'function', n.nspname, p.oid::regprocedure::text, concat(p.proacl, p.prosecdef, p.proconfig, p.prosrc),
       pg_get_userbyid(p.proowner)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname IN ('ops', 'identity', 'catalog', 'vendors', 'orders')
UNION ALL
SELECT 'schema', nspname, '', nspacl::text, pg_get_userbyid(nspowner) FROM pg_namespace
WHERE nspname !~ '^pg_(toast|temp)'
UNION ALL
SELECT 'trigger', tgrelid::regclass::text, tgname, tgenabled::text, '' FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT 'default', '', '', defaclacl::text, pg_get_userbyid(defaclrole) FROM pg_default_acl
ORDER BY 1, 2, 3, 4
"""


def unseen(_phase: str, _done: int, _total: int) -> None:
    """Progress that nobody looks at."""


@pytest.fixture
async def target(cluster: Cluster) -> AsyncIterator[TestDatabase]:
    """A database that does not exist yet, dropped at the end with what a restore may leave beside it."""
    yield cluster.named("restored")
    for name in ("restored", "restored_restoring", "restored_before_restore"):
        await cluster.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


async def rights(database: TestDatabase) -> list[tuple[object, ...]]:
    connection = await database.connect(Role.migrator)
    try:
        return [tuple(row) for row in await connection.fetch(RIGHTS)]
    finally:
        await connection.close()


async def products(database: TestDatabase) -> int:
    connection = await database.connect(Role.migrator)
    try:
        count: int = await connection.fetchval("SELECT count(*) FROM catalog.products")
        return count
    finally:
        await connection.close()


async def test_everything_comes_back_with_its_owners_and_rights(
    cluster: Cluster, market_template: TestDatabase, target: TestDatabase, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    async with cluster.clone(market_template) as source:
        manifest = await back_up(source.settings, file, unseen, replace=False)
        expected, count = await rights(source), await products(source)
    assert manifest.tables["catalog.products"] == count > 0
    assert manifest.revision == revisions.head()
    assert await is_empty(cluster.superuser_dsn, "restored")
    await restore(target.settings, cluster.superuser_dsn, file, unseen, keep_old=False)
    assert await rights(target) == expected
    assert await products(target) == count
    assert not await is_empty(cluster.superuser_dsn, "restored")


async def test_the_old_market_stays_when_somebody_uses_it_and_is_kept_when_wished(
    cluster: Cluster,
    market_template: TestDatabase,
    migrated_template: TestDatabase,
    target: TestDatabase,
    tmp_path: Path,
) -> None:
    file = tmp_path / "backup"
    async with cluster.clone(market_template) as source:
        await back_up(source.settings, file, unseen, replace=False)
        count = await products(source)
    await cluster.execute(f"CREATE DATABASE restored TEMPLATE {migrated_template.settings.database_name}")
    user = await asyncpg.connect(cluster.superuser_dsn, database="restored")
    with pytest.raises(StartupError, match="in use"):
        await restore(target.settings, cluster.superuser_dsn, file, unseen, keep_old=False)
    assert await user.fetchval("SELECT count(*) FROM catalog.products") == 0
    left = await user.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'restored_%'")
    assert left == []
    await user.close()

    await restore(target.settings, cluster.superuser_dsn, file, unseen, keep_old=True)
    assert await products(target) == count
    kept = await asyncpg.connect(cluster.superuser_dsn, database="restored_before_restore")
    assert await kept.fetchval("SELECT count(*) FROM catalog.products") == 0
    await kept.close()


async def test_an_old_backup_is_brought_to_the_newest_revision(
    cluster: Cluster, migrated_template: TestDatabase, target: TestDatabase, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    async with cluster.clone(migrated_template) as source:
        await asyncio.to_thread(migrations.downgrade, source.dsn(Role.migrator), "-1")
        manifest = await back_up(source.settings, file, unseen, replace=False)
    assert manifest.revision != revisions.head()
    await restore(target.settings, cluster.superuser_dsn, file, unseen, keep_old=False)
    connection = await target.connect(Role.migrator)
    assert await connection.fetchval("SELECT version_num FROM public.alembic_version") == revisions.head()
    await connection.close()
