"""POST /v1/auth/register."""

from typing import Any

import httpx
import pytest

from ishop.settings import Role
from tests.databases import TestDatabase
from tests.gateway.doors import Door
from tests.gateway.identity.accounts import execute
from tests.gateway.test_app import problem

SARI: dict[str, Any] = {"email": "sari@example.test", "password": "kopi pahit pagi", "name": "Sari Wulandari"}


async def users(database: TestDatabase) -> list[tuple[Any, ...]]:
    """All users, as the migrator sees them."""
    connection = await database.connect(Role.migrator)
    try:
        rows = await connection.fetch(
            "SELECT email, name, roles, locale, confirmed_at, password_hash FROM identity.users"
        )
        return [tuple(row) for row in rows]
    finally:
        await connection.close()


async def register(door: Door, **changes: Any) -> httpx.Response:
    """Register Sari, with changes."""
    return await door.client.post("/v1/auth/register", json={**SARI, **changes})


class TestRegister:
    async def test_consumer_when_all_is_well(self, identity: Door, database: TestDatabase) -> None:
        answer = await register(identity, email="Sari@Example.TEST", name="  Sari Wulandari ")
        assert answer.status_code == 201
        body = answer.json()
        assert body.pop("id")
        assert body == {
            "email": "sari@example.test",
            "name": "Sari Wulandari",
            "confirmed": False,
            "roles": ["consumer"],
            "vendors": [],
            "organizations": [],
        }
        [(email, name, roles, locale, confirmed_at, password_hash)] = await users(database)
        assert (email, name, roles, locale, confirmed_at) == ("sari@example.test", "Sari Wulandari", [], "id", None)
        assert password_hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
        assert SARI["password"] not in answer.text + password_hash

    async def test_language_of_the_caller_is_kept(self, identity: Door, database: TestDatabase) -> None:
        await identity.client.post("/v1/auth/register", json=SARI, headers={"Accept-Language": "en"})
        assert [row[3] for row in await users(database)] == ["en"]

    async def test_tells_nobody_whether_the_address_is_taken(self, identity: Door, database: TestDatabase) -> None:
        first = (await register(identity)).json()
        await execute(database, "UPDATE identity.users SET confirmed_at = now()")
        taken, free = await register(identity, email="SARI@example.test"), await register(identity, email="b@c.test")
        assert (taken.status_code, free.status_code) == (201, 201)
        assert taken.json() == {**first, "id": taken.json()["id"]}
        assert taken.headers.keys() == free.headers.keys()
        assert len(await users(database)) == 3

    @pytest.mark.parametrize(
        "email",
        [
            "",
            "sari",
            "sari@",
            "@example.test",
            "sari@localhost",
            "sa ri@example.test",
            "a@b@example.test",
            "sari@example..test",
            "särí@example.test",
            "x" * 250 + "@example.test",
            "sari@example.test\nBcc: x@y.test",
        ],
    )
    async def test_invalid_when_it_is_no_address(self, identity: Door, database: TestDatabase, email: str) -> None:
        body = problem(await register(identity, email=email), 422, "invalid_request")
        assert [error["pointer"] for error in body["errors"]] == ["/email"]
        assert await users(database) == []

    @pytest.mark.parametrize("domain", ["demo.test", "example.com", "hotel.example", "bücher.test"])
    async def test_reserved_domains_are_let_in(self, identity: Door, domain: str) -> None:
        assert (await register(identity, email=f"sari@{domain}")).status_code == 201

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("password", "too short"),
            ("password", "x" * 129),
            ("password", "PasSword1234"),
            ("password", "aaaaaaaaaaaaaaa"),
            ("password", "sari@example.test"),
            ("name", "   "),
            ("name", "x" * 201),
            ("name", "two\nlines"),
            ("roles", ["admin"]),
            ("confirmed_at", "2026-01-01T00:00:00Z"),
            ("email", 5),
        ],
    )
    async def test_invalid_when_a_field_is(
        self, identity: Door, database: TestDatabase, field: str, value: object
    ) -> None:
        answer = await register(identity, **{field: value})
        body = problem(answer, 422, "invalid_request")
        assert [error["pointer"] for error in body["errors"]] == [f"/{field}"]
        assert SARI["password"] not in answer.text
        assert await users(database) == []

    async def test_malformed_when_it_is_no_json(self, identity: Door) -> None:
        json_type = {"Content-Type": "application/json"}
        post = identity.client.post
        problem(await post("/v1/auth/register", content=b"{", headers=json_type), 400, "malformed_request")
        problem(
            await post("/v1/auth/register", content=b'{"name":"\xff"}', headers=json_type), 400, "malformed_request"
        )
        problem(await post("/v1/auth/register", json={**SARI, "name": "a\0b"}), 400, "malformed_request")
        problem(await post("/v1/auth/register", data=SARI), 415, "unsupported_media_type")
        problem(await post("/v1/auth/register", json={**SARI, "name": "x" * 20_000}), 413, "payload_too_large")
