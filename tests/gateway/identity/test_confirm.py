"""POST /v1/auth/confirm and its mail: whose an address is."""

import asyncio
import socket
from dataclasses import replace
from typing import Any
from uuid import uuid4

import aiosmtplib
import httpx
import pytest
from pydantic import SecretStr

from gateway.identity.app import register_jobs
from gateway.identity.mails.service import MAIL_REQUESTED
from gateway.routes import IDENTITY
from ishop.auth import Verifier
from ishop.jobs import Jobs
from ishop.settings import Role
from tests.databases import TestDatabase
from tests.gateway.doors import Door
from tests.gateway.identity.accounts import execute, jobs_of, mail, mails
from tests.gateway.identity.test_register import SARI, register
from tests.gateway.identity.test_sign_in import refresh, sign_in, signed_in
from tests.gateway.test_app import problem

THIEF = "kata sandi pencuri"


async def confirm(door: Door, token: str) -> httpx.Response:
    """Send the token of a mail back."""
    return await door.client.post("/v1/auth/confirm", json={"token": token})


async def resend(door: Door, tokens: dict[str, Any]) -> httpx.Response:
    """Ask for the mail again."""
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    return await door.client.post("/v1/auth/confirm/resend", headers=headers)


async def confirmed(database: TestDatabase) -> list[bool]:
    """Whether each account is confirmed, oldest first."""
    connection = await database.connect(Role.migrator)
    try:
        rows = await connection.fetch("SELECT confirmed_at IS NOT NULL FROM identity.users ORDER BY id")
    finally:
        await connection.close()
    return [row[0] for row in rows]


class TestMail:
    @pytest.mark.parametrize(
        ("language", "subject"),
        [("id", "Konfirmasi alamat surel Anda di i-Shop"), ("en", "Confirm your e-mail address at i-Shop")],
    )
    async def test_has_a_link_in_the_language_of_the_account(
        self, identity: Door, database: TestDatabase, language: str, subject: str
    ) -> None:
        await identity.client.post("/v1/auth/register", json=SARI, headers={"Accept-Language": language})
        sent = await mail(identity, database)
        assert (sent.recipient, sent.subject) == (SARI["email"], subject)
        assert f"http://127.0.0.1:8000/confirm#token={sent.token}\n" in sent.body
        assert "Sari Wulandari" in sent.body

    async def test_only_a_hash_of_the_token_is_stored(self, identity: Door, database: TestDatabase) -> None:
        await register(identity)
        sent = await mail(identity, database)
        connection = await database.connect(Role.migrator)
        [stored] = await connection.fetch("SELECT * FROM identity.one_time_tokens")
        assert await connection.fetchval("SELECT count(*) FROM identity.mail_requests WHERE done_at IS NULL") == 0
        await connection.close()
        assert len(stored["token_hash"]) == 32
        assert sent.token.encode() not in stored["token_hash"]

    async def test_says_so_and_has_no_token_when_the_address_has_an_owner(
        self, identity: Door, database: TestDatabase
    ) -> None:
        await register(identity)
        await confirm(identity, (await mail(identity, database)).token)
        await register(identity, name="Pencuri", password=THIEF)
        sent = await mail(identity, database)
        assert sent.subject == "Anda sudah punya akun i-Shop"
        assert "Sari Wulandari" in sent.body
        assert "Pencuri" not in sent.body
        assert "token" not in sent.body

    async def test_sent_again_when_asked_for(self, identity: Door, database: TestDatabase) -> None:
        tokens = await signed_in(identity)
        assert (await resend(identity, tokens)).status_code == 202
        first, second = await mails(identity, database)
        assert first.token != second.token
        assert (await confirm(identity, first.token)).status_code == 204
        assert (await resend(identity, tokens)).status_code == 202
        assert await mails(identity, database) == []
        problem(await identity.client.post("/v1/auth/confirm/resend"), 401, "unauthenticated")

    async def test_no_more_than_five_an_hour_to_one_address(self, identity: Door, database: TestDatabase) -> None:
        for _ in range(7):
            await register(identity)
        await register(identity, email="budi@example.test")
        recipients = [sent.recipient for sent in await mails(identity, database)]
        assert recipients == [SARI["email"]] * 5 + ["budi@example.test"]

    async def test_not_sent_again_when_its_job_runs_again(self, identity: Door, database: TestDatabase) -> None:
        await register(identity)
        await mail(identity, database)
        await execute(
            database,
            "SELECT ops.emit_v1('identity.mail_requested.v1', ARRAY[id::text, uuidv7()::text])"
            " FROM identity.mail_requests",
        )
        assert await mails(identity, database) == []

    async def test_sent_later_when_the_server_does_not_take_it(self, identity: Door, database: TestDatabase) -> None:
        await register(identity)
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            url = f"smtp://127.0.0.1:{unused.getsockname()[1]}"
            runtime = replace(
                identity.runtime, settings=database.settings.model_copy(update={"mail_url": SecretStr(url)})
            )
            jobs = Jobs()
            register_jobs(jobs, runtime, identity.services[IDENTITY].state.database)
            connection = await database.connect(Role.migrator)
            request = await connection.fetchval("SELECT id FROM identity.mail_requests")
            with pytest.raises(aiosmtplib.SMTPException):
                await jobs.topics[MAIL_REQUESTED].handler([str(request), str(uuid4())])
            assert await connection.fetchval("SELECT done_at FROM identity.mail_requests") is None
            await connection.close()
        assert (await confirm(identity, (await mail(identity, database)).token)).status_code == 204


class TestConfirm:
    async def test_next_access_token_says_so(self, identity: Door, database: TestDatabase) -> None:
        tokens = await signed_in(identity)
        answer = await confirm(identity, (await mail(identity, database)).token)
        assert (answer.status_code, answer.content) == (204, b"")
        renewed = (await refresh(identity, tokens["refresh_token"])).json()["access_token"]
        assert Verifier.from_settings(database.settings).verify(renewed).confirmed
        me = await identity.client.get("/v1/me", headers={"Authorization": f"Bearer {renewed}"})
        assert me.json()["confirmed"] is True

    async def test_once_only(self, identity: Door, database: TestDatabase) -> None:
        await register(identity)
        token = (await mail(identity, database)).token
        await confirm(identity, token)
        problem(await confirm(identity, token), 400, "invalid_token")

    @pytest.mark.parametrize("token", ["unknown", "x" * 43])
    async def test_refused_when_it_is_unknown(self, identity: Door, database: TestDatabase, token: str) -> None:
        await register(identity)
        problem(await confirm(identity, token), 400, "invalid_token")
        assert await confirmed(database) == [False]

    async def test_refused_when_it_is_late(self, identity: Door, database: TestDatabase) -> None:
        await register(identity)
        token = (await mail(identity, database)).token
        await execute(database, "UPDATE identity.one_time_tokens SET expires_at = now()")
        problem(await confirm(identity, token), 400, "invalid_token")
        assert await confirmed(database) == [False]

    async def test_refused_when_it_was_made_to_reset_a_password(self, identity: Door, database: TestDatabase) -> None:
        await register(identity)
        token = (await mail(identity, database)).token
        await execute(database, "UPDATE identity.one_time_tokens SET purpose = 'reset'")
        problem(await confirm(identity, token), 400, "invalid_token")
        assert await confirmed(database) == [False]

    @pytest.mark.parametrize("body", [{}, {"token": ""}, {"token": 1}, {"token": "x", "user_id": "y"}])
    async def test_invalid_when_the_body_is(self, identity: Door, body: dict[str, Any]) -> None:
        problem(await identity.client.post("/v1/auth/confirm", json=body), 422, "invalid_request")

    async def test_accounts_that_others_made_with_the_address_end(self, identity: Door, database: TestDatabase) -> None:
        await register(identity, password=THIEF)
        stolen = (await sign_in(identity, password=THIEF)).json()
        await register(identity)
        _, for_sari = await mails(identity, database)
        assert (await confirm(identity, for_sari.token)).status_code == 204
        problem(await refresh(identity, stolen["refresh_token"]), 401, "invalid_credentials")
        problem(await sign_in(identity, password=THIEF), 401, "invalid_credentials")
        assert (await sign_in(identity)).status_code == 200

    async def test_one_wins_when_two_accounts_confirm_at_once(self, identity: Door, database: TestDatabase) -> None:
        for round_ in range(2):
            email = f"sari{round_}@example.test"
            passwords = [f"kata sandi nomor {number}" for number in range(4)]
            for password in passwords:
                await register(identity, email=email, password=password)
            sent = await mails(identity, database)
            answers = await asyncio.gather(*(confirm(identity, one.token) for one in sent))
            statuses = [answer.status_code for answer in answers]
            assert sorted(statuses) == [204, 400, 400, 400]
            for answer in answers:
                assert answer.status_code == 204 or problem(answer, 400, "invalid_token")
            signed = [(await sign_in(identity, email, password)).status_code for password in passwords]
            assert signed == [200 if status == 204 else 401 for status in statuses]


class TestSignIn:
    """Several accounts of one address."""

    async def test_newest_unconfirmed_one_can_be_used_beside_the_confirmed_one(
        self, identity: Door, database: TestDatabase
    ) -> None:
        await register(identity)
        await confirm(identity, (await mail(identity, database)).token)
        await register(identity, name="Older", password="kata sandi lama")
        await register(identity, name="Newer", password="kata sandi baru")
        assert (await sign_in(identity)).status_code == 200
        assert (await sign_in(identity, password="kata sandi baru")).status_code == 200
        problem(await sign_in(identity, password="kata sandi lama"), 401, "invalid_credentials")

    async def test_always_two_hashes(
        self, identity: Door, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await register(identity)
        await confirm(identity, (await mail(identity, database)).token)
        passwords = identity.services["identity"].state.signing_in.passwords
        checked: list[str] = []
        verify = passwords._hasher.verify  # noqa: SLF001 - counts the hashes beneath everything that could skip one.

        def counting(password: str, stored: str) -> bool:
            checked.append(stored)
            return bool(verify(password, stored))

        monkeypatch.setattr(passwords._hasher, "verify", counting)  # noqa: SLF001 - see above.
        for username, password in (
            (SARI["email"], SARI["password"]),
            (SARI["email"], "x"),
            ("b@c.test", "x"),
            ("-", "x"),
        ):
            checked.clear()
            await sign_in(identity, username, password)
            assert len(checked) == 2


class TestPurge:
    async def test_only_old_ones_that_came_to_nothing(self, identity: Door, database: TestDatabase) -> None:
        names = ["old", "young", "confirmed", "buyer", "seller", "officer"]
        for name in names:
            await register(identity, email=f"{name}@example.test")
        await execute(
            database, "UPDATE identity.users SET created_at = now() - interval '31 days' WHERE email !~ 'young'"
        )
        await execute(database, "UPDATE identity.users SET confirmed_at = now() WHERE email ~ 'confirmed'")
        await execute(database, "UPDATE identity.users SET roles = '{office}' WHERE email ~ 'officer'")
        await execute(
            database,
            "INSERT INTO orders.orders (number, buyer_id, bulk, status, payment_method, ship_to, subtotal, shipping,"
            " tax, total, original_total) SELECT 'A', id, false, 'completed', 'cod', '{}', 0, 0, 0, 0, 0"
            " FROM identity.users WHERE email ~ 'buyer'",
        )
        await execute(
            database,
            "WITH v AS (INSERT INTO vendors.vendors (slug, name, description_id, description_en, status, region_code,"
            " latitude, longitude, nib, size_class)"
            " VALUES ('s', 'S', '', '', 'active', '52.01', 0, 0, '1234567890123', 'micro')"
            " RETURNING id) INSERT INTO vendors.vendor_members (vendor_id, user_id, role)"
            " SELECT v.id, u.id, 'owner' FROM v, identity.users u WHERE u.email ~ 'seller'",
        )
        await jobs_of(identity).schedules["identity_purge_unconfirmed"].handler()
        connection = await database.connect(Role.migrator)
        left = [
            row[0] for row in await connection.fetch("SELECT split_part(email, '@', 1) FROM identity.users ORDER BY id")
        ]
        await connection.close()
        assert left == names[1:]
