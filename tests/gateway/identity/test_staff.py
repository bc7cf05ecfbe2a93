"""`ishop accounts`: what the operator does to accounts of the office, as its owners then see it at the door."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from httpx import AsyncClient
from pydantic import SecretStr

from demo.accounts import ADMIN, CONSUMER, OFFICE
from gateway.identity.staff import service
from gateway.identity.staff.errors import AccountExists, NoSuchAccount, NotAcceptable
from ishop.auth import StaffRole
from ishop.database import Database
from ishop.settings import Role
from tests.markets import TestMarket

EMAIL = "pegawai@dinas.test"
PASSWORD = SecretStr("sandi-yang-panjang-sekali")


@pytest.fixture
async def identity(market: TestMarket) -> AsyncIterator[Database]:
    """The database as `ishop accounts` uses it."""
    database = Database(market.settings, Role.gateway)
    yield database
    await database.close()


async def sign_in(client: AsyncClient, email: str, password: SecretStr = PASSWORD) -> dict[str, str]:
    answer = await client.post(
        "/v1/auth/token",
        data={"grant_type": "password", "username": email, "password": password.get_secret_value()},
    )
    assert answer.status_code == 200, answer.text
    tokens: dict[str, str] = answer.json()
    return tokens


class TestCreate:
    async def test_owner_signs_in_with_a_confirmed_address(self, market: TestMarket, identity: Database) -> None:
        await service.create(identity, EMAIL.upper(), "Pegawai Dinas", PASSWORD)
        tokens = await sign_in(market.anonymous, EMAIL)
        me = (await market.client_with_token(tokens["access_token"]).get("/v1/me")).json()
        assert (me["email"], me["name"], me["confirmed"], me["roles"]) == (EMAIL, "Pegawai Dinas", True, ["consumer"])

    async def test_accounts_that_others_made_with_the_address_end(self, market: TestMarket, identity: Database) -> None:
        other = SecretStr("sandi-orang-lain-itu")
        body = {"email": EMAIL, "password": other.get_secret_value(), "name": "Bukan Pegawai"}
        assert (await market.anonymous.post("/v1/auth/register", json=body)).status_code == 201
        before = await sign_in(market.anonymous, EMAIL, other)
        await service.create(identity, EMAIL, "Pegawai Dinas", PASSWORD)
        await service.grant(identity, EMAIL, StaffRole.admin)
        refreshed = await market.anonymous.post(
            "/v1/auth/token", data={"grant_type": "refresh_token", "refresh_token": before["refresh_token"]}
        )
        assert refreshed.status_code == 401
        form = {"grant_type": "password", "username": EMAIL, "password": other.get_secret_value()}
        assert (await market.anonymous.post("/v1/auth/token", data=form)).status_code == 401
        await sign_in(market.anonymous, EMAIL)

    async def test_refused_when_the_address_has_an_account(self, market: TestMarket, identity: Database) -> None:
        before = await market.fetch("SELECT * FROM identity.users ORDER BY id")
        with pytest.raises(AccountExists):
            await service.create(identity, OFFICE, "Orang Lain", PASSWORD)
        assert await market.fetch("SELECT * FROM identity.users ORDER BY id") == before

    async def test_one_account_is_made_when_two_operators_make_it_at_once(
        self, market: TestMarket, identity: Database
    ) -> None:
        made = await asyncio.gather(
            *(service.create(identity, EMAIL, f"Pegawai {number}", PASSWORD) for number in range(4)),
            return_exceptions=True,
        )
        assert [one for one in made if one is None] == [None]
        rows = await market.fetch("SELECT id FROM identity.users WHERE email = $1 AND superseded_at IS NULL", EMAIL)
        assert len(rows) == 1

    @pytest.mark.parametrize(
        ("email", "password", "part"),
        [(EMAIL, "pendek", "password"), (EMAIL, EMAIL, "password"), ("no address", "sandi-yang-panjang", "email")],
    )
    async def test_refused_like_a_registration(self, identity: Database, email: str, password: str, part: str) -> None:
        with pytest.raises(NotAcceptable, match=part) as refused:
            await service.create(identity, email, "Pegawai", SecretStr(password))
        assert password not in str(refused.value).replace(email, "")


class TestRoles:
    async def test_granted_role_opens_what_it_is_for_and_revoking_closes_it(
        self, market: TestMarket, identity: Database
    ) -> None:
        await service.create(identity, EMAIL, "Pegawai Dinas", PASSWORD)
        for _ in range(2):
            await service.grant(identity, EMAIL.upper(), StaffRole.office)
        tokens = await sign_in(market.anonymous, EMAIL)
        me = (await market.client_with_token(tokens["access_token"]).get("/v1/me")).json()
        assert me["roles"] == ["consumer", "office"]
        await service.revoke(identity, EMAIL, StaffRole.office)
        refreshed = await market.anonymous.post(
            "/v1/auth/token", data={"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        )
        assert refreshed.status_code == 401
        tokens = await sign_in(market.anonymous, EMAIL)
        me = (await market.client_with_token(tokens["access_token"]).get("/v1/me")).json()
        assert me["roles"] == ["consumer"]

    async def test_refused_when_nobody_confirmed_the_address(self, market: TestMarket, identity: Database) -> None:
        body = {"email": EMAIL, "password": PASSWORD.get_secret_value(), "name": "Belum Pasti"}
        assert (await market.anonymous.post("/v1/auth/register", json=body)).status_code == 201
        for change in (service.grant, service.revoke):
            with pytest.raises(NoSuchAccount):
                await change(identity, EMAIL, StaffRole.admin)
        rows = await market.fetch("SELECT roles FROM identity.users WHERE email = $1", EMAIL)
        assert [row["roles"] for row in rows] == [[]]

    async def test_list_shows_who_has_a_role_and_nobody_else(self, identity: Database) -> None:
        found = {member.email: list(member.roles) for member in await service.list_staff(identity)}
        assert found == {ADMIN: ["admin"], OFFICE: ["office"]}
        assert CONSUMER not in found
