"""Engines, sessions and the declarative base. One role, one pool; one request, one connection."""

import asyncio
import functools
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
from sqlalchemy import MetaData, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection

from ishop import revisions
from ishop.plain_pool import PlainPool
from ishop.settings import Role, Settings
from ishop.telemetry import metrics, tracing
from ishop.telemetry.metrics import PoolState, PoolWait

POOL_TIMEOUT_SECONDS = 10
SHARE_OF_READS = 5
"""One of so many connections is never lent to a writer: writers that wait for a lock must not keep readers out."""
NAMED = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")
STATEMENTS_REMEMBERED = 256
DATABASE_LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg raises where there is no database to work with; the last where a connection is cut in a conversation."""


class Base(DeclarativeBase):
    """The base of all tables; the names of constraints follow the convention that the revisions use."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


@functools.lru_cache(maxsize=STATEMENTS_REMEMBERED)
def _numbered(sql: str) -> tuple[str, tuple[str, ...]]:
    """SQL with `$1` where `:name` stands, and the names by number."""
    numbers: dict[str, int] = {}
    numbered = NAMED.sub(lambda named: f"${numbers.setdefault(named[1], len(numbers) + 1)}", sql)
    return numbered, tuple(numbers)


class MeasuredPool(AsyncAdaptedQueuePool):
    """SQLAlchemy's pool, which says how long who waits."""

    # As a class of ours it would log every connection as information; this keeps it with the library's own.
    _sqla_logger_namespace = "sqlalchemy.pool.MeasuredPool"
    wait: PoolWait

    def connect(self) -> PoolProxiedConnection:
        """A connection, waited for."""
        with self.wait.measured():
            return super().connect()

    def recreate(self) -> "MeasuredPool":
        """The pool that follows this one when the engine gives its connections back."""
        pool = cast("MeasuredPool", super().recreate())
        pool.wait = self.wait
        return pool


class Database:
    """The database as one role sees it. Connects on first use; `close` when the process ends."""

    def __init__(self, settings: Settings, role: Role) -> None:
        self.service = role.name
        dsn = settings.database_dsn(role)
        server_settings = {"application_name": f"{role}"}
        self._plain = PlainPool(dsn, settings.database_pool, POOL_TIMEOUT_SECONDS, self.service, server_settings)
        self.engine = create_async_engine(
            dsn.replace("postgresql://", "postgresql+asyncpg://", 1),
            poolclass=MeasuredPool,
            pool_size=settings.database_pool,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            hide_parameters=True,  # An error's text goes to the log, and what was to be written may be a person's.
            connect_args={"server_settings": server_settings},
        )
        self._pool.wait = PoolWait(self.service, "sessions")
        self._writers = asyncio.Semaphore(max(1, settings.database_pool - -(-settings.database_pool // SHARE_OF_READS)))
        metrics.watch(self)
        if tracing.tracer is not None:
            tracing.tracer.watch(self.engine.sync_engine, self.service)
        # Reads need no BEGIN and no COMMIT: each statement is its own transaction, two round trips less.
        self._reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """A unit of work: the caller commits; leaving without a commit rolls back."""
        async with (
            self._place_of_a_writer(self._pool.wait),
            AsyncSession(self.engine, expire_on_commit=False) as session,
        ):
            yield session

    @asynccontextmanager
    async def _place_of_a_writer(self, wait: PoolWait) -> AsyncIterator[None]:
        if self._writers.locked():
            with wait.measured():
                async with asyncio.timeout(POOL_TIMEOUT_SECONDS):
                    await self._writers.acquire()
        else:
            await self._writers.acquire()
        try:
            yield
        finally:
            self._writers.release()

    def reading(self) -> AsyncSession:
        """A session for reads, to be closed; every statement sees what is committed at its start."""
        return AsyncSession(self._reading, expire_on_commit=False)

    async def fetch_row(self, sql: str, *values: object) -> asyncpg.Record | None:
        """The row that plain SQL (`$1`) finds, past SQLAlchemy: for public pages, where that was half the cost."""
        rows = await self.fetch_rows(sql, *values)
        return rows[0] if rows else None

    async def fetch_rows(self, sql: str, *values: object, plan_anew: bool = False) -> list[asyncpg.Record]:
        """The rows that plain SQL finds, past SQLAlchemy."""
        return await self._plain.fetch(sql, values, plan_anew=plan_anew)

    async def fetch_named(
        self, sql: str, values: Mapping[str, object], *, plan_anew: bool = False
    ) -> list[asyncpg.Record]:
        """The same with values that SQL calls `:name`, as statements that are put together do.

        `plan_anew` for these very values, which costs more than a kept plan: where what is best depends on them.
        """
        numbered, names = _numbered(sql)
        return await self.fetch_rows(numbered, *(values[name] for name in names), plan_anew=plan_anew)

    async def transact(self, sql: str, *values: object) -> Mapping[str, Any]:
        """The one row of a statement that is a whole transaction: committed when the row is here, else nothing of it.

        For the hottest writes, which take all their locks and leave them within this one round trip.
        """
        async with self._place_of_a_writer(self._plain.wait):
            row: Mapping[str, Any] = (await self.fetch_rows(sql, *values))[0]
        return row

    def pools(self) -> list[PoolState]:
        """The state of both pools: that of the sessions, and that of the statements past them."""
        pool = self._pool
        lent = pool.checkedout()
        sessions = PoolState("sessions", pool.size(), pool.checkedin() + lent, lent, pool.wait.waiting)
        return [sessions, self._plain.state()]

    @property
    def _pool(self) -> MeasuredPool:
        pool = self.engine.sync_engine.pool
        if not isinstance(pool, MeasuredPool):
            raise TypeError("The engine was made without our pool.")
        return pool

    async def is_migrated(self) -> bool:
        """Whether the database answers and has the revision that this code is written for, or a newer one."""
        try:
            async with self._reading.connect() as connection:
                found = (await connection.execute(text("SELECT version_num FROM public.alembic_version"))).scalar()
        except (DBAPIError, PoolTimeout, *DATABASE_LOST):
            return False
        return await asyncio.to_thread(revisions.suffices, found)

    async def close(self) -> None:
        """Give all connections back to the server."""
        await self.engine.dispose()
        await self._plain.close()
