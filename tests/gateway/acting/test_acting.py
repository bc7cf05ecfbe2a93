"""An officer acts for a vendor: under his own name, with a trace, for ten minutes, and for nothing but its work."""

import asyncio
import time
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from httpx import AsyncClient

from ishop.settings import Role
from tests.gateway.api_keys.test_keys import code
from tests.markets import TestMarket

VENDOR, OTHER_VENDOR, OFFICE = "vendor@demo.test", "vendor2@demo.test", "office@demo.test"
REASON = "Membantu lewat telepon, tiket 1042"


async def vendor_of(market: TestMarket, email: str) -> str:
    vendor: str = (await (await market.client(email)).get("/v1/me")).json()["vendors"][0]["id"]
    return vendor


async def act(market: TestMarket, email: str = VENDOR) -> tuple[AsyncClient, dict[str, Any]]:
    """A client of the office that acts for the vendor of a demo account, and its grant."""
    office = await market.client(OFFICE)
    body = {"vendor_id": await vendor_of(market, email), "reason": REASON}
    answer = await office.post("/v1/auth/act", json=body)
    assert answer.status_code == 201, answer.text
    token = answer.json()
    assert (token["token_type"], token["expires_in"], "refresh_token" in token) == ("bearer", 600, False)
    return market.client_with_token(token["access_token"]), token["grant"]


class TestAct:
    async def test_what_is_done_names_the_officer(self, shared_market: TestMarket) -> None:
        market = shared_market
        officer = (await (await market.client(OFFICE)).get("/v1/me")).json()["id"]
        acting, _ = await act(market)
        row = (await acting.get("/v1/stock", params={"limit": 1})).json()["items"][0]
        change = {"delta": 1, "device_id": "office", "sequence": 1}
        assert (await acting.patch(f"/v1/stock/{row['sku_id']}", json=change)).status_code == 200
        ((actor,),) = await market.fetch("SELECT actor_id FROM vendors.stock_movements WHERE device_id = 'office'")
        assert actor == UUID(officer)

    async def test_a_transition_names_the_officer(self, market: TestMarket) -> None:
        officer = UUID((await (await market.client(OFFICE)).get("/v1/me")).json()["id"])
        vendor = await vendor_of(market, VENDOR)
        goods = (await market.anonymous.get("/v1/products", params={"vendor": vendor, "in_stock": True})).json()[
            "items"
        ]
        sku = next(s for p in goods for s in p["skus"] if s["in_stock"] and s["min_quantity"] == 1)
        order = {
            "lines": [{"sku_id": sku["id"], "quantity": sku["order_multiple"]}],
            "payment_method": "cod",
            "ship_to": {
                "name": "Siti", "phone": "081234567890", "address": "Jl. Pejanggik 1",
                "region_code": "52.71", "postal_code": "83121",
            },
        }  # fmt: skip
        buyer = await market.client("consumer@demo.test")
        placed = (await buyer.post("/v1/orders", json=order, headers={"Idempotency-Key": "o"})).json()
        acting, _ = await act(market)
        part = placed["vendor_orders"][0]["id"]
        assert (await acting.post(f"/v1/vendor-orders/{part}/accept")).status_code == 200
        rows = await market.fetch("SELECT actor_id FROM orders.transitions WHERE to_status = 'accepted'")
        assert [row["actor_id"] for row in rows] == [officer]

    async def test_only_that_vendor_and_only_its_work(self, shared_market: TestMarket) -> None:
        market = shared_market
        acting, _ = await act(market)
        other = (await (await market.client(OTHER_VENDOR)).get("/v1/stock", params={"limit": 1})).json()["items"][0]
        assert code(await acting.get(f"/v1/stock/{other['sku_id']}")) == (404, "not_found")
        vendor = await vendor_of(market, VENDOR)
        for method, path, body in (
            ("POST", "/v1/auth/act", {"vendor_id": vendor, "reason": REASON}),
            ("POST", "/v1/api-keys", {"name": "x", "vendor_id": vendor, "scopes": ["stock:read"]}),
            ("GET", "/v1/api-keys", None),
            ("GET", "/v1/acting-grants", None),
            ("GET", "/v1/me", None),
            ("GET", "/v1/orders", None),
            ("POST", f"/v1/orders/{uuid4()}/payments", {"amount": {"amount": 1, "currency": "IDR"}, "reference": "x"}),
        ):
            assert code(await acting.request(method, path, json=body)) == (403, "insufficient_scope"), path

    async def test_its_idempotency_keys_are_not_the_officers(self, shared_market: TestMarket) -> None:
        """The same key, path and body for two vendors are two requests, not one and its repetition."""
        clients = [(await act(shared_market, email))[0] for email in (VENDOR, OTHER_VENDOR)]
        body = {"mode": "partial", "rows": [{"sku_id": str(uuid4()), "count": 1, "expected_count": 1}]}
        answers = [
            await client.post("/v1/stock/batch", json=body, headers={"Idempotency-Key": "same"}) for client in clients
        ]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert not any("Idempotency-Replayed" in answer.headers for answer in answers)

    async def test_ends_after_ten_minutes(self, shared_market: TestMarket, monkeypatch: pytest.MonkeyPatch) -> None:
        acting, _ = await act(shared_market)
        assert (await acting.get("/v1/stock")).status_code == 200
        moment = time.time()
        monkeypatch.setattr(time, "time", lambda: moment + 601)
        assert code(await acting.get("/v1/stock")) == (401, "unauthenticated")

    @pytest.mark.parametrize("email", [VENDOR, "consumer@demo.test", "hotel@demo.test"])
    async def test_403_when_it_is_not_the_office(self, shared_market: TestMarket, email: str) -> None:
        client = await shared_market.client(email)
        body = {"vendor_id": await vendor_of(shared_market, VENDOR), "reason": REASON}
        assert code(await client.post("/v1/auth/act", json=body)) == (403, "forbidden")

    async def test_404_when_there_is_no_such_vendor_or_the_officer_was_put_out(self, market: TestMarket) -> None:
        office = await market.client(OFFICE)
        vendor = await vendor_of(market, VENDOR)
        body = {"vendor_id": str(uuid4()), "reason": REASON}
        assert code(await office.post("/v1/auth/act", json=body)) == (404, "not_found")
        await market.execute("UPDATE identity.users SET roles = '{}'")
        assert code(await office.post("/v1/auth/act", json=body | {"vendor_id": vendor})) == (404, "not_found")
        assert await market.fetch("SELECT FROM identity.acting_grants") == []

    @pytest.mark.parametrize("reason", ["", "abcd", "    a    ", "x" * 501, "a\u0001bcdef", None])
    async def test_422_when_no_reason_is_given(self, shared_market: TestMarket, reason: str | None) -> None:
        office = await shared_market.client(OFFICE)
        body = {"vendor_id": str(uuid4()), "reason": reason}
        assert code(await office.post("/v1/auth/act", json=body)) == (422, "invalid_request")

    async def test_sent_again_it_is_granted_once(self, market: TestMarket) -> None:
        office = await market.client(OFFICE)
        body = {"vendor_id": await vendor_of(market, VENDOR), "reason": REASON}
        answers = await asyncio.gather(
            *(office.post("/v1/auth/act", json=body, headers={"Idempotency-Key": "act"}) for _ in range(4))
        )
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
        assert len(await market.fetch("SELECT FROM identity.acting_grants")) == 1


class TestGrants:
    async def test_seen_by_the_office_and_by_the_vendors_owner(self, market: TestMarket) -> None:
        grants = [(await act(market, email))[1] for email in (VENDOR, OTHER_VENDOR, VENDOR)]
        office = await market.client(OFFICE)
        assert (await office.get("/v1/acting-grants")).json()["items"] == grants[::-1]
        assert grants[0]["officer_name"] == "Petugas Dinas"
        assert grants[0]["reason"] == REASON
        owner = await market.client(VENDOR)
        assert (await owner.get("/v1/acting-grants")).json()["items"] == [grants[2], grants[0]]
        params = {"vendor_id": grants[1]["vendor_id"]}
        assert (await owner.get("/v1/acting-grants", params=params)).json()["items"] == []
        assert (await office.get("/v1/acting-grants", params=params)).json()["items"] == [grants[1]]

    async def test_paged_without_gap_or_double(self, market: TestMarket) -> None:
        made = [(await act(market))[1]["id"] for _ in range(3)]
        office = await market.client(OFFICE)
        first = (await office.get("/v1/acting-grants", params={"limit": 2})).json()
        rest = (await office.get("/v1/acting-grants", params={"limit": 2, "cursor": first["next_cursor"]})).json()
        assert [grant["id"] for grant in first["items"] + rest["items"]] == made[::-1]
        assert rest["next_cursor"] is None

    async def test_staff_of_the_vendor_does_not_see_them(self, market: TestMarket) -> None:
        await act(market)
        owner = await market.client(VENDOR)
        await market.execute("UPDATE vendors.vendor_members SET role = 'staff'")
        assert (await owner.get("/v1/acting-grants")).json()["items"] == []
        assert code(await (await market.client("hotel@demo.test")).get("/v1/acting-grants")) == (403, "forbidden")

    async def test_the_trace_cannot_be_wiped_out(self, market: TestMarket) -> None:
        await act(market)
        connection = await market.connect(Role.gateway)
        for statement in ("DELETE FROM identity.acting_grants", "UPDATE identity.acting_grants SET reason = 'nothing'"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        await connection.close()
