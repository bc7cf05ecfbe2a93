"""Databases for tests: on a real PostgreSQL, cloned from a template in milliseconds, committed to for good."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from ishop.settings import Role, Settings


@dataclass(frozen=True)
class TestDatabase:
    """One database of the test cluster, as any role."""

    __test__ = False

    settings: Settings

    def dsn(self, role: Role) -> str:
        """The plain PostgreSQL address of this database for `role`."""
        return self.settings.database_dsn(role)

    async def connect(self, role: Role) -> asyncpg.Connection:
        """A connection as `role`; the test closes it."""
        return await asyncpg.connect(self.dsn(role))


class Cluster:
    """The databases of one test run's server."""

    def __init__(self, superuser_dsn: str, settings: Settings) -> None:
        self.superuser_dsn = superuser_dsn
        self.settings = settings
        self._made = 0

    def named(self, name: str) -> TestDatabase:
        """The database `name`, which may not exist yet."""
        return TestDatabase(self.settings.model_copy(update={"database_name": name}))

    @asynccontextmanager
    async def clone(self, template: TestDatabase) -> AsyncIterator[TestDatabase]:
        """A copy of `template`, dropped at the end however many connections are still open."""
        self._made += 1
        name = f"{template.settings.database_name}_{self._made}"
        await self.execute(
            f"CREATE DATABASE {name} TEMPLATE {template.settings.database_name}"
            f" OWNER {Role.migrator} STRATEGY FILE_COPY"
        )
        try:
            yield self.named(name)
        finally:
            await self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def execute(self, statement: str) -> None:
        """Run a statement as the superuser, in the maintenance database."""
        connection = await asyncpg.connect(self.superuser_dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
