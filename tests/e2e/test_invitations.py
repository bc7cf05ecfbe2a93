"""Invitations: by mail to an address, accepted by whoever has confirmed it, once, and by nobody else."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from httpx import AsyncClient

from ishop.auth import Principal, Signer
from tests.e2e.parties import Group, code
from tests.markets import TestMarket

EMAIL = "Baru@Example.test"
TOKEN = re.compile(r"token=([\w-]{43})")


async def newcomer(market: TestMarket, email: str, *, confirmed: bool = True) -> AsyncClient:
    """Somebody signed in with this address."""
    user = uuid4()
    await market.execute(
        "INSERT INTO identity.users (id, email, name, password_hash, confirmed_at)"
        " VALUES ($1, $2, 'Baru', 'x', CASE WHEN $3 THEN now() END)",
        user,
        email,
        confirmed,
    )
    return market.client_with_token(Signer.from_settings(market.settings).sign(Principal(user)))


async def invite(party: Group, email: str = EMAIL) -> dict[str, Any]:
    path = party.path.replace("/members", "/invitations")
    answer = await party.manager.post(path, json={"email": email, "role": party.party.other})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def mailed_token(market: TestMarket) -> str:
    """The token in the newest mail of the mailbox."""
    await market.work()
    mails = await market.fetch("SELECT body FROM identity.mails ORDER BY id")
    found = TOKEN.search(mails[-1]["body"])
    assert found is not None
    return found[1]


async def accept(client: AsyncClient, token: str) -> tuple[int, Any]:
    answer = await client.post("/v1/invitations/accept", json={"token": token})
    return answer.status_code, answer.json().get("code")


async def test_the_invited_address_becomes_a_member(group: Group) -> None:
    invited = await invite(group)
    assert (invited["email"], invited["role"]) == ("baru@example.test", group.party.other)
    left = datetime.fromisoformat(invited["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
    token = await mailed_token(group.market)
    guest = await newcomer(group.market, "baru@example.test")
    answer = await guest.post("/v1/invitations/accept", json={"token": token})
    assert answer.status_code == 200
    ids = {"vendor_id": answer.json()["vendor_id"], "organization_id": answer.json()["organization_id"]}
    assert ids == {"vendor_id": None, "organization_id": None} | {group.party.column: group.id}
    assert sorted((await group.roles()).values()) == sorted([group.party.manager, group.party.other])
    assert len((await guest.get(group.path)).json()["items"]) == 2
    assert await accept(guest, token) == (400, "invalid_token")


async def test_the_token_is_stored_as_a_hash_only(group: Group) -> None:
    await invite(group)
    token = await mailed_token(group.market)
    schema = group.party.table.partition(".")[0]
    for table in (f"{schema}.invitations", "identity.mail_requests", "ops.outbox", "ops.pgqueuer"):
        assert token not in str(await group.market.fetch(f"SELECT t::text FROM {table} t"))


async def test_nobody_else_can_use_it(group: Group) -> None:
    await invite(group)
    token, market = await mailed_token(group.market), group.market
    assert await accept(await market.client("consumer@demo.test"), token) == (400, "invalid_token")
    unconfirmed = await newcomer(market, "baru@example.test", confirmed=False)
    assert await accept(unconfirmed, token) == (403, "address_not_confirmed")
    assert (await accept(market.anonymous, token))[0] == 401
    assert len(await group.roles()) == 1


@pytest.mark.parametrize("ended", ["revoked", "expired", "another token"])
async def test_refused_when_it_has_ended(group: Group, ended: str) -> None:
    invited, market = await invite(group), group.market
    token, guest = await mailed_token(market), await newcomer(market, "baru@example.test")
    schema, path = group.party.table.partition(".")[0], group.path.replace("/members", "/invitations")
    if ended == "revoked":
        assert [one["id"] for one in (await group.manager.get(path)).json()["items"]] == [invited["id"]]
        assert (await group.manager.delete(f"{path}/{invited['id']}")).status_code == 204
        assert code(await group.manager.delete(f"{path}/{invited['id']}")) == (404, "not_found")
        assert (await group.manager.get(path)).json()["items"] == []
    elif ended == "expired":
        await market.execute(f"UPDATE {schema}.invitations SET expires_at = now()")
    else:
        token = "A" * 43
    assert await accept(guest, token) == (400, "invalid_token")
    assert len(await group.roles()) == 1


async def test_accepted_once_when_sent_many_times_at_once(group: Group) -> None:
    await invite(group)
    token = await mailed_token(group.market)
    guest = await newcomer(group.market, "baru@example.test")
    answers = await asyncio.gather(*(accept(guest, token) for _ in range(6)))
    assert sorted(status for status, _ in answers) == [200, *[400] * 5]
    assert len(await group.roles()) == 2


async def test_who_is_a_member_keeps_the_role(group: Group) -> None:
    await invite(group, group.party.email)
    assert await accept(group.manager, await mailed_token(group.market)) == (200, None)
    assert await group.roles() == {group.manager_id: group.party.manager}


async def test_the_answer_does_not_tell_whether_there_is_an_account(group: Group) -> None:
    known, unknown = await invite(group, "consumer@demo.test"), await invite(group, "nobody@example.test")
    assert known.keys() == unknown.keys()
    differing = {name for name in known if known[name] != unknown[name]}
    assert differing <= {"id", "email", "created_at", "expires_at"}


async def test_only_managers_invite_and_only_so_many(
    group: Group,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other, _ = await group.add("Ani", group.party.other)
    path = group.path.replace("/members", "/invitations")
    body = {"email": EMAIL, "role": group.party.other}
    stranger = await group.market.client("consumer@demo.test")
    assert code(await other.post(path, json=body)) == (403, "forbidden")
    assert code(await other.get(path)) == (403, "forbidden")
    assert code(await stranger.post(path, json=body)) == (404, "not_found")
    assert code(await stranger.get(path)) == (404, "not_found")
    assert code(await group.manager.delete(f"{path}/{uuid4()}")) == (404, "not_found")
    for wrong in ({"email": "nobody"}, {"role": "emperor"}, {"token": "mine"}):
        assert code(await group.manager.post(path, json=body | wrong)) == (422, "invalid_request")
    monkeypatch.setattr(f"services.{group.party.table.partition('.')[0]}.invitations.service.MAX_OPEN", 2)
    answers = await asyncio.gather(*(group.manager.post(path, json=body) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409]
    assert len((await group.manager.get(path)).json()["items"]) == 2
