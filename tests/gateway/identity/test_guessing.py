"""Guessing is slowed down, and the owner of an account at home does not notice."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace

import httpx
import pytest
from httpx import ASGITransport, AsyncClient

from gateway.app import create_identity
from gateway.identity.sessions import guessing
from gateway.routes import IDENTITY, ROUTES
from tests.databases import TestDatabase
from tests.gateway.doors import BASE_URL, Door, open_door
from tests.gateway.identity.accounts import execute, mails
from tests.gateway.identity.test_recovery import NEW, reset_token
from tests.gateway.identity.test_register import SARI
from tests.gateway.test_app import problem

EMAIL, PASSWORD = SARI["email"], SARI["password"]
HOME, NEIGHBOUR, ELSEWHERE = "203.0.113.7", "203.0.113.99", "2001:db8:1:2::5"
WRONG = "salah sekali"
From = Callable[[str], AsyncClient]


@pytest.fixture
async def limited(database: TestDatabase) -> AsyncIterator[Door]:
    """A gateway that counts, before identity."""
    settings = database.settings.model_copy(update={"rate_limits": True})
    routes = [route for route in ROUTES if route.upstream == IDENTITY]
    async with open_door(settings, routes, {IDENTITY: create_identity}) as door:
        yield door


@pytest.fixture
async def client_at(limited: Door) -> AsyncIterator[From]:
    """Clients by their address."""
    async with AsyncExitStack() as stack:
        made: dict[str, AsyncClient] = {}

        def at(address: str) -> AsyncClient:
            if address not in made:
                transport = ASGITransport(limited.gateway, client=(address, 50000))
                made[address] = AsyncClient(transport=transport, base_url=BASE_URL)
                stack.push_async_callback(made[address].aclose)
            return made[address]

        yield at


async def attempt(client: AsyncClient, email: str = EMAIL, password: str = WRONG) -> httpx.Response:
    """Sign in."""
    form = {"grant_type": "password", "username": email, "password": password}
    return await client.post("/v1/auth/token", data=form)


async def attack(client_at: From, email: str) -> list[int]:
    """Guess from as many networks as it takes until one that never guessed before is refused."""
    networks = range(guessing.PER_EMAIL.amount + 1)
    return [(await attempt(client_at(f"198.51.{number}.1"), email)).status_code for number in networks]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Smaller limits, because every attempt costs two hashes."""
    for name in ("PER_EMAIL_AND_NETWORK", "PER_EMAIL", "PER_NETWORK"):
        limit = getattr(guessing, name)
        amount = {"PER_EMAIL_AND_NETWORK": 4, "PER_EMAIL": 6, "PER_NETWORK": 9}[name]
        monkeypatch.setattr(guessing, name, replace(limit, amount=amount))


class TestAttacker:
    async def test_waits_when_he_failed_too_often_at_one_address(self, client_at: From) -> None:
        statuses = [(await attempt(client_at(HOME))).status_code for _ in range(4)]
        assert statuses == [401] * 4
        refused = await attempt(client_at(HOME))
        problem(refused, 429, "too_many_requests")
        assert 0 < int(refused.headers["retry-after"]) <= 900
        problem(await attempt(client_at(NEIGHBOUR)), 429, "too_many_requests")
        assert (await attempt(client_at(HOME), "budi@example.test")).status_code == 401
        assert (await attempt(client_at(ELSEWHERE))).status_code == 401

    async def test_waits_when_he_comes_from_many_networks(self, client_at: From) -> None:
        assert await attack(client_at, EMAIL) == [401] * 6 + [429]

    async def test_waits_when_he_tries_many_addresses(self, client_at: From) -> None:
        statuses = [(await attempt(client_at(HOME), f"a{number}@example.test")).status_code for number in range(10)]
        assert statuses == [401] * 9 + [429]

    async def test_is_told_the_same_whether_or_not_there_is_an_account(self, client_at: From) -> None:
        await client_at(HOME).post("/v1/auth/register", json=SARI)
        assert (await attempt(client_at(HOME), password=PASSWORD)).status_code == 200
        known, unknown = await attack(client_at, EMAIL), await attack(client_at, "nobody@example.test")
        assert known[:5] == unknown[:5] == [401] * 5  # Its owner's sign-in counted as an attempt.
        assert (known[-1], unknown[-1]) == (429, 429)
        answers = [await attempt(client_at(ELSEWHERE), email) for email in (EMAIL, "nobody@example.test")]
        bodies = [problem(answer, 429, "too_many_requests") for answer in answers]
        assert bodies[0].keys() == bodies[1].keys()
        assert answers[0].headers.keys() == answers[1].headers.keys()

    async def test_right_password_does_not_help_him_once_he_must_wait(self, client_at: From) -> None:
        await client_at(HOME).post("/v1/auth/register", json=SARI)
        await attack(client_at, EMAIL)
        problem(await attempt(client_at(ELSEWHERE), password=PASSWORD), 429, "too_many_requests")

    async def test_account_that_he_made_with_the_address_does_not_make_his_network_known(
        self, client_at: From, database: TestDatabase
    ) -> None:
        await client_at(HOME).post("/v1/auth/register", json=SARI)
        assert (await attempt(client_at(HOME), password=PASSWORD)).status_code == 200
        await execute(database, "UPDATE identity.users SET confirmed_at = now()")
        await client_at(ELSEWHERE).post("/v1/auth/register", json={**SARI, "password": "kata sandi pencuri"})
        assert (await attempt(client_at(ELSEWHERE), password="kata sandi pencuri")).status_code == 200
        await attack(client_at, EMAIL)
        problem(await attempt(client_at(ELSEWHERE), password=PASSWORD), 401, "invalid_credentials")


class TestVictim:
    async def test_signs_in_at_home_while_others_guess(self, client_at: From) -> None:
        await client_at(HOME).post("/v1/auth/register", json=SARI)
        assert (await attempt(client_at(HOME), password=PASSWORD)).status_code == 200
        await attack(client_at, EMAIL)
        assert (await attempt(client_at(HOME), password=PASSWORD)).status_code == 200
        assert (await attempt(client_at(NEIGHBOUR), password=PASSWORD)).status_code == 200
        assert (await attempt(client_at(HOME))).status_code == 401

    async def test_is_unknown_when_he_was_not_at_home_for_long(self, client_at: From, database: TestDatabase) -> None:
        await client_at(HOME).post("/v1/auth/register", json=SARI)
        await attempt(client_at(HOME), password=PASSWORD)
        await execute(database, "UPDATE identity.known_networks SET last_seen_at = now() - interval '91 days'")
        await attack(client_at, EMAIL)
        problem(await attempt(client_at(HOME), password=PASSWORD), 429, "too_many_requests")

    async def test_gets_in_by_mail_from_anywhere(self, client_at: From, limited: Door, database: TestDatabase) -> None:
        await client_at(HOME).post("/v1/auth/register", json=SARI)
        await attack(client_at, EMAIL)
        abroad = client_at(ELSEWHERE)
        problem(await attempt(abroad, password=PASSWORD), 429, "too_many_requests")
        token = await reset_token(limited, database)
        body = {"token": token, "password": NEW}
        assert (await abroad.post("/v1/auth/password/reset/confirm", json=body)).status_code == 204
        assert (await attempt(abroad, password=NEW)).status_code == 200
        assert await mails(limited, database) == []

    async def test_begins_again_when_the_password_was_right(self, client_at: From) -> None:
        await client_at(HOME).post("/v1/auth/register", json=SARI)
        for _ in range(2):
            for _ in range(2):
                assert (await attempt(client_at(HOME))).status_code == 401
            assert (await attempt(client_at(HOME), password=PASSWORD)).status_code == 200
