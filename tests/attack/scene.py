"""A market in which everybody owns something: who calls, and each owner's objects by the name a path gives them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from httpx import AsyncClient, Response

from demo.accounts import PASSWORD
from ishop.clock import business_date, now
from tests.markets import TestMarket

ANONYMOUS: Final = "anonymous"
BUYER: Final = "consumer@demo.test"
HOTEL: Final = "hotel@demo.test"
SELLER: Final = "vendor@demo.test"
OTHER_SELLER: Final = "vendor2@demo.test"
OFFICE: Final = "office@demo.test"
ADMIN: Final = "admin@demo.test"
CALLERS: Final = (ANONYMOUS, BUYER, HOTEL, SELLER, OTHER_SELLER, OFFICE, ADMIN)

PUBLIC: Final = "everybody"
"""The owner of what anybody may read."""

SHIP_TO: Final = {
    "name": "Siti Aminah",
    "phone": "081234567890",
    "address": "Jl. Pejanggik 1",
    "region_code": "52.71",
    "postal_code": "83121",
}


@dataclass(frozen=True)
class Scene:
    """`objects[parameter][owner]` is an id (or slug) that the path parameter may name; `skus` can be ordered."""

    market: TestMarket
    clients: Mapping[str, AsyncClient]
    objects: Mapping[str, Mapping[str, str]]
    skus: tuple[str, ...]
    organization: str

    def order(self) -> dict[str, Any]:
        """The body of an order that can be placed."""
        return {"lines": [{"sku_id": self.skus[0], "quantity": 1}], "payment_method": "cod", "ship_to": SHIP_TO}


async def build(market: TestMarket) -> Scene:
    """Place an order of each kind and learn the ids of what everybody has."""
    clients = {who: market.anonymous if who == ANONYMOUS else await market.client(who) for who in CALLERS}
    vendors = {who: await _only(clients[who], "vendors") for who in (SELLER, OTHER_SELLER)}
    organization = await _only(clients[HOTEL], "organizations")
    skus = {who: await _sku_of(market.anonymous, vendor) for who, vendor in vendors.items()}
    products = (await market.anonymous.get("/v1/products", params={"vendor": vendors[SELLER]})).json()["items"]
    order = {
        "lines": [{"sku_id": sku, "quantity": 1} for sku in skus.values()],
        "payment_method": "cod",
        "ship_to": SHIP_TO,
    }
    placed = await _post(clients[BUYER], "/v1/orders", order)
    bulk = {
        **order,
        "organization_id": organization,
        "po_number": "PO-7",
        "payment_method": "terms",
        "deliver_on": f"{business_date(now()) + timedelta(days=7)}",
    }
    placed_bulk = await _post(clients[HOTEL], "/v1/bulk-orders", bulk)
    key = {"name": "Program", "expires_in_days": 1}
    keys = {
        SELLER: await _post(
            clients[SELLER], "/v1/api-keys", key | {"vendor_id": vendors[SELLER], "scopes": ["stock:read"]}
        ),
        HOTEL: await _post(
            clients[HOTEL], "/v1/api-keys", key | {"organization_id": organization, "scopes": ["orders:read"]}
        ),
        OTHER_SELLER: await _post(
            clients[OTHER_SELLER], "/v1/api-keys", key | {"vendor_id": vendors[OTHER_SELLER], "scopes": ["stock:read"]}
        ),
    }
    invitations = {
        who: await _post(
            clients[who], f"/v1/vendors/{vendor}/invitations", {"email": "a@example.test", "role": "staff"}
        )
        for who, vendor in vendors.items()
    }
    invitations[HOTEL] = await _post(
        clients[HOTEL],
        f"/v1/organizations/{organization}/invitations",
        {"email": "a@example.test", "role": "requester"},
    )
    sellers_of = {vendor: who for who, vendor in vendors.items()}
    parts = {sellers_of[part["vendor_id"]]: part["id"] for part in placed["vendor_orders"]}
    return Scene(
        market,
        clients,
        {
            "order_id": {BUYER: placed["id"], HOTEL: placed_bulk["id"]},
            "vendor_order_id": parts,
            "sku_id": skus,
            "vendor": {**vendors, PUBLIC: products[0]["vendor"]["slug"]},
            "id_or_slug": {PUBLIC: products[0]["slug"]},
            "slug": {PUBLIC: products[0]["commodity"]["slug"]},
            "api_key_id": {who: made["id"] for who, made in keys.items()},
            "organization_id": {HOTEL: organization},
            "invitation_id": {who: made["id"] for who, made in invitations.items()},
            "user_id": {who: (await clients[who].get("/v1/me")).json()["id"] for who in (SELLER, OTHER_SELLER, HOTEL)},
            "session_id": {BUYER: await _session_of(market.anonymous, BUYER)},
        },
        tuple(skus.values()),
        organization,
    )


async def _only(client: AsyncClient, kind: str) -> str:
    membership: str = (await client.get("/v1/me")).json()[kind][0]["id"]
    return membership


async def _session_of(anonymous: AsyncClient, email: str) -> str:
    """A session in this market: the tokens of the clients may come from another clone of it."""
    form = {"grant_type": "password", "username": email, "password": PASSWORD}
    token = (await anonymous.post("/v1/auth/token", data=form)).json()["access_token"]
    listed = await anonymous.get("/v1/me/sessions", headers={"Authorization": f"Bearer {token}"})
    session_id: str = next(one["id"] for one in listed.json()["items"] if one["current"])
    return session_id


async def _sku_of(client: AsyncClient, vendor: str) -> str:
    products = (await client.get("/v1/products", params={"vendor": vendor, "in_stock": True})).json()["items"]
    found: str = next(
        sku["id"]
        for product in products
        for sku in product["skus"]
        if sku["in_stock"] and sku["min_quantity"] == sku["order_multiple"] == 1
    )
    return found


async def _post(client: AsyncClient, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    answer: Response = await client.post(path, json=body, headers={"Idempotency-Key": str(uuid4())})
    assert answer.status_code == 201, answer.text
    placed: dict[str, Any] = answer.json()
    return placed
