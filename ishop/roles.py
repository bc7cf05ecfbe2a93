"""The step before migrations: login roles, owner roles, the database and its extensions, made by the superuser.

Roles belong to the whole server, not to a database, so no revision can make them: databases of parallel test runs
share them. Everything here may run again at any time, also by several processes at once.
"""

from collections.abc import Mapping
from typing import Final

import asyncpg

from ishop.settings import Role

OWNERS: Final = (
    "ishop_ops_owner",
    "ishop_identity_owner",
    "ishop_catalog_owner",
    "ishop_vendors_owner",
    "ishop_orders_owner",
)
"""One role per schema that owns its objects and cannot log in; only the migrator may act as them."""

EXTENSIONS: Final = ("pg_trgm", "unaccent")
"""Made in the schema `extensions`, which every role may use and only the superuser may change."""

SERVICE_SETTINGS: Final[Mapping[str, str]] = {
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "60s",
    "statement_timeout": "30s",
}
"""Defaults of every login role but the migrator, whose revisions set their own."""

ROLE_SETTINGS: Final[Mapping[Role, Mapping[str, str]]] = {
    Role.catalog: {"plan_cache_mode": "force_generic_plan", "work_mem": "32MB"},
    Role.orders: {"plan_cache_mode": "force_generic_plan"},
}
"""Planning the quote of an order anew took longer than running it: 2.2 ms against 0.27 with a kept plan. Statements are
built per set of filters and find their rows by indexes made for these, so a plan for any value is the plan for all; the
few for which it is not are planned anew (`Database.fetch_named`). A search keeps the places of all that have a word,
which with less memory become whole pages, whose every row is tested again: "premium" is in a tenth of all products."""

SEARCH_PATHS: Final[Mapping[Role, str]] = {Role.worker: "ops"}
"""PgQueuer writes the names of its tables unqualified. For every other role a name without a schema is an error."""

QUALIFIED_NAMES_ONLY: Final = "pg_catalog"

BOOTSTRAP_LOCK: Final = 0x1_5409_0001
"""The advisory lock, in the maintenance database, that makes parallel bootstraps wait for each other."""


async def bootstrap(superuser_dsn: str, database: str, passwords: Mapping[Role, str]) -> None:
    """Make the roles and `database`, or bring them back to what they should be.

    `superuser_dsn` is the address of the maintenance database, for a superuser. Every login role needs a password.
    Raises asyncpg.PostgresError when the server refuses, KeyError when a password is missing.
    """
    connection = await asyncpg.connect(superuser_dsn)
    try:
        # A lock of the session, not of a transaction: CREATE DATABASE cannot run inside one.
        await connection.execute("SELECT pg_advisory_lock($1)", BOOTSTRAP_LOCK)
        await _make_roles(connection, passwords)
        await _make_database(connection, database)
        await _furnish_database(superuser_dsn, database)
    finally:
        await connection.close()


async def _execute(connection: asyncpg.Connection, template: str, *names_and_values: str) -> None:
    """Run a statement that takes no parameters, quoted by the server: %I is a name, %L a text."""
    statement = await connection.fetchval("SELECT format($1, VARIADIC $2::text[])", template, names_and_values)
    await connection.execute(statement)


async def _make_roles(connection: asyncpg.Connection, passwords: Mapping[Role, str]) -> None:
    existing = {row["rolname"] for row in await connection.fetch("SELECT rolname FROM pg_catalog.pg_roles")}
    for name in (*OWNERS, *Role):
        if name not in existing:
            await _execute(connection, "CREATE ROLE %I", name)
    powerless = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
    async with connection.transaction():
        # A password must not reach the server's log, whatever the operator logs.
        await connection.execute("SET LOCAL log_statement = 'none'")
        await connection.execute("SET LOCAL log_min_duration_statement = -1")
        await connection.execute("SET LOCAL log_min_error_statement = 'panic'")
        for owner in OWNERS:
            await _execute(connection, f"ALTER ROLE %I NOLOGIN NOINHERIT {powerless}", owner)
            await _execute(connection, "GRANT %I TO %I WITH ADMIN FALSE, INHERIT TRUE, SET TRUE", owner, Role.migrator)
        for role in Role:
            await _execute(connection, f"ALTER ROLE %I LOGIN NOINHERIT {powerless} PASSWORD %L", role, passwords[role])
            await _execute(connection, "ALTER ROLE %I RESET ALL", role)
            path = SEARCH_PATHS.get(role, QUALIFIED_NAMES_ONLY)
            await _execute(connection, "ALTER ROLE %I SET search_path = %I", role, path)
            common = SERVICE_SETTINGS if role is not Role.migrator else {}
            for setting, value in {**common, **ROLE_SETTINGS.get(role, {})}.items():
                await _execute(connection, "ALTER ROLE %I SET %I = %L", role, setting, value)


async def _make_database(connection: asyncpg.Connection, database: str) -> None:
    if not await connection.fetchval("SELECT true FROM pg_catalog.pg_database WHERE datname = $1", database):
        await _execute(
            connection,
            "CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING 'UTF8' "
            "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C.UTF-8'",
            database,
            Role.migrator,
        )
    async with connection.transaction():
        await _execute(connection, "ALTER DATABASE %I OWNER TO %I", database, Role.migrator)
        await _execute(connection, "REVOKE CONNECT ON DATABASE %I FROM PUBLIC", database)
        for role in Role:
            await _execute(connection, "GRANT CONNECT ON DATABASE %I TO %I", database, role)


async def _furnish_database(superuser_dsn: str, database: str) -> None:
    connection = await asyncpg.connect(superuser_dsn, database=database)
    try:
        async with connection.transaction():
            await connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
            await connection.execute("CREATE SCHEMA IF NOT EXISTS extensions")
            await connection.execute("GRANT USAGE ON SCHEMA extensions TO PUBLIC")
            for extension in EXTENSIONS:
                await _execute(connection, "CREATE EXTENSION IF NOT EXISTS %I WITH SCHEMA extensions", extension)
    finally:
        await connection.close()
