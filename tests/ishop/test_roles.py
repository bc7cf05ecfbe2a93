"""The roles and the database as a real server sees them after the bootstrap."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import asyncpg
import pytest

from ishop.postgres import EmbeddedPostgres
from ishop.roles import EXTENSIONS, OWNERS, bootstrap
from ishop.settings import Role
from tests.ishop.homes import FAST, temporary_home

PASSWORDS = {role: f'it\'s "{role}" \\ %I pässword' for role in Role}
NUMBERS = count()


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[EmbeddedPostgres]:
    """A server of this module alone, since roles belong to the whole server; it logs every statement."""
    with temporary_home() as home:
        async with EmbeddedPostgres(home, settings=FAST | {"log_statement": "all"}) as running:
            yield running


@pytest.fixture
def database() -> str:
    """The name of a database that does not exist yet, with everything in it that a name may hold."""
    return f'Market\'s "{next(NUMBERS)}" %I'


@asynccontextmanager
async def connected(server: EmbeddedPostgres, role: Role, database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(
        host=server.host, port=server.port, user=str(role), password=PASSWORDS[role], database=database, ssl=False
    )
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def superuser(server: EmbeddedPostgres, database: str = "postgres") -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(server.superuser_dsn, database=database)
    try:
        yield connection
    finally:
        await connection.close()


class TestBootstrap:
    async def test_login_roles_have_no_power_and_sane_limits(self, server: EmbeddedPostgres, database: str) -> None:
        await bootstrap(server.superuser_dsn, database, PASSWORDS)
        for role in Role:
            async with connected(server, role, database) as connection:
                settings = [
                    await connection.fetchval(f"SHOW {name}")
                    for name in (
                        "search_path",
                        "lock_timeout",
                        "idle_in_transaction_session_timeout",
                        "statement_timeout",
                    )
                ]
                limits = ["0", "0", "0"] if role is Role.migrator else ["5s", "1min", "30s"]
                assert settings == ["ops" if role is Role.worker else "pg_catalog", *limits]
                power = await connection.fetchval(
                    "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls "
                    "FROM pg_catalog.pg_roles WHERE rolname = current_user"
                )
                assert power is False

    async def test_owners_cannot_log_in_and_only_the_migrator_acts_as_them(
        self, server: EmbeddedPostgres, database: str
    ) -> None:
        await bootstrap(server.superuser_dsn, database, PASSWORDS)
        async with superuser(server) as connection:
            rows = await connection.fetch(
                "SELECT owner.rolname AS owner, owner.rolcanlogin, member.rolname AS member, "
                "given.admin_option, given.inherit_option, given.set_option "
                "FROM pg_roles AS owner "
                "JOIN pg_auth_members AS given ON given.roleid = owner.oid "
                "JOIN pg_roles AS member ON member.oid = given.member "
                "WHERE owner.rolname LIKE 'ishop%' OR member.rolname LIKE 'ishop%'"
            )
        assert sorted(tuple(row) for row in rows) == sorted(
            (owner, False, "ishop_migrator", False, True, True) for owner in OWNERS
        )
        for role in Role:
            async with connected(server, role, database) as connection:
                if role is Role.migrator:
                    await connection.execute("CREATE SCHEMA catalog AUTHORIZATION ishop_catalog_owner")
                    await connection.execute("SET ROLE ishop_orders_owner")
                else:
                    with pytest.raises(asyncpg.InsufficientPrivilegeError):
                        await connection.execute("SET ROLE ishop_orders_owner")

    async def test_database_is_unicode_and_closed_to_strangers(self, server: EmbeddedPostgres, database: str) -> None:
        await bootstrap(server.superuser_dsn, database, PASSWORDS)
        async with superuser(server) as connection:
            row = await connection.fetchrow(
                "SELECT pg_encoding_to_char(encoding), datlocprovider::text, datlocale, datdba::regrole::text "
                "FROM pg_database WHERE datname = $1",
                database,
            )
            assert tuple(row) == ("UTF8", "b", "C.UTF-8", "ishop_migrator")
            await connection.execute("DROP ROLE IF EXISTS stranger")
            await connection.execute("CREATE ROLE stranger LOGIN PASSWORD 'x'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(
                host=server.host, port=server.port, user="stranger", password="x", database=database, ssl=False
            )

    @pytest.mark.parametrize(
        "statement",
        ["CREATE TABLE public.t ()", "CREATE TABLE extensions.t ()", "CREATE SCHEMA mine", "CREATE TABLE t ()"],
    )
    async def test_services_can_make_nothing(self, server: EmbeddedPostgres, database: str, statement: str) -> None:
        await bootstrap(server.superuser_dsn, database, PASSWORDS)
        for role in Role:
            if role is not Role.migrator:
                async with connected(server, role, database) as connection:
                    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.InvalidSchemaNameError)):
                        await connection.execute(statement)

    async def test_extensions_serve_every_role(self, server: EmbeddedPostgres, database: str) -> None:
        await bootstrap(server.superuser_dsn, database, PASSWORDS)
        for role in Role:
            async with connected(server, role, database) as connection:
                assert await connection.fetchval("SELECT extensions.unaccent('kópi')") == "kopi"
                assert await connection.fetchval("SELECT extensions.similarity('gula aren', 'gula arn')") > 0.5
                assert {row["extname"] for row in await connection.fetch("SELECT extname FROM pg_extension")} == {
                    "plpgsql",
                    *EXTENSIONS,
                }

    async def test_what_was_changed_by_hand_is_put_right_when_it_runs_again(
        self, server: EmbeddedPostgres, database: str
    ) -> None:
        await bootstrap(server.superuser_dsn, database, dict.fromkeys(Role, "an old password"))
        async with superuser(server, database) as connection:
            await connection.execute("ALTER ROLE ishop_orders SUPERUSER CREATEDB")
            await connection.execute("ALTER ROLE ishop_orders SET search_path = public")
            await connection.execute("ALTER ROLE ishop_orders SET work_mem = '1GB'")
            await connection.execute("ALTER ROLE ishop_orders_owner LOGIN")
            await connection.execute("CREATE TABLE public.kept AS SELECT 42 AS id")
        await bootstrap(server.superuser_dsn, database, PASSWORDS)
        async with connected(server, Role.orders, database) as connection:
            assert await connection.fetchval("SHOW is_superuser") == "off"
            assert await connection.fetchval("SHOW search_path") == "pg_catalog"
            assert await connection.fetchval("SHOW work_mem") == "4MB"
        async with superuser(server, database) as connection:
            assert await connection.fetchval("SELECT id FROM public.kept") == 42
            assert not await connection.fetchval("SELECT bool_or(rolcanlogin) FROM pg_roles WHERE rolname ~ '_owner$'")

    async def test_parallel_runs_do_not_disturb_each_other(self, server: EmbeddedPostgres, database: str) -> None:
        names = [database, *(f"{database} {number % 3}" for number in range(6))]
        await asyncio.gather(*(bootstrap(server.superuser_dsn, name, PASSWORDS) for name in names))
        for name in names:
            async with connected(server, Role.gateway, name) as connection:
                assert await connection.fetchval("SELECT current_database()") == name

    async def test_passwords_stay_out_of_the_log_even_when_every_statement_is_logged(
        self, server: EmbeddedPostgres, database: str
    ) -> None:
        await bootstrap(server.superuser_dsn, database, PASSWORDS)
        log = server.log.read_text()
        assert "CREATE DATABASE" in log
        assert "pässword" not in log

    async def test_a_missing_password_is_an_error(self, server: EmbeddedPostgres, database: str) -> None:
        with pytest.raises(KeyError):
            await bootstrap(server.superuser_dsn, database, {Role.catalog: "only one"})
