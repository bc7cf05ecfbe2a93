"""Every route by every role: the table below must name each route of the gateway, and a denied call changes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import pytest
from httpx import AsyncClient

from gateway.routes import IDENTITY, ROUTES
from ishop.clock import business_date, now
from ishop.settings import Role
from tests.markets import TestMarket
from tests.modes import MODES, Mode

ANONYMOUS, STRANGER, BUYER, SELLER, OTHER_SELLER, HOTEL, OFFICE = (
    "anonymous", "stranger", "buyer", "seller", "other seller", "hotel", "office",
)  # fmt: skip
EVERYBODY: Final = (ANONYMOUS, STRANGER, BUYER, SELLER, OTHER_SELLER, HOTEL, OFFICE)

# What each caller is answered. Calls that may change something are only made by those who are refused.
# The order is the buyer's, its vendor order the seller's, the bulk order the hotel's, the sku the seller's.
OPEN: Final = dict.fromkeys(EVERYBODY, 200)
SIGNED_IN: Final = OPEN | {ANONYMOUS: 401}
SELLERS_COLLECTION: Final = SIGNED_IN | {STRANGER: 403, BUYER: 403, HOTEL: 403, OFFICE: 403}
HOTELS_COLLECTION: Final = SIGNED_IN | {STRANGER: 403, BUYER: 403, SELLER: 403, OTHER_SELLER: 403, OFFICE: 403}
SELLERS_OWN: Final = {ANONYMOUS: 401, STRANGER: 403, BUYER: 403, HOTEL: 403, OFFICE: 403, OTHER_SELLER: 404}
BUYERS_OWN: Final = {ANONYMOUS: 401, STRANGER: 404, SELLER: 404, OTHER_SELLER: 404, HOTEL: 404}
HOTELS_OWN: Final = {ANONYMOUS: 401, STRANGER: 404, BUYER: 404, SELLER: 404, OTHER_SELLER: 404}
SELLERS_SKU: Final = {ANONYMOUS: 401, STRANGER: 404, BUYER: 404, OTHER_SELLER: 404, HOTEL: 404}
SELLERS_KEY: Final = {ANONYMOUS: 401, STRANGER: 403, BUYER: 403, OTHER_SELLER: 404, HOTEL: 404, OFFICE: 404}
SELLERS_MEMBERS: Final = {ANONYMOUS: 401, STRANGER: 404, BUYER: 404, OTHER_SELLER: 404, HOTEL: 404}
FOR_THE_OFFICE: Final = {ANONYMOUS: 401, STRANGER: 403, BUYER: 403, SELLER: 403, OTHER_SELLER: 403, HOTEL: 403}

EXPECTED: Final[Mapping[str, Mapping[str, int]]] = {
    "GET /v1/search/products": OPEN,
    "GET /v1/search/suggestions": OPEN,
    "GET /v1/products": OPEN,
    "GET /v1/products/{id_or_slug}": OPEN,
    "GET /v1/commodities": OPEN,
    "GET /v1/commodities/{slug}": OPEN,
    "GET /v1/categories": OPEN,
    "GET /v1/regions": OPEN,
    "GET /v1/vendors": OPEN,
    "GET /v1/vendors/{vendor}": OPEN,
    "GET /v1/vendors/{vendor}/members": SELLERS_MEMBERS | {SELLER: 200, OFFICE: 200},
    "PATCH /v1/vendors/{vendor}/members/{user_id}": SELLERS_MEMBERS,
    "DELETE /v1/vendors/{vendor}/members/{user_id}": SELLERS_MEMBERS,
    "POST /v1/vendors/{vendor}/invitations": SELLERS_MEMBERS,
    "GET /v1/vendors/{vendor}/invitations": SELLERS_MEMBERS | {SELLER: 200, OFFICE: 200},
    "DELETE /v1/vendors/{vendor}/invitations/{invitation_id}": SELLERS_MEMBERS,
    "GET /v1/stock": SELLERS_COLLECTION,
    "GET /v1/stock/{sku_id}": SELLERS_SKU | {SELLER: 200, OFFICE: 200},
    "GET /v1/stock/{sku_id}/movements": SELLERS_SKU | {SELLER: 200, OFFICE: 200},
    "PATCH /v1/stock/{sku_id}": SELLERS_SKU,
    "POST /v1/stock/batch": {who: status for who, status in SELLERS_COLLECTION.items() if status != 200},
    "POST /v1/auth/register": {},
    "POST /v1/auth/confirm": dict.fromkeys(EVERYBODY, 400),
    "POST /v1/auth/confirm/resend": {ANONYMOUS: 401},
    "POST /v1/auth/token": {},
    "POST /v1/auth/revoke": dict.fromkeys(EVERYBODY, 415),
    "POST /v1/auth/password/reset": dict.fromkeys(EVERYBODY, 422),
    "POST /v1/auth/password/reset/confirm": dict.fromkeys(EVERYBODY, 400),
    "GET /v1/me": SIGNED_IN,
    "POST /v1/me/password": dict.fromkeys(EVERYBODY, 403) | {ANONYMOUS: 401},
    "GET /v1/me/export": SIGNED_IN,
    "POST /v1/me/delete": dict.fromkeys(EVERYBODY, 403) | {ANONYMOUS: 401},
    "GET /v1/me/sessions": SIGNED_IN,
    "DELETE /v1/me/sessions/{session_id}": dict.fromkeys(EVERYBODY, 404) | {ANONYMOUS: 401},
    "POST /v1/me/sessions/end-others": {ANONYMOUS: 401},
    "POST /v1/invitations/accept": dict.fromkeys((BUYER, SELLER, OTHER_SELLER, HOTEL, OFFICE), 400) | {ANONYMOUS: 401},
    "POST /v1/auth/act": FOR_THE_OFFICE,
    "GET /v1/acting-grants": SIGNED_IN | {STRANGER: 403, BUYER: 403, HOTEL: 403},
    "POST /v1/api-keys": {ANONYMOUS: 401, STRANGER: 403, BUYER: 403, OTHER_SELLER: 404, HOTEL: 404, OFFICE: 404},
    "GET /v1/audit-log": FOR_THE_OFFICE | {OFFICE: 200},
    "GET /v1/api-keys": SIGNED_IN | {STRANGER: 403, BUYER: 403},
    "DELETE /v1/api-keys/{api_key_id}": SELLERS_KEY,
    "POST /v1/api-keys/{api_key_id}/rotate": SELLERS_KEY,
    "POST /v1/orders/preview": SIGNED_IN,
    "POST /v1/orders": {ANONYMOUS: 401},
    "GET /v1/orders": SIGNED_IN,
    "GET /v1/orders/{order_id}": BUYERS_OWN | {BUYER: 200, OFFICE: 200},
    "POST /v1/orders/{order_id}/cancel": BUYERS_OWN,
    "POST /v1/orders/{order_id}/payments": FOR_THE_OFFICE,
    "GET /v1/organizations": HOTELS_COLLECTION,
    "POST /v1/organizations/{organization_id}/invitations": HOTELS_OWN,
    "GET /v1/organizations/{organization_id}/invitations": HOTELS_OWN | {HOTEL: 200, OFFICE: 200},
    "DELETE /v1/organizations/{organization_id}/invitations/{invitation_id}": HOTELS_OWN,
    "GET /v1/organizations/{organization_id}/members": HOTELS_OWN | {HOTEL: 200, OFFICE: 200},
    "PATCH /v1/organizations/{organization_id}/members/{user_id}": HOTELS_OWN,
    "DELETE /v1/organizations/{organization_id}/members/{user_id}": HOTELS_OWN,
    "POST /v1/bulk-orders/preview": HOTELS_COLLECTION,
    "POST /v1/bulk-orders": {who: status for who, status in HOTELS_COLLECTION.items() if status != 200},
    "GET /v1/bulk-orders": HOTELS_COLLECTION,
    "GET /v1/bulk-orders/{order_id}": HOTELS_OWN | {HOTEL: 200, OFFICE: 200},
    "GET /v1/vendor-orders": SELLERS_COLLECTION,
    "GET /v1/vendor-orders/{vendor_order_id}": SELLERS_OWN | {SELLER: 200},
    "POST /v1/vendor-orders/{vendor_order_id}/accept": SELLERS_OWN,
    "POST /v1/vendor-orders/{vendor_order_id}/reject": SELLERS_OWN,
    "POST /v1/vendor-orders/{vendor_order_id}/ship": SELLERS_OWN,
    "POST /v1/vendor-orders/{vendor_order_id}/deliver": SELLERS_OWN,
}


QUERIES: Final[Mapping[str, Mapping[str, str]]] = {"GET /v1/search/suggestions": {"q": "gul"}}


OF_IDENTITY: Final = {f"{route.method} {route.path}" for route in ROUTES if route.upstream == IDENTITY}
BOTH_WAYS: Final = [
    (mode, operation)
    for mode in MODES
    for operation in EXPECTED
    if mode is Mode.in_process or operation not in OF_IDENTITY  # Identity is in the gateway's process either way.
]


@dataclass(frozen=True)
class Scene:
    """A market with one order of each kind, and a client for each caller."""

    market: TestMarket
    clients: Mapping[str, AsyncClient]
    paths: Mapping[str, str]
    bodies: Mapping[str, Any]

    async def call(self, operation: str, who: str) -> int:
        method, template = operation.split()
        path = template
        for name, value in self.paths.items():
            path = path.replace(name, value)
        if template.startswith("/v1/bulk-orders"):
            path = path.replace(self.paths["{order_id}"], self.paths["{bulk_order_id}"])
        headers = {"Idempotency-Key": str(uuid4())} if method == "POST" else {}
        answer = await self.clients[who].request(
            method, path, params=QUERIES.get(operation), json=self.bodies.get(operation), headers=headers
        )
        return answer.status_code

    async def fingerprint(self) -> dict[str, object]:
        """A digest of every table, the sign-in tokens apart."""
        ((every_table,),) = await self.market.fetch(
            "SELECT string_agg(format('SELECT %L AS name, md5(string_agg(t::text, '','' ORDER BY t::text)) AS digest"
            " FROM %I.%I t', tablename, schemaname, tablename), ' UNION ALL ') FROM pg_tables"
            " WHERE tablename <> 'refresh_tokens' AND schemaname IN ('identity', 'catalog', 'vendors', 'orders')"
        )
        rows = await self.market.fetch(every_table)
        connection = await self.market.connect(Role.worker)
        waiting = await connection.fetchval("SELECT count(*) FROM ops.outbox")
        await connection.close()
        return {"ops.outbox": waiting, **{row["name"]: row["digest"] for row in rows}}


@pytest.fixture(scope="module")
async def scene(shared_market: TestMarket) -> Scene:
    market = shared_market
    email = f"stranger-{uuid4().hex}@demo.test"  # A token of one market's stranger is nobody's in the other.
    stranger = {"email": email, "name": "Stranger", "password": "ishop-demo"}
    assert (await market.anonymous.post("/v1/auth/register", json=stranger)).status_code == 201
    clients = {
        ANONYMOUS: market.anonymous,
        STRANGER: await market.client(email),
        BUYER: await market.client("consumer@demo.test"),
        SELLER: await market.client("vendor@demo.test"),
        OTHER_SELLER: await market.client("vendor2@demo.test"),
        HOTEL: await market.client("hotel@demo.test"),
        OFFICE: await market.client("office@demo.test"),
    }
    seller = (await clients[SELLER].get("/v1/me")).json()["vendors"][0]["id"]
    hotel = (await clients[HOTEL].get("/v1/me")).json()["organizations"][0]["id"]
    products = (await market.anonymous.get("/v1/products", params={"vendor": seller, "in_stock": True})).json()["items"]
    sku = next(sku for product in products for sku in product["skus"] if sku["in_stock"] and sku["min_quantity"] == 1)
    order = {
        "lines": [{"sku_id": sku["id"], "quantity": sku["order_multiple"]}],
        "payment_method": "cod",
        "ship_to": {
            "name": "Siti", "phone": "081234567890", "address": "Jl. Pejanggik 1",
            "region_code": "52.71", "postal_code": "83121",
        },
    }  # fmt: skip
    bulk = order | {
        "organization_id": hotel, "po_number": "PO-1", "payment_method": "terms",
        "deliver_on": str(business_date(now()) + timedelta(30)),
    }  # fmt: skip
    placed = await clients[BUYER].post("/v1/orders", json=order, headers={"Idempotency-Key": "one"})
    assert placed.status_code == 201, placed.text
    await market.execute("UPDATE vendors.certificates SET valid_until = NULL")  # The bulk order is for a far-off day.
    placed_bulk = await clients[HOTEL].post("/v1/bulk-orders", json=bulk, headers={"Idempotency-Key": "two"})
    assert placed_bulk.status_code == 201, placed_bulk.text
    invitation = {"email": "invited@example.test", "role": "staff"}
    invited = await clients[SELLER].post(f"/v1/vendors/{seller}/invitations", json=invitation)
    assert invited.status_code == 201, invited.text
    key = {"name": "Kasir", "vendor_id": seller, "scopes": ["stock:read"]}
    made_key = await clients[SELLER].post("/v1/api-keys", json=key)
    assert made_key.status_code == 201, made_key.text
    return Scene(
        market,
        clients,
        {
            "{order_id}": placed.json()["id"],
            "{bulk_order_id}": placed_bulk.json()["id"],
            "{session_id}": str(uuid4()),
            "{vendor_order_id}": placed.json()["vendor_orders"][0]["id"],
            "{sku_id}": sku["id"],
            "{api_key_id}": made_key.json()["id"],
            "{vendor}": seller,
            "{organization_id}": hotel,
            "{invitation_id}": invited.json()["id"],
            "{user_id}": (await clients[SELLER].get("/v1/me")).json()["id"],
            "{id_or_slug}": products[0]["slug"],
            "{slug}": products[0]["commodity"]["slug"],
        },
        {
            "PATCH /v1/vendors/{vendor}/members/{user_id}": {"role": "staff"},
            "PATCH /v1/organizations/{organization_id}/members/{user_id}": {"role": "requester"},
            "POST /v1/vendors/{vendor}/invitations": {"email": "a@example.test", "role": "staff"},
            "POST /v1/organizations/{organization_id}/invitations": {"email": "a@example.test", "role": "requester"},
            "POST /v1/invitations/accept": {"token": "x" * 43},
            "POST /v1/auth/act": {"vendor_id": seller, "reason": "Because I can"},
            "POST /v1/api-keys": key,
            "POST /v1/api-keys/{api_key_id}/rotate": {},
            "POST /v1/auth/confirm": {"token": "unknown"},
            "POST /v1/auth/password/reset": {"email": "nobody"},
            "POST /v1/auth/password/reset/confirm": {"token": "unknown", "password": "kopi pahit pagi"},
            "POST /v1/me/delete": {"password": "not this one"},
            "POST /v1/me/password": {"current_password": "not this one", "new_password": "kopi pahit pagi"},
            "PATCH /v1/stock/{sku_id}": {"delta": 1, "device_id": "phone", "sequence": 1},
            "POST /v1/stock/batch": {
                "mode": "partial",
                "rows": [{"sku_id": sku["id"], "delta": 1, "device_id": "phone", "sequence": 1}],
            },
            "POST /v1/orders": order,
            "POST /v1/orders/preview": order,
            "POST /v1/bulk-orders": bulk,
            "POST /v1/bulk-orders/preview": bulk,
            "POST /v1/orders/{order_id}/payments": {"amount": {"amount": 1000, "currency": "IDR"}, "reference": "R-1"},
            "POST /v1/vendor-orders/{vendor_order_id}/reject": {"reason": "out_of_stock"},
        },
    )


def test_every_route_is_in_the_table() -> None:
    assert {f"{route.method} {route.path}" for route in ROUTES} == set(EXPECTED)


@pytest.mark.parametrize(("shared_market", "operation"), BOTH_WAYS, indirect=["shared_market"], scope="module")
async def test_each_caller_is_answered_as_the_table_says_and_a_denied_call_changes_nothing(
    scene: Scene, operation: str
) -> None:
    before = await scene.fingerprint()
    answered = {who: await scene.call(operation, who) for who in EXPECTED[operation]}
    assert answered == EXPECTED[operation]
    assert await scene.fingerprint() == before
