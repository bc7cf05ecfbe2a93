"""GET /v1/me, and the roles in the token."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from gateway.routes import IDENTITY
from ishop.auth import Principal, Verifier
from tests.databases import TestDatabase
from tests.gateway.doors import Door
from tests.gateway.identity.accounts import execute
from tests.gateway.identity.test_sign_in import refresh, signed_in
from tests.gateway.test_app import problem

VENDOR, OTHER_VENDOR = UUID(int=0xA1), UUID(int=0xA2)
HOTEL = UUID(int=0xB1)

VENDORS = f"""
INSERT INTO vendors.vendors (id, slug, name, description_id, description_en, status, region_code, latitude, longitude,
    nib, size_class)
VALUES ('{VENDOR}', 'sumber-manis', 'Sumber Manis', '', '', 'active', '52.01', 0, 0, '1234567890123', 'micro'),
       ('{OTHER_VENDOR}', 'aren-lestari', 'Aren Lestari', '', '', 'active', '52.01', 0, 0, '1234567890124', 'micro')
"""
HOTELS = f"""
INSERT INTO orders.organizations (id, slug, name, kind, region_code)
VALUES ('{HOTEL}', 'hotel-senggigi', 'Hotel Senggigi', 'hotel', '52.01')
"""
OWNER = (
    "INSERT INTO vendors.vendor_members (vendor_id, user_id, role) SELECT '{vendor}', id, '{role}' FROM identity.users"
)
MEMBER = (
    "INSERT INTO orders.organization_members (organization_id, user_id, role) "
    f"SELECT '{HOTEL}', id, 'requester' FROM identity.users"
)


class TestMe:
    @pytest.mark.parametrize(
        ("statements", "roles"),
        [
            ([], ["consumer"]),
            ([VENDORS, OWNER.format(vendor=VENDOR, role="owner")], ["consumer", "vendor"]),
            ([HOTELS, MEMBER], ["consumer", "organization"]),
            (["UPDATE identity.users SET roles = '{office}'"], ["consumer", "office"]),
            (["UPDATE identity.users SET roles = '{admin,office}'"], ["consumer", "office", "admin"]),
        ],
        ids=["consumer", "vendor", "organization", "office", "admin"],
    )
    async def test_roles_of_each_kind(
        self, identity: Door, database: TestDatabase, statements: list[str], roles: list[str]
    ) -> None:
        tokens = await signed_in(identity)
        for statement in statements:
            await execute(database, statement)
        tokens = (await refresh(identity, tokens["refresh_token"])).json()
        principal = Verifier.from_settings(database.settings).verify(tokens["access_token"])
        assert principal.roles == frozenset(roles)
        me = await identity.client.get("/v1/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
        assert me.json()["roles"] == roles
        assert me.json()["id"] == str(principal.id)

    async def test_memberships_of_all_kinds(self, identity: Door, database: TestDatabase) -> None:
        tokens = await signed_in(identity)
        owner, staff = OWNER.format(vendor=VENDOR, role="owner"), OWNER.format(vendor=OTHER_VENDOR, role="staff")
        for statement in (VENDORS, HOTELS, owner, staff, MEMBER):
            await execute(database, statement)
        me = (await identity.client.get("/v1/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})).json()
        assert me == {
            "id": me["id"],
            "email": "sari@example.test",
            "name": "Sari Wulandari",
            "confirmed": False,
            "roles": ["consumer", "vendor", "organization"],
            "vendors": [
                {"id": str(OTHER_VENDOR), "name": "Aren Lestari", "role": "staff"},
                {"id": str(VENDOR), "name": "Sumber Manis", "role": "owner"},
            ],
            "organizations": [{"id": str(HOTEL), "name": "Hotel Senggigi", "role": "requester"}],
        }
        renewed = (await refresh(identity, tokens["refresh_token"])).json()["access_token"]
        principal = Verifier.from_settings(database.settings).verify(renewed)
        assert principal == Principal(
            id=UUID(me["id"]),
            roles=frozenset({"consumer", "vendor", "organization"}),
            vendors={OTHER_VENDOR: "staff", VENDOR: "owner"},
            organizations={HOTEL: "requester"},
            confirmed=False,
            session=principal.session,
        )

    async def test_others_are_not_told(self, identity: Door, database: TestDatabase) -> None:
        tokens = await signed_in(identity)
        for statement in (VENDORS, OWNER.format(vendor=VENDOR, role="owner")):
            await execute(database, statement)
        await execute(
            database,
            "INSERT INTO identity.users (email, name, password_hash) VALUES ('budi@example.test', 'Budi', 'x')",
        )
        await execute(database, f"UPDATE vendors.vendor_members SET user_id = '{UUID(int=7)}'")
        me = (await identity.client.get("/v1/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})).json()
        assert (me["email"], me["vendors"]) == ("sari@example.test", [])

    async def test_confirmed_is_in_the_token(self, identity: Door, database: TestDatabase) -> None:
        tokens = await signed_in(identity)
        await execute(database, "UPDATE identity.users SET confirmed_at = now()")
        renewed = (await refresh(identity, tokens["refresh_token"])).json()["access_token"]
        assert Verifier.from_settings(database.settings).verify(renewed).confirmed

    async def test_unauthenticated_when_nobody_is_signed_in(self, identity: Door) -> None:
        problem(await identity.client.get("/v1/me"), 401, "unauthenticated")

    async def test_unauthenticated_when_the_user_is_gone(self, identity: Door, database: TestDatabase) -> None:
        tokens = await signed_in(identity)
        await execute(database, "DELETE FROM identity.users")
        answer = await identity.client.get("/v1/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
        problem(answer, 401, "unauthenticated")

    async def test_one_statement(self, identity: Door) -> None:
        tokens = await signed_in(identity)
        statements: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            statements.append(statement)

        event.listen(identity.services[IDENTITY].state.database.engine.sync_engine, "before_cursor_execute", note)
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert (await identity.client.get("/v1/me", headers=headers)).status_code == 200
        assert len(statements) == 1
