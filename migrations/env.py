"""Runs the revisions as `ishop_migrator`, one runner at a time, with short lock waits: the old code keeps serving."""

import asyncio

from alembic import context
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import gateway.models as gateway_models
import services.catalog.models as catalog_models
import services.orders.models as orders_models
import services.vendors.models as vendors_models
from ishop.database import Base
from migrations.helpers import SCHEMAS

ONE_RUNNER_LOCK = 7_051_220


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Autogenerate looks at our schemas only; the queue's tables in `ops` are made from its own rendered DDL."""
    if kind == "schema":
        return name in SCHEMAS and name != "ops"
    return True


def run(connection: Connection) -> None:
    """Run the revisions on one connection and one transaction a revision."""
    context.configure(
        connection=connection,
        target_metadata=target_metadata(),
        include_schemas=True,
        include_name=is_ours,
        version_table_schema="public",
        transaction_per_migration=True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def target_metadata() -> MetaData:
    """The tables of all services: importing their models has filled the metadata."""
    for models in (gateway_models, catalog_models, orders_models, vendors_models):
        if not models.__all__:
            raise RuntimeError(f"{models.__name__} names no tables.")
    return Base.metadata


async def run_online() -> None:
    """Take the lock that keeps a second runner out, then migrate."""
    engine = create_async_engine(context.config.attributes["dsn"], poolclass=NullPool)
    async with engine.connect() as connection:
        # A second runner waits for the first, however long that takes; only the revisions' own locks are impatient.
        await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ONE_RUNNER_LOCK})
        await connection.execute(text("SET lock_timeout = '5s'"))
        await connection.execute(text("SET statement_timeout = '10min'"))
        await connection.commit()
        await connection.run_sync(run)
        await connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ONE_RUNNER_LOCK})
        await connection.commit()
    await engine.dispose()


asyncio.run(run_online())
