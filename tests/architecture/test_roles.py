"""PostgreSQL itself keeps the services apart: each login role is let in where it belongs, and nowhere else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from ishop.settings import Role
from tests.databases import TestDatabase

SERVICE_ROLES = (Role.catalog, Role.vendors, Role.orders, Role.gateway, Role.worker)
OWN_SCHEMA = {Role.catalog: "catalog", Role.vendors: "vendors", Role.orders: "orders", Role.gateway: "identity"}
PUBLISHED_VIEWS = {
    "catalog.offers_v1": {Role.orders, Role.catalog},
    "catalog.regions_v1": {Role.orders, Role.vendors},
    "vendors.vendors_v1": {Role.catalog, Role.orders, Role.gateway},
    "vendors.stock_v1": {Role.catalog, Role.orders},
    "vendors.certificates_v1": {Role.catalog, Role.orders},
    "vendors.memberships_v1": {Role.gateway},
    "orders.memberships_v1": {Role.gateway},
    "vendors.invitations_v1": {Role.gateway},
    "orders.invitations_v1": {Role.gateway},
    "identity.verify_keys_v1": {Role.catalog, Role.vendors, Role.orders, Role.gateway},
    "orders.buyers_v1": {Role.gateway},
    "orders.person_orders_v1": {Role.gateway},
    "vendors.person_movements_v1": {Role.gateway},
    "ops.audited_changes_v1": {Role.gateway},
    "orders.audited_transitions_v1": {Role.gateway},
    "orders.audited_payments_v1": {Role.gateway},
}
FUNCTIONS = {
    "vendors.reserve_v1(uuid[], uuid[], bigint[], uuid, text)": {Role.orders},
    "vendors.release_v1(uuid[], boolean, text, uuid, text)": {Role.orders},
    "vendors.ship_v1(uuid, uuid, text)": {Role.orders},
    "vendors.end_reservations(uuid[], text, text, uuid, text)": set(),
    (
        "vendors.change_stock(text, uuid[], uuid[], bigint[], bigint[], bigint[], bigint[], text[], bigint[], text[],"
        " uuid, text)"
    ): {Role.vendors},
    "identity.request_mail_v1(text, text, uuid)": {Role.vendors, Role.orders},
    "vendors.set_invitation_token_v1(uuid, bytea)": {Role.gateway},
    "vendors.accept_invitation_v1(bytea, uuid, text)": {Role.gateway},
    "orders.set_invitation_token_v1(uuid, bytea)": {Role.gateway},
    "orders.accept_invitation_v1(bytea, uuid, text)": {Role.gateway},
    "identity.people_v1(uuid[])": {Role.vendors, Role.orders},
    "catalog.refresh_documents(uuid[])": {Role.catalog},
    "ops.emit_v1(text, text[], text)": set(SERVICE_ROLES),
    "ops.claim_v1(text, text, bytea)": set(SERVICE_ROLES) - {Role.worker},
    "ops.claim_v2(text, text, bytea, text)": set(SERVICE_ROLES) - {Role.worker},
    "ops.claim_v3(text, text, bytea, integer, jsonb, bytea)": set(SERVICE_ROLES) - {Role.worker},
    "ops.answered_v1(text, text, bytea)": set(SERVICE_ROLES) - {Role.worker},
    "ops.acting_v1(text, text)": set(SERVICE_ROLES) - {Role.worker},
    "ops.write_audit_v1()": set(),
    "ops.refuse_change()": set(),
    "ops.answer_v1(text, text, integer, jsonb, bytea)": set(SERVICE_ROLES) - {Role.worker},
    "ops.purge_idempotency_keys_v1()": {Role.worker},
}


@asynccontextmanager
async def connected(database: TestDatabase, role: Role) -> AsyncIterator[asyncpg.Connection]:
    connection = await database.connect(role)
    try:
        yield connection
    finally:
        await connection.close()


async def tables(database: TestDatabase) -> list[tuple[str, str]]:
    async with connected(database, Role.migrator) as connection:
        rows = await connection.fetch(
            "SELECT schemaname, tablename FROM pg_tables"
            " WHERE schemaname IN ('catalog', 'vendors', 'orders', 'identity', 'ops') ORDER BY 1, 2"
        )
    return [(row["schemaname"], row["tablename"]) for row in rows]


@pytest.mark.parametrize("role", SERVICE_ROLES)
class TestTables:
    async def test_refused_when_the_table_is_of_another_schema(self, database: TestDatabase, role: Role) -> None:
        foreign = [
            (schema, table)
            for schema, table in await tables(database)
            if schema != OWN_SCHEMA.get(role) and not (role is Role.worker and schema == "ops")
        ]
        assert len(foreign) > 15
        async with connected(database, role) as connection:
            for schema, table in foreign:
                for statement in (
                    f"SELECT * FROM {schema}.{table} LIMIT 1",
                    f"DELETE FROM {schema}.{table}",
                    f"INSERT INTO {schema}.{table} DEFAULT VALUES",
                    f"TRUNCATE {schema}.{table}",
                ):
                    with pytest.raises(asyncpg.InsufficientPrivilegeError):
                        await connection.execute(statement)

    async def test_refused_when_it_changes_the_schema_or_becomes_an_owner(
        self, database: TestDatabase, role: Role
    ) -> None:
        schema = OWN_SCHEMA.get(role, "ops")
        async with connected(database, role) as connection:
            for statement in (
                f"CREATE TABLE {schema}.mine (id integer)",
                "CREATE TABLE public.mine (id integer)",
                "CREATE SCHEMA mine",
                f"SET ROLE ishop_{schema}_owner",
                "SET ROLE ishop_migrator",
                "SET SESSION AUTHORIZATION postgres",
                "ALTER TABLE vendors.stock DROP CONSTRAINT ck_stock_reserved",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)

    async def test_history_cannot_be_rewritten(self, database: TestDatabase, role: Role) -> None:
        async with connected(database, role) as connection:
            for statement in (
                "UPDATE vendors.stock_movements SET on_hand_change = 0",
                "DELETE FROM vendors.stock_movements",
                "UPDATE orders.transitions SET to_status = 'x'",
                "DELETE FROM orders.transitions",
                "UPDATE orders.payments SET amount = 1",
                "DELETE FROM orders.orders",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)


class TestPublished:
    @pytest.mark.parametrize("role", SERVICE_ROLES)
    async def test_views_are_read_by_those_they_are_for(self, database: TestDatabase, role: Role) -> None:
        async with connected(database, role) as connection:
            for view, readers in PUBLISHED_VIEWS.items():
                if role in readers or view.startswith(f"{OWN_SCHEMA.get(role)}."):
                    continue
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(f"SELECT * FROM {view} LIMIT 1")
            for view, readers in PUBLISHED_VIEWS.items():
                if role in readers:
                    await connection.fetch(f"SELECT * FROM {view} LIMIT 1")

    async def test_functions_are_run_by_those_they_are_for(self, database: TestDatabase) -> None:
        async with connected(database, Role.migrator) as connection:
            for function, callers in FUNCTIONS.items():
                for role in SERVICE_ROLES:
                    allowed = await connection.fetchval(
                        "SELECT has_function_privilege($1::text, $2::text, 'EXECUTE')", role, function
                    )
                    assert allowed == (role in callers), f"{role} on {function}"

    async def test_every_definer_function_has_a_powerless_owner_and_a_fixed_path(self, database: TestDatabase) -> None:
        async with connected(database, Role.migrator) as connection:
            rows = await connection.fetch(
                "SELECT p.oid::regprocedure::text AS name, r.rolname, r.rolsuper, r.rolcanlogin, p.proconfig,"
                " has_function_privilege('public', p.oid, 'EXECUTE') AS for_everybody"
                " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_roles r ON r.oid = p.proowner"
                " WHERE p.prosecdef AND n.nspname IN ('catalog', 'vendors', 'orders', 'identity', 'ops')"
            )
        assert len(rows) >= 9
        for row in rows:
            assert not row["rolsuper"], row["name"]
            assert not row["rolcanlogin"], row["name"]
            assert not row["for_everybody"], row["name"]
            path = next(entry for entry in row["proconfig"] if entry.startswith("search_path="))
            assert path.endswith("pg_temp"), row["name"]
