"""Engines, sessions and the declarative base. One role, one pool; one request, one connection."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from ishop.settings import Role, Settings

POOL_TIMEOUT_SECONDS = 10


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


class Database:
    """The database as one role sees it. Connects on first use; `close` when the process ends."""

    def __init__(self, settings: Settings, role: Role) -> None:
        self.engine = create_async_engine(
            settings.database_dsn(role).replace("postgresql://", "postgresql+asyncpg://", 1),
            pool_size=settings.database_pool,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            hide_parameters=True,  # An error's text goes to the log, and what was to be written may be a person's.
            connect_args={"server_settings": {"application_name": f"{role}"}},
        )
        # Reads need no BEGIN and no COMMIT: each statement is its own transaction, two round trips less.
        self._reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """A unit of work: the caller commits; leaving without a commit rolls back."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session for reads; every statement sees what is committed at its start."""
        async with AsyncSession(self._reading, expire_on_commit=False) as session:
            yield session

    async def close(self) -> None:
        """Give all connections back to the server."""
        await self.engine.dispose()
