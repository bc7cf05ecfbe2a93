"""API keys through the door: made, used, limited to their scopes, rotated, revoked; and who may do that."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from httpx import AsyncClient, Response

from gateway.api_keys import domain, tokens
from gateway.routes import IDENTITY
from gateway.signing_keys.ring import KeyRing
from ishop.database import Database
from ishop.errors import Unauthenticated, Unavailable
from ishop.scopes import SCOPES
from ishop.settings import Role
from tests.markets import TestMarket

VENDOR, HOTEL, OFFICE = "vendor@demo.test", "hotel@demo.test", "office@demo.test"
STOCK: Final = ["stock:read", "stock:write"]


def code(answer: Response) -> tuple[int, str]:
    """The status and the stable code of a problem."""
    return answer.status_code, answer.json()["code"]


async def owner_of(client: AsyncClient) -> dict[str, str]:
    """The vendor or organization of a demo account, as the body of a new key names it."""
    me = (await client.get("/v1/me")).json()
    if me["vendors"]:
        return {"vendor_id": me["vendors"][0]["id"]}
    return {"organization_id": me["organizations"][0]["id"]} if me["organizations"] else {}


async def create(market: TestMarket, email: str, scopes: list[str], **more: object) -> dict[str, Any]:
    """A key made by a demo account for what is its own."""
    client = await market.client(email)
    body = {"name": "Kasir", "scopes": scopes, **await owner_of(client), **more}
    answer = await client.post("/v1/api-keys", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


class TestUse:
    async def test_a_key_acts_as_its_service_account(self, shared_market: TestMarket) -> None:
        market = shared_market
        key = await create(market, VENDOR, STOCK)
        program = market.client_with_token(key["key"])
        row = (await program.get("/v1/stock", params={"limit": 1})).json()["items"][0]
        change = {"delta": 1, "device_id": "till", "sequence": 1}
        changed = await program.patch(f"/v1/stock/{row['sku_id']}", json=change)
        assert changed.status_code == 200, changed.text
        ((actor,),) = await market.fetch("SELECT actor_id FROM vendors.stock_movements WHERE device_id = 'till'")
        assert actor == UUID(key["service_account_id"])

    async def test_only_the_hash_of_a_key_is_stored(self, shared_market: TestMarket) -> None:
        market = shared_market
        client = await market.client(VENDOR)
        body = {"name": "Kasir", "scopes": STOCK, **await owner_of(client)}
        made = await client.post("/v1/api-keys", json=body, headers={"Idempotency-Key": "secret"})
        secret = made.json()["key"].split("_", 2)[2]
        assert made.headers["cache-control"] == "no-store"
        assert len(secret) == 43
        for table in ("identity.api_keys", "identity.service_accounts", "ops.idempotency_keys", "ops.outbox"):
            rows = str(await market.fetch(f"SELECT t::text FROM {table} t"))
            assert secret not in rows
            assert secret.encode().hex() not in rows

    async def test_sent_again_it_is_not_made_twice_and_the_key_not_told_again(self, shared_market: TestMarket) -> None:
        client = await shared_market.client(VENDOR)
        body = {"name": "Twice", "scopes": STOCK, **await owner_of(client)}
        answers = await asyncio.gather(
            *(client.post("/v1/api-keys", json=body, headers={"Idempotency-Key": "twice"}) for _ in range(4))
        )
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
        assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"answer_not_kept"}
        ((made,),) = await shared_market.fetch("SELECT count(*) FROM identity.service_accounts WHERE name = 'Twice'")
        assert made == 1

    @pytest.mark.parametrize(
        ("scopes", "method", "path", "needed"),
        [
            (["stock:write"], "GET", "/v1/stock", "stock:read"),
            (["stock:read"], "POST", "/v1/stock/batch", "stock:write"),
            (STOCK, "GET", "/v1/vendor-orders", "vendor-orders:read"),
            (STOCK, "GET", "/v1/orders", "orders:read"),
            (STOCK, "GET", "/v1/me", "identity:read"),
            (STOCK, "GET", "/v1/api-keys", "api-keys:read"),
            (STOCK, "POST", "/v1/api-keys", "api-keys:write"),
        ],
    )
    async def test_403_when_the_scope_is_missing(
        self, shared_market: TestMarket, scopes: list[str], method: str, path: str, needed: str
    ) -> None:
        key = await create(shared_market, VENDOR, scopes)
        answer = await shared_market.client_with_token(key["key"]).request(method, path)
        assert code(answer) == (403, "insufficient_scope")
        assert f"`{needed}`" in answer.json()["detail"]
        assert answer.headers["www-authenticate"] == f'Bearer error="insufficient_scope", scope="{needed}"'

    async def test_public_pages_need_no_scope(self, shared_market: TestMarket) -> None:
        key = await create(shared_market, VENDOR, ["stock:read"])
        assert (await shared_market.client_with_token(key["key"]).get("/v1/products")).status_code == 200

    async def test_a_hotel_orders_by_its_key_and_the_office_records_the_payment(self, market: TestMarket) -> None:
        scopes = ["bulk-orders:write", "bulk-orders:read", "organizations:read"]
        hotel = await create(market, HOTEL, scopes, role="requester")
        (own,) = (await market.client_with_token(hotel["key"]).get("/v1/organizations")).json()["items"]
        assert (own["id"], own["role"]) == (
            (await owner_of(await market.client(HOTEL)))["organization_id"],
            "requester",
        )
        bulk = await market.client_with_token(hotel["key"]).get("/v1/bulk-orders")
        assert bulk.json()["items"] == []
        office = market.client_with_token((await create(market, OFFICE, ["orders:read", "payments:write"]))["key"])
        assert (await office.get(f"/v1/orders/{uuid4()}")).status_code == 404
        paid = {"amount": {"amount": 1000, "currency": "IDR"}, "reference": "R-1"}
        headers = {"Idempotency-Key": "pay"}
        answer = await office.post(f"/v1/orders/{uuid4()}/payments", json=paid, headers=headers)
        assert code(answer) == (404, "not_found")

    async def test_last_used_is_written_at_most_once_a_minute(
        self, market: TestMarket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = await create(market, VENDOR, STOCK)
        program = market.client_with_token(key["key"])
        monkeypatch.setattr(tokens, "BELIEVED_SECONDS", -1.0)  # Ask the database every time.

        async def used() -> tuple[Any, Any]:
            assert (await program.get("/v1/stock")).status_code == 200
            ((last_used, row),) = await market.fetch("SELECT last_used_at, xmin::text FROM identity.api_keys")
            return last_used, row

        first = await used()
        assert first[0] is not None
        assert await used() == first
        await market.execute("UPDATE identity.api_keys SET last_used_at = last_used_at - interval '61 seconds'")
        assert (await used())[0] >= first[0]

    async def test_asked_once_for_many_requests_and_services_see_one_token(self, market: TestMarket) -> None:
        key = await create(market, VENDOR, STOCK)
        program = market.client_with_token(key["key"])
        assert (await program.get("/v1/stock", params={"limit": 1})).status_code == 200
        with market.count_queries() as statements:
            answers = await asyncio.gather(*(program.get("/v1/stock", params={"limit": 1}) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert len(statements) == 20  # One of the stock each, and none for the key.

    async def test_rate_limits_count_the_service_account(self, shared_market: TestMarket) -> None:
        """The gateway counts by the principal of the exchanged token, which is the service account."""
        key = await create(shared_market, VENDOR, STOCK)
        key_tokens = shared_market.market.services[IDENTITY].state.key_tokens
        principal = shared_market.market.services[IDENTITY].state.verifier.verify(await key_tokens.token_of(key["key"]))
        assert principal.id == UUID(key["service_account_id"])
        assert principal.scopes == frozenset(STOCK)
        assert list(principal.vendors.values()) == ["staff"]
        assert principal.roles == {"vendor"}


class TestEnd:
    async def test_a_revoked_key_ends_within_five_seconds(
        self, market: TestMarket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = await create(market, VENDOR, STOCK)
        program, vendor = market.client_with_token(key["key"]), await market.client(VENDOR)
        assert (await program.get("/v1/stock")).status_code == 200
        for _ in range(2):
            assert (await vendor.delete(f"/v1/api-keys/{key['id']}")).status_code == 204
        moment = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: moment + 5.001)
        refused = await program.get("/v1/stock")
        assert code(refused) == (401, "unauthenticated")
        (shown,) = (await vendor.get("/v1/api-keys")).json()["items"]
        assert (shown["status"], shown["id"]) == ("revoked", key["id"])
        assert "key" not in shown

    async def test_an_expired_key_is_refused(self, market: TestMarket) -> None:
        key = await create(market, VENDOR, STOCK, expires_in_days=1)
        await market.execute("UPDATE identity.api_keys SET expires_at = now()")
        assert code(await market.client_with_token(key["key"]).get("/v1/stock")) == (401, "unauthenticated")
        assert code(await (await market.client(VENDOR)).post(f"/v1/api-keys/{key['id']}/rotate", json={})) == (
            409,
            "api_key_ended",
        )

    async def test_rotated_both_work_until_the_overlap_ends(
        self, market: TestMarket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tokens, "BELIEVED_SECONDS", -1.0)
        old, vendor = await create(market, VENDOR, STOCK), await market.client(VENDOR)
        new = (await vendor.post(f"/v1/api-keys/{old['id']}/rotate", json={"overlap_hours": 2})).json()
        assert new["service_account_id"] == old["service_account_id"]
        assert (new["scopes"], new["name"], new["prefix"] == old["prefix"]) == (old["scopes"], old["name"], False)
        assert [key["status"] for key in (await vendor.get("/v1/api-keys")).json()["items"]] == ["live", "replaced"]
        programs = [market.client_with_token(key["key"]) for key in (old, new)]
        assert [(await program.get("/v1/stock")).status_code for program in programs] == [200, 200]
        ((hours,),) = await market.fetch(
            "SELECT round(extract(epoch FROM expires_at - now()) / 3600) FROM identity.api_keys WHERE id = $1",
            old["id"],
        )
        assert hours == 2
        await market.execute("UPDATE identity.api_keys SET expires_at = now() WHERE replaced_at IS NOT NULL")
        assert [(await program.get("/v1/stock")).status_code for program in programs] == [401, 200]

    async def test_rotated_without_overlap_the_old_one_ends_at_once(self, market: TestMarket) -> None:
        old, vendor = await create(market, VENDOR, STOCK), await market.client(VENDOR)
        assert (await vendor.post(f"/v1/api-keys/{old['id']}/rotate", json={"overlap_hours": 0})).status_code == 201
        assert (await market.client_with_token(old["key"]).get("/v1/stock")).status_code == 401

    async def test_rotated_once_when_two_rotate_at_once(self, market: TestMarket) -> None:
        old, vendor = await create(market, VENDOR, STOCK), await market.client(VENDOR)
        answers = await asyncio.gather(*(vendor.post(f"/v1/api-keys/{old['id']}/rotate", json={}) for _ in range(8)))
        assert sorted(answer.status_code for answer in answers) == [201, *[409] * 7]
        ((keys,),) = await market.fetch("SELECT count(*) FROM identity.api_keys")
        assert keys == 2

    async def test_unavailable_when_the_database_does_not_answer(self, shared_market: TestMarket) -> None:
        key = await create(shared_market, VENDOR, STOCK)
        nowhere = Database(shared_market.settings.model_copy(update={"database_port": 1}), Role.gateway)
        with pytest.raises(Unavailable):
            await tokens.KeyTokens(nowhere, KeyRing(nowhere, shared_market.settings)).token_of(key["key"])


class TestManage:
    async def test_only_so_many_live_keys_whoever_asks_at_once(
        self, market: TestMarket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gateway.api_keys.service.MAX_LIVE_KEYS", 3)
        client = await market.client(VENDOR)
        body = {"name": "Kasir", "scopes": STOCK, **await owner_of(client)}
        answers = await asyncio.gather(*(client.post("/v1/api-keys", json=body) for _ in range(8)))
        assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 5
        assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"too_many_api_keys"}

    async def test_not_found_when_the_vendor_is_another_ones(self, shared_market: TestMarket) -> None:
        vendor, other = await shared_market.client(VENDOR), await shared_market.client("vendor2@demo.test")
        key = await create(shared_market, VENDOR, STOCK)
        body = {"name": "Kasir", "scopes": STOCK, **await owner_of(vendor)}
        assert code(await other.post("/v1/api-keys", json=body)) == (404, "not_found")
        assert code(await other.delete(f"/v1/api-keys/{key['id']}")) == (404, "not_found")
        assert code(await other.post(f"/v1/api-keys/{key['id']}/rotate", json={})) == (404, "not_found")
        assert (await other.get("/v1/api-keys")).json()["items"] == []
        ((live,),) = await shared_market.fetch(
            "SELECT revoked_at IS NULL AND replaced_at IS NULL FROM identity.api_keys WHERE id = $1", key["id"]
        )
        assert live

    @pytest.mark.parametrize("statement", ["DELETE FROM", "UPDATE"])
    async def test_refused_at_once_when_ownership_was_taken_while_the_token_lives(
        self, market: TestMarket, statement: str
    ) -> None:
        client = await market.client(VENDOR)
        body = {"name": "Kasir", "scopes": STOCK, **await owner_of(client)}
        change = "SET role = 'staff'" if statement == "UPDATE" else ""
        await market.execute(f"{statement} vendors.vendor_members {change} WHERE vendor_id = $1", body["vendor_id"])
        assert code(await client.post("/v1/api-keys", json=body)) == (404, "not_found")

    async def test_403_when_the_address_is_not_confirmed(self, market: TestMarket) -> None:
        client = await market.client(VENDOR)
        body = {"name": "Kasir", "scopes": STOCK, **await owner_of(client)}
        await market.execute("UPDATE identity.users SET confirmed_at = NULL")
        assert code(await client.post("/v1/api-keys", json=body)) == (403, "address_not_confirmed")

    @pytest.mark.parametrize(
        "change",
        [
            {"scopes": []},
            {"scopes": ["stock:everything"]},
            {"scopes": ["orders:read"]},
            {"scopes": ["api-keys:write"]},
            {"organization_id": str(uuid4())},
            {"role": "owner"},
            {"name": " "},
            {"name": "a\u0001b"},
            {"expires_in_days": 0},
            {"expires_in_days": 367},
            {"secret": "mine"},
        ],
    )
    async def test_422_when_the_body_is_wrong(self, shared_market: TestMarket, change: Mapping[str, object]) -> None:
        client = await shared_market.client(VENDOR)
        body = {"name": "Kasir", "scopes": STOCK, **await owner_of(client), **change}
        assert code(await client.post("/v1/api-keys", json=body)) == (422, "invalid_request")

    async def test_paged_without_gap_or_double(self, market: TestMarket) -> None:
        made = [(await create(market, VENDOR, STOCK))["id"] for _ in range(5)]
        client, seen, cursor = await market.client(VENDOR), [], None
        while True:
            page = (
                await client.get("/v1/api-keys", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
            ).json()
            seen += [key["id"] for key in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == made[::-1]


class TestConfusion:
    @pytest.mark.parametrize(
        "key",
        [
            "ishop_",
            "ishop_aaaaaaaaaaaa_",
            f"ishop_aaaaaaaaaaaa_{'A' * 43}",
            f"ishop_aaaaaaaaaaaa_{'A' * 44}",
            f"ISHOP_aaaaaaaaaaaa_{'A' * 43}",
            "ishop_' OR true --_x",
        ],
    )
    async def test_401_when_nobody_made_the_key(self, shared_market: TestMarket, key: str) -> None:
        answer = await shared_market.client_with_token(key).get("/v1/stock")
        assert code(answer) == (401, "unauthenticated")
        assert key not in answer.text

    async def test_a_key_is_no_refresh_token_and_a_refresh_token_no_bearer(self, shared_market: TestMarket) -> None:
        key = await create(shared_market, VENDOR, STOCK)
        form = {"grant_type": "refresh_token", "refresh_token": key["key"]}
        answer = await shared_market.anonymous.post("/v1/auth/token", data=form)
        assert code(answer) == (401, "invalid_credentials")
        form = {"grant_type": "password", "username": "consumer@demo.test", "password": "ishop-demo"}
        signed_in = (await shared_market.anonymous.post("/v1/auth/token", data=form)).json()
        for token in (signed_in["refresh_token"], f"ishop_{signed_in['refresh_token']}"):
            answer = await shared_market.client_with_token(token).get("/v1/me")
            assert code(answer) == (401, "unauthenticated")

    async def test_the_secret_of_one_key_does_not_fit_another(self, shared_market: TestMarket) -> None:
        one, two = [await create(shared_market, VENDOR, STOCK) for _ in range(2)]
        mixed = f"{one['prefix']}_{two['key'].split('_', 2)[2]}"
        assert code(await shared_market.client_with_token(mixed).get("/v1/stock")) == (401, "unauthenticated")

    async def test_services_never_see_the_key(self, shared_market: TestMarket) -> None:
        """Behind the door the Authorization header is a token; a service that is sent the key itself refuses it."""
        key = await create(shared_market, VENDOR, STOCK)
        verifier = shared_market.market.services["vendors"].state.verifier
        with pytest.raises(Unauthenticated):
            await verifier.principal_of(f"Bearer {key['key']}")


def test_scopes_name_resources_that_exist(shared_market: TestMarket) -> None:
    tags = {
        operation["tags"][0]
        for app in shared_market.market.services.values()
        for item in app.openapi()["paths"].values()
        for operation in item.values()
    }
    assert {scope.partition(":")[0] for scope in SCOPES} <= tags
    assert not {"api-keys", "identity"} & {scope.partition(":")[0] for scope in SCOPES}


def test_a_new_key_has_256_random_bits_behind_a_public_name() -> None:
    made = {domain.Secret.new() for _ in range(200)}
    assert len({secret.text for secret in made}) == len({secret.prefix for secret in made}) == 200
    for secret in made:
        assert domain.Secret.read(secret.text) == secret
        assert len(secret.text.split("_", 2)[2]) == 43
