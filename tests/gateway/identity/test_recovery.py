"""Another password: by mail, or by the current one."""

import asyncio
from typing import Any

import httpx
import pytest

from ishop.settings import Role
from tests.databases import TestDatabase
from tests.gateway.doors import Door
from tests.gateway.identity.accounts import execute, mail, mails
from tests.gateway.identity.test_confirm import confirm
from tests.gateway.identity.test_register import SARI, register
from tests.gateway.identity.test_sessions import bearer
from tests.gateway.identity.test_sign_in import refresh, sign_in, signed_in
from tests.gateway.test_app import problem

EMAIL, OLD = SARI["email"], SARI["password"]
NEW = "jahe merah hangat"


async def ask(door: Door, email: str = EMAIL) -> httpx.Response:
    """Ask for a mail."""
    return await door.client.post("/v1/auth/password/reset", json={"email": email})


async def reset(door: Door, token: str, password: str = NEW) -> httpx.Response:
    """Choose a password with the token of a mail."""
    return await door.client.post("/v1/auth/password/reset/confirm", json={"token": token, "password": password})


async def change(door: Door, made: dict[str, Any], current: str = OLD, new: str = NEW) -> httpx.Response:
    """Choose a password with the current one."""
    body = {"current_password": current, "new_password": new}
    return await door.client.post("/v1/me/password", json=body, headers=bearer(made))


async def reset_token(door: Door, database: TestDatabase) -> str:
    """The token of a reset for Sari, whose other mails are thrown away."""
    await mails(door, database)
    await ask(door)
    return (await mail(door, database)).token


class TestAsk:
    async def test_answer_is_the_same_whoever_it_is_and_only_the_owner_gets_a_mail(
        self, identity: Door, database: TestDatabase
    ) -> None:
        await register(identity)
        await mails(identity, database)
        answers = [await ask(identity, email) for email in (EMAIL.upper(), "nobody@example.test")]
        assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"null")] * 2
        sent = await mail(identity, database)
        assert (sent.recipient, sent.subject) == (EMAIL, "Kata sandi baru untuk i-Shop")
        assert f"/reset-password#token={sent.token}" in sent.body

    async def test_same_statements_whoever_it_is(self, identity: Door, database: TestDatabase) -> None:
        await register(identity)
        connection = await database.connect(Role.migrator)
        for email in (EMAIL, "nobody@example.test"):
            await ask(identity, email)
        rows = await connection.fetch("SELECT kind, subject_id FROM identity.mail_requests WHERE kind = 'reset'")
        await connection.close()
        assert [tuple(row) for row in rows] == [("reset", None)] * 2

    async def test_goes_to_the_account_that_confirmed_the_address(self, identity: Door, database: TestDatabase) -> None:
        await register(identity)
        await confirm(identity, (await mail(identity, database)).token)
        await register(identity, name="Pencuri", password="kata sandi pencuri")
        token = await reset_token(identity, database)
        assert (await reset(identity, token)).status_code == 204
        assert (await sign_in(identity, password=NEW)).status_code == 200
        problem(await sign_in(identity), 401, "invalid_credentials")

    @pytest.mark.parametrize("body", [{}, {"email": "nobody"}, {"email": EMAIL, "password": NEW}])
    async def test_invalid_when_the_body_is(self, identity: Door, body: dict[str, Any]) -> None:
        problem(await identity.client.post("/v1/auth/password/reset", json=body), 422, "invalid_request")


class TestReset:
    async def test_all_sessions_end_and_the_address_is_confirmed(self, identity: Door, database: TestDatabase) -> None:
        old = await signed_in(identity)
        answer = await reset(identity, await reset_token(identity, database))
        assert (answer.status_code, answer.content) == (204, b"")
        problem(await refresh(identity, old["refresh_token"]), 401, "invalid_credentials")
        problem(await sign_in(identity), 401, "invalid_credentials")
        made = (await sign_in(identity, password=NEW)).json()
        assert (await identity.client.get("/v1/me", headers=bearer(made))).json()["confirmed"] is True

    async def test_once_only_also_when_it_comes_twice_at_once(self, identity: Door, database: TestDatabase) -> None:
        await register(identity)
        token = await reset_token(identity, database)
        answers = await asyncio.gather(*(reset(identity, token, f"{NEW} {number}") for number in range(4)))
        assert sorted(answer.status_code for answer in answers) == [204, 400, 400, 400]
        signed = [(await sign_in(identity, password=f"{NEW} {number}")).status_code for number in range(4)]
        assert signed == [200 if answer.status_code == 204 else 401 for answer in answers]

    async def test_refused_when_it_is_late_or_unknown_or_of_a_confirmation(
        self, identity: Door, database: TestDatabase
    ) -> None:
        await register(identity)
        confirmation = (await mail(identity, database)).token
        token = await reset_token(identity, database)
        await execute(database, "UPDATE identity.one_time_tokens SET expires_at = now() WHERE purpose = 'reset'")
        for one in (token, "unknown", confirmation):
            problem(await reset(identity, one), 400, "invalid_token")
        assert (await sign_in(identity)).status_code == 200

    async def test_other_tokens_end_with_it(self, identity: Door, database: TestDatabase) -> None:
        await register(identity)
        await mails(identity, database)
        await ask(identity)
        await ask(identity)
        first, second = await mails(identity, database)
        assert (await reset(identity, first.token)).status_code == 204
        problem(await reset(identity, second.token, "kata sandi lain"), 400, "invalid_token")

    @pytest.mark.parametrize(
        ("password", "code"),
        [
            ("short", "too_short"),
            ("Password1234", "password_too_common"),
            (EMAIL.upper(), "password_is_email"),
        ],
    )
    async def test_weak_password_is_refused_and_the_token_still_works(
        self, identity: Door, database: TestDatabase, password: str, code: str
    ) -> None:
        await register(identity)
        token = await reset_token(identity, database)
        [error] = problem(await reset(identity, token, password), 422, "invalid_request")["errors"]
        assert (error["pointer"], error["code"]) == ("/password", code)
        assert (await reset(identity, token)).status_code == 204


class TestChange:
    async def test_other_sessions_end_and_this_one_goes_on(self, identity: Door) -> None:
        other, mine = await signed_in(identity), (await sign_in(identity)).json()
        answer = await change(identity, mine)
        assert (answer.status_code, answer.content) == (204, b"")
        problem(await refresh(identity, other["refresh_token"]), 401, "invalid_credentials")
        assert (await refresh(identity, mine["refresh_token"])).status_code == 200
        problem(await sign_in(identity), 401, "invalid_credentials")
        assert (await sign_in(identity, password=NEW)).status_code == 200

    async def test_refused_when_the_current_one_is_wrong(self, identity: Door) -> None:
        made = await signed_in(identity)
        problem(await change(identity, made, current="salah sekali"), 403, "wrong_password")
        assert (await sign_in(identity)).status_code == 200

    async def test_refused_when_the_new_one_is_the_address(self, identity: Door) -> None:
        made = await signed_in(identity)
        [error] = problem(await change(identity, made, new=EMAIL), 422, "invalid_request")["errors"]
        assert (error["pointer"], error["code"]) == ("/new_password", "password_is_email")

    async def test_one_wins_when_two_come_at_once(self, identity: Door) -> None:
        made = await signed_in(identity)
        answers = await asyncio.gather(*(change(identity, made, new=f"{NEW} {number}") for number in range(3)))
        assert sorted(answer.status_code for answer in answers) == [204, 403, 403]

    async def test_nobody_signs_in_with_the_old_one_meanwhile_and_stays(self, identity: Door) -> None:
        made = await signed_in(identity)
        changing = change(identity, made)
        answers = await asyncio.gather(changing, *(sign_in(identity) for _ in range(6)))
        assert answers[0].status_code == 204
        for answer in answers[1:]:
            if answer.status_code == 200:
                problem(await refresh(identity, answer.json()["refresh_token"]), 401, "invalid_credentials")

    async def test_unauthenticated_when_nobody_is_signed_in(self, identity: Door) -> None:
        body = {"current_password": OLD, "new_password": NEW}
        problem(await identity.client.post("/v1/me/password", json=body), 401, "unauthenticated")
