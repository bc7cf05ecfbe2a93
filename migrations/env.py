"""Runs the revisions as `ishop_migrator`, one runner at a time, with short lock waits: the old code keeps serving."""

import asyncio
import logging

from alembic import context
from asyncpg.exceptions import LockNotAvailableError
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

import gateway.models as gateway_models
import services.catalog.models as catalog_models
import services.orders.models as orders_models
import services.vendors.models as vendors_models
from ishop.database import Base
from migrations.helpers import SCHEMAS

logger = logging.getLogger("ishop.migrations")

ONE_RUNNER_LOCK = 7_051_220
LOCK_MILLISECONDS = 500
"""A revision that waits for a table keeps every later request waiting behind it, so it waits no longer than this."""
ATTEMPTS = 60
PAUSE_SECONDS = 0.5
"""What lets the requests that queued up pass before the next attempt; all attempts together take about a minute."""


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


async def run_between_others(connection: AsyncConnection) -> None:
    """Run the revisions; one that does not get its locks at once is rolled back and tried again a little later."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            await connection.run_sync(run)
        except DBAPIError as error:
            busy = error.orig is not None and isinstance(error.orig.__cause__, LockNotAvailableError)
            if not busy or attempt == ATTEMPTS:
                raise
            await connection.rollback()
            logger.warning("The tables are busy; revision is tried again (%d of %d)", attempt, ATTEMPTS)
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            return


async def run_online() -> None:
    """Take the lock that keeps a second runner out, then migrate."""
    engine = create_async_engine(context.config.attributes["dsn"], poolclass=NullPool)
    async with engine.connect() as connection:
        # A second runner waits for the first, however long that takes; only the revisions' own locks are impatient.
        await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ONE_RUNNER_LOCK})
        await connection.execute(text(f"SET lock_timeout = '{LOCK_MILLISECONDS}ms'"))
        await connection.execute(text("SET statement_timeout = '10min'"))
        await connection.commit()
        await run_between_others(connection)
        await connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ONE_RUNNER_LOCK})
        await connection.commit()
    await engine.dispose()


asyncio.run(run_online())
