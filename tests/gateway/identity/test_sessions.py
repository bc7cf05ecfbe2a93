"""Sessions as their owners see and end them, and POST /v1/auth/revoke."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from gateway.identity.sessions.domain import Place, network_of
from ishop.auth import Verifier
from tests.databases import TestDatabase
from tests.gateway.doors import Door
from tests.gateway.identity.accounts import execute, jobs_of
from tests.gateway.identity.test_register import register
from tests.gateway.identity.test_sign_in import refresh, sign_in, signed_in, tokens
from tests.gateway.test_app import problem


def bearer(made: dict[str, Any]) -> dict[str, str]:
    """The header of whoever got these tokens."""
    return {"Authorization": f"Bearer {made['access_token']}"}


async def revoke(door: Door, token: str) -> httpx.Response:
    """Sign out."""
    return await door.client.post("/v1/auth/revoke", data={"token": token, "token_type_hint": "refresh_token"})


async def listed(door: Door, made: dict[str, Any]) -> list[dict[str, Any]]:
    """The sessions that the owner of these tokens sees."""
    answer = await door.client.get("/v1/me/sessions", headers=bearer(made))
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def somebody_else(door: Door) -> dict[str, Any]:
    """Tokens of another person."""
    await register(door, email="budi@example.test")
    made: dict[str, Any] = (await sign_in(door, "budi@example.test")).json()
    return made


class TestList:
    async def test_newest_first_with_the_current_one_marked(self, identity: Door, database: TestDatabase) -> None:
        first = await signed_in(identity)
        identity.client.headers["User-Agent"] = "Toko \t Sari/1.0 " + "x" * 300
        second = (await sign_in(identity)).json()
        await somebody_else(identity)
        seen = await listed(identity, first)
        assert [one["current"] for one in seen] == [False, True]
        assert [one["id"] for one in seen] == [str(session_of(database, made)) for made in (second, first)]
        assert {one["network"] for one in seen} == {"127.0.0.0/24"}
        assert seen[0]["user_agent"] == ("Toko   Sari/1.0 " + "x" * 300)[:200]

    async def test_stays_the_same_one_when_it_is_refreshed(self, identity: Door, database: TestDatabase) -> None:
        first = await signed_in(identity)
        before = await listed(identity, first)
        renewed = (await refresh(identity, first["refresh_token"])).json()
        [after] = await listed(identity, renewed)
        assert (after["id"], after["current"]) == (before[0]["id"], True)
        assert after["last_used_at"] > before[0]["last_used_at"]
        assert session_of(database, renewed) == session_of(database, first)

    async def test_expired_ones_are_not_there_and_go_at_night(self, identity: Door, database: TestDatabase) -> None:
        made = await signed_in(identity)
        await execute(database, "UPDATE identity.sessions SET last_used_at = now() - interval '31 days'")
        assert await listed(identity, made) == []
        await jobs_of(identity).schedules["identity_purge_sessions"].handler()
        assert await tokens(database) == []

    async def test_unauthenticated_when_nobody_is_signed_in(self, identity: Door) -> None:
        problem(await identity.client.get("/v1/me/sessions"), 401, "unauthenticated")


class TestEnd:
    async def test_one_ends_and_the_others_go_on(self, identity: Door, database: TestDatabase) -> None:
        first, second = await signed_in(identity), (await sign_in(identity)).json()
        path = f"/v1/me/sessions/{session_of(database, first)}"
        answer = await identity.client.delete(path, headers=bearer(second))
        assert (answer.status_code, answer.content) == (204, b"")
        problem(await refresh(identity, first["refresh_token"]), 401, "invalid_credentials")
        assert (await refresh(identity, second["refresh_token"])).status_code == 200
        assert len(await listed(identity, second)) == 1
        problem(await identity.client.delete(path, headers=bearer(second)), 404, "not_found")

    async def test_not_found_when_it_is_somebody_elses(self, identity: Door, database: TestDatabase) -> None:
        mine, other = await signed_in(identity), await somebody_else(identity)
        for session_id in (session_of(database, mine), uuid4()):
            answer = await identity.client.delete(f"/v1/me/sessions/{session_id}", headers=bearer(other))
            problem(answer, 404, "not_found")
        assert (await refresh(identity, mine["refresh_token"])).status_code == 200

    async def test_all_others_end(self, identity: Door) -> None:
        first, second = await signed_in(identity), (await sign_in(identity)).json()
        other = await somebody_else(identity)
        answer = await identity.client.post("/v1/me/sessions/end-others", headers=bearer(second))
        assert answer.status_code == 204
        problem(await refresh(identity, first["refresh_token"]), 401, "invalid_credentials")
        assert (await refresh(identity, second["refresh_token"])).status_code == 200
        assert (await refresh(identity, other["refresh_token"])).status_code == 200


class TestRevoke:
    async def test_session_of_the_token_ends(self, identity: Door) -> None:
        first, second = await signed_in(identity), (await sign_in(identity)).json()
        answer = await revoke(identity, first["refresh_token"])
        assert (answer.status_code, answer.content) == (204, b"")
        problem(await refresh(identity, first["refresh_token"]), 401, "invalid_credentials")
        assert (await refresh(identity, second["refresh_token"])).status_code == 200

    async def test_used_token_ends_its_session_too(self, identity: Door) -> None:
        first = await signed_in(identity)
        newest = (await refresh(identity, first["refresh_token"])).json()["refresh_token"]
        assert (await revoke(identity, first["refresh_token"])).status_code == 204
        problem(await refresh(identity, newest), 401, "invalid_credentials")

    async def test_unknown_token_gets_the_same_answer(self, identity: Door, database: TestDatabase) -> None:
        await signed_in(identity)
        answer = await revoke(identity, "unknown")
        assert (answer.status_code, answer.content) == (204, b"")
        assert await tokens(database) == [(False, False)]

    async def test_refused_when_it_is_no_form(self, identity: Door) -> None:
        post = identity.client.post
        problem(await post("/v1/auth/revoke", json={"token": "x"}), 415, "unsupported_media_type")
        problem(await post("/v1/auth/revoke", data={"hint": "x"}), 422, "invalid_request")


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not an address", "unknown"),
        (None, "unknown"),
    ],
)
def test_network_of_an_address(host: str | None, network: str) -> None:
    assert network_of(host) == network
    assert Place.of(host, None) == Place(network, "")


def session_of(database: TestDatabase, made: dict[str, Any]) -> UUID | None:
    """The session in an access token."""
    return Verifier.from_settings(database.settings).verify(made["access_token"]).session
