"""A person's data: handed out whole, and taken away."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from httpx import AsyncClient

from demo.accounts import CONSUMER, HOTEL, OFFICE, PASSWORD, SECOND_VENDOR, VENDOR
from tests.gateway.identity.test_register import SARI
from tests.gateway.test_app import problem
from tests.markets import TestMarket

SHIP_TO = {
    "name": "Penerima Rahasia", "phone": "081298765432", "address": "Jl. Tersembunyi 9",
    "region_code": "52.71", "postal_code": "83121",
}  # fmt: skip
SECRETS = ("sari@example.test", "Sari Wulandari", "Penerima Rahasia", "081298765432", "Jl. Tersembunyi 9")


async def sari(market: TestMarket) -> AsyncClient:
    """A new person, signed in."""
    assert (await market.anonymous.post("/v1/auth/register", json=SARI)).status_code == 201
    return market.client_with_token((await sign_in(market)).json()["access_token"])


async def sign_in(market: TestMarket) -> httpx.Response:
    form = {"grant_type": "password", "username": SARI["email"], "password": SARI["password"]}
    return await market.anonymous.post("/v1/auth/token", data=form)


async def order(market: TestMarket, client: AsyncClient) -> dict[str, Any]:
    """An order of whatever there is."""
    products = (await market.anonymous.get("/v1/products", params={"in_stock": True})).json()["items"]
    sku = next(sku for product in products for sku in product["skus"] if sku["in_stock"] and sku["min_quantity"] == 1)
    body = {
        "lines": [{"sku_id": sku["id"], "quantity": sku["order_multiple"]}],
        "payment_method": "cod",
        "ship_to": SHIP_TO,
    }
    placed = await client.post("/v1/orders", json=body, headers={"Idempotency-Key": str(uuid4())})
    assert placed.status_code == 201, placed.text
    made: dict[str, Any] = placed.json()
    return made


async def delete(client: AsyncClient, password: str = SARI["password"]) -> httpx.Response:
    return await client.post("/v1/me/delete", json={"password": password})


async def found(market: TestMarket) -> dict[str, list[str]]:
    """In which tables each of Sari's secrets stands. Stored answers, which go after seven days, are left out."""
    tables = await market.fetch(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
        " WHERE schemaname IN ('identity', 'catalog', 'vendors', 'orders')"
    )
    where: dict[str, list[str]] = {}
    for secret in SECRETS:
        for (table,) in tables:
            if await market.fetch(f"SELECT FROM {table} t WHERE position($1 IN t::text) > 0 LIMIT 1", secret):
                where.setdefault(secret, []).append(table)
    return where


class TestExport:
    async def test_holds_all_that_services_have_of_the_person(self, market: TestMarket) -> None:
        client = await sari(market)
        placed = await order(market, client)
        body = (await client.get("/v1/me/export")).json()
        assert (body["account"]["email"], body["account"]["name"]) == ("sari@example.test", "Sari Wulandari")
        assert (body["locale"], body["confirmed_at"], body["next_cursor"]) == ("id", None, None)
        assert [one["current"] for one in body["sessions"]] == [True]
        [exported] = body["orders"]
        assert (exported["id"], exported["number"]) == (placed["id"], placed["number"])
        assert (exported["ship_to"], exported["total"]) == (SHIP_TO, placed["total"]["amount"])
        assert [line["sku_id"] for line in exported["lines"]] == [line["sku_id"] for line in placed["lines"]]
        assert body["stock_movements"] == []

    async def test_holds_what_a_member_of_a_vendor_did(self, market: TestMarket) -> None:
        seller, other = await market.client(VENDOR), await market.client(SECOND_VENDOR)
        sku = (await seller.get("/v1/stock")).json()["items"][0]
        change = {"delta": 3, "device_id": "phone", "sequence": 1}
        assert (await seller.patch(f"/v1/stock/{sku['sku_id']}", json=change)).status_code == 200
        body = (await seller.get("/v1/me/export")).json()
        assert [(one["sku_id"], one["on_hand_change"]) for one in body["stock_movements"]] == [(sku["sku_id"], 3)]
        assert [one["role"] for one in body["account"]["vendors"]] == ["owner"]
        assert (await other.get("/v1/me/export")).json()["stock_movements"] == []

    async def test_comes_in_pages_by_a_fixed_number_of_statements(self, market: TestMarket) -> None:
        client = await sari(market)
        await market.execute(
            "INSERT INTO orders.orders (number, buyer_id, bulk, status, payment_method, ship_to, subtotal, shipping,"
            " tax, total, original_total) SELECT 'N-' || n, u.id, false, 'completed', 'cod', '{}', 0, 0, 0, 0, 0"
            " FROM identity.users u, generate_series(1, 401) n WHERE u.email = 'sari@example.test'"
        )
        numbers: list[str] = []
        sizes, cursor = [], None
        while True:
            with market.count_queries() as statements:
                body = (await client.get("/v1/me/export", params={"cursor": cursor} if cursor else {})).json()
            assert len(statements) == 5
            sizes.append(len(body["orders"]))
            numbers += [one["number"] for one in body["orders"]]
            cursor = body["next_cursor"]
            if cursor is None:
                break
        assert sizes == [200, 200, 1]
        assert len(set(numbers)) == 401

    async def test_cursor_of_somebody_else_is_refused(self, market: TestMarket) -> None:
        mine = await sari(market)
        await market.execute(
            "INSERT INTO orders.orders (number, buyer_id, bulk, status, payment_method, ship_to, subtotal, shipping,"
            " tax, total, original_total) SELECT 'N-' || n, u.id, false, 'completed', 'cod', '{}', 0, 0, 0, 0, 0"
            " FROM identity.users u, generate_series(1, 201) n WHERE u.email = 'sari@example.test'"
        )
        cursor = (await mine.get("/v1/me/export")).json()["next_cursor"]
        other = await market.client(CONSUMER)
        problem(await other.get("/v1/me/export", params={"cursor": cursor}), 422, "invalid_request")
        assert (await other.get("/v1/me/export")).json()["orders"] == []


class TestDelete:
    async def test_nothing_of_the_person_is_left_but_a_trail_and_the_amounts(self, market: TestMarket) -> None:
        client = await sari(market)
        user = (await client.get("/v1/me")).json()["id"]
        refresh_token = (await sign_in(market)).json()["refresh_token"]
        placed = await order(market, client)
        await market.work()
        assert (await client.post(f"/v1/orders/{placed['id']}/cancel", json={})).status_code == 200
        assert set(await found(market)) == set(SECRETS)
        answer = await delete(client)
        assert (answer.status_code, answer.content) == (204, b"")
        await market.work()
        assert await found(market) == {}
        assert await market.broken() == []
        [trail] = await market.fetch("SELECT user_id, request_id FROM identity.deletions")
        assert (str(trail["user_id"]), trail["request_id"]) == (user, answer.headers["x-request-id"])
        kept = (await (await market.client(OFFICE)).get(f"/v1/orders/{placed['id']}")).json()
        assert kept["original_total"] == placed["total"]
        assert kept["ship_to"] == {**SHIP_TO, "name": "(dihapus)", "phone": "000000", "address": "(dihapus)"}
        problem(await sign_in(market), 401, "invalid_credentials")
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        problem(await market.anonymous.post("/v1/auth/token", data=form), 401, "invalid_credentials")
        problem(await client.get("/v1/me"), 401, "unauthenticated")
        problem(await client.get("/v1/me/export"), 401, "unauthenticated")
        problem(await delete(client), 401, "unauthenticated")
        assert (await market.anonymous.post("/v1/auth/register", json=SARI)).status_code == 201

    async def test_what_comes_behind_it_is_erased_by_night(self, market: TestMarket) -> None:
        client = await sari(market)
        assert (await delete(client)).status_code == 204
        placed = await order(market, client)
        await market.work()
        night = market.market.jobs.schedules["identity_erase_again"].handler
        await night()
        await market.work()
        assert "Penerima Rahasia" in await found(market)
        assert (await client.post(f"/v1/orders/{placed['id']}/cancel", json={})).status_code == 200
        await night()
        await market.work()
        assert await found(market) == {}

    async def test_refused_when_the_password_is_wrong(self, market: TestMarket) -> None:
        client = await sari(market)
        problem(await delete(client, "salah sekali"), 403, "wrong_password")
        assert (await client.get("/v1/me")).status_code == 200

    async def test_refused_while_orders_are_open(self, market: TestMarket) -> None:
        client = await sari(market)
        placed = await order(market, client)
        body = problem(await delete(client), 409, "orders_open")
        assert [error["id"] for error in body["errors"]] == [placed["id"]]
        assert (await sign_in(market)).status_code == 200

    @pytest.mark.parametrize(("email", "kind"), [(VENDOR, "vendors"), (HOTEL, "organizations")])
    async def test_refused_while_nobody_else_is_in_charge(self, market: TestMarket, email: str, kind: str) -> None:
        client = await market.client(email)
        [place] = (await client.get("/v1/me")).json()[kind]
        body = problem(await delete(client, PASSWORD), 409, "last_in_charge")
        assert [(error["id"], error["detail"]) for error in body["errors"]] == [(place["id"], place["name"])]
        await sari(market)
        table, column = {"vendors": ("vendors.vendor_members", "vendor_id")}.get(
            kind, ("orders.organization_members", "organization_id")
        )
        await market.execute(
            f"INSERT INTO {table} ({column}, user_id, role) SELECT '{place['id']}', id, '{place['role']}'"
            " FROM identity.users WHERE email = 'sari@example.test'"
        )
        assert (await delete(client, PASSWORD)).status_code == 204
        await market.work()
        members = await market.fetch(
            f"SELECT u.email FROM {table} m LEFT JOIN identity.users u ON u.id = m.user_id"
            f" WHERE m.{column} = '{place['id']}'"
        )
        assert [row["email"] for row in members] == ["sari@example.test"]

    async def test_one_stays_when_all_in_charge_leave_at_once(self, market: TestMarket) -> None:
        first, second = await market.client(VENDOR), await market.client(SECOND_VENDOR)
        await market.execute(
            "INSERT INTO vendors.vendor_members (vendor_id, user_id, role)"
            " SELECT v.vendor_id, u.user_id, 'owner' FROM vendors.vendor_members v, vendors.vendor_members u"
            " ON CONFLICT DO NOTHING"
        )
        answers = await asyncio.gather(delete(first, PASSWORD), delete(second, PASSWORD))
        assert sorted(answer.status_code for answer in answers) == [204, 409]

    async def test_unauthenticated_when_nobody_is_signed_in(self, market: TestMarket) -> None:
        problem(await delete(market.anonymous), 401, "unauthenticated")
        problem(await market.anonymous.get("/v1/me/export"), 401, "unauthenticated")
