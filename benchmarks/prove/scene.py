"""A market in which everybody owns something: who calls, and each owner's objects by the name a path gives them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from httpx import AsyncClient, Response

from benchmarks.grounds import GroundsFailed
from demo import accounts
from demo.accounts import PASSWORD
from ishop.clock import business_date, now

ANONYMOUS: Final = "anonymous"
BUYER: Final = accounts.CONSUMER
HOTEL: Final = accounts.HOTEL
SELLER: Final = accounts.VENDOR
OTHER_SELLER: Final = accounts.SECOND_VENDOR
OFFICE: Final = accounts.OFFICE
ADMIN: Final = accounts.ADMIN
CALLERS: Final = (ANONYMOUS, BUYER, HOTEL, SELLER, OTHER_SELLER, OFFICE, ADMIN)
OFFICERS: Final = (OFFICE, ADMIN)

PUBLIC: Final = "everybody"
"""The owner of what anybody may read."""

SHIP_TO: Final = {
    "name": "Siti Aminah",
    "phone": "081234567890",
    "address": "Jl. Pejanggik 1",
    "region_code": "52.71",
    "postal_code": "83121",
}
DELIVERY_DAYS: Final = 7

OFFICE_READS: Final = frozenset(
    {
        "/v1/orders/{order_id}",
        "/v1/bulk-orders/{order_id}",
        "/v1/stock/{sku_id}",
        "/v1/stock/{sku_id}/movements",
        "/v1/vendors/{vendor}/members",
        "/v1/organizations/{organization_id}/members",
        "/v1/vendors/{vendor}/invitations",
        "/v1/organizations/{organization_id}/invitations",
    }
)
"""What the office reads of others."""
OFFICE_CHANGES: Final = frozenset(
    {
        "/v1/orders/{order_id}/payments",
        "/v1/vendors/{vendor}/members/{user_id}",
        "/v1/organizations/{organization_id}/members/{user_id}",
        "/v1/vendors/{vendor}/invitations/{invitation_id}",
        "/v1/organizations/{organization_id}/invitations/{invitation_id}",
    }
)


@dataclass(frozen=True)
class Scene:
    """`objects[parameter][owner]` is an id (or slug) that the path parameter may name; `skus` can be ordered."""

    clients: Mapping[str, AsyncClient]
    objects: Mapping[str, Mapping[str, str]]
    skus: tuple[str, ...]
    organization: str
    placed: Mapping[str, Mapping[str, Any]]
    """The order of each buyer, as it was answered."""

    def order(self) -> dict[str, Any]:
        """The body of an order that can be placed."""
        return {"lines": [{"sku_id": self.skus[0], "quantity": 1}], "payment_method": "cod", "ship_to": SHIP_TO}


async def furnish(clients: Mapping[str, AsyncClient]) -> Scene:
    """Place an order of each kind and learn the ids of what everybody has; `clients` are those of CALLERS."""
    vendors = {who: await only(clients[who], "vendors") for who in (SELLER, OTHER_SELLER)}
    organization = await only(clients[HOTEL], "organizations")
    anonymous = clients[ANONYMOUS]
    skus = {who: await first_sku(anonymous, vendor) for who, vendor in vendors.items()}
    products = (await anonymous.get("/v1/products", params={"vendor": vendors[SELLER]})).json()["items"]
    order = {
        "lines": [{"sku_id": sku, "quantity": 1} for sku in skus.values()],
        "payment_method": "cod",
        "ship_to": SHIP_TO,
    }
    placed = await created(clients[BUYER], "/v1/orders", order)
    placed_bulk = await created(clients[HOTEL], "/v1/bulk-orders", bulk_body(order, organization, "PO-7"))
    key = {"name": "Program", "expires_in_days": 1}
    keys = {
        SELLER: await created(
            clients[SELLER], "/v1/api-keys", key | {"vendor_id": vendors[SELLER], "scopes": ["stock:read"]}
        ),
        HOTEL: await created(
            clients[HOTEL], "/v1/api-keys", key | {"organization_id": organization, "scopes": ["orders:read"]}
        ),
        OTHER_SELLER: await created(
            clients[OTHER_SELLER], "/v1/api-keys", key | {"vendor_id": vendors[OTHER_SELLER], "scopes": ["stock:read"]}
        ),
    }
    invitations = {
        who: await created(
            clients[who], f"/v1/vendors/{vendor}/invitations", {"email": "a@example.test", "role": "staff"}
        )
        for who, vendor in vendors.items()
    }
    invitations[HOTEL] = await created(
        clients[HOTEL],
        f"/v1/organizations/{organization}/invitations",
        {"email": "a@example.test", "role": "requester"},
    )
    sellers_of = {vendor: who for who, vendor in vendors.items()}
    parts = {sellers_of[part["vendor_id"]]: part["id"] for part in placed["vendor_orders"]}
    members = (SELLER, OTHER_SELLER, HOTEL)
    return Scene(
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
            "user_id": {who: (await clients[who].get("/v1/me")).json()["id"] for who in members},
            "session_id": {BUYER: await _session_of(anonymous, BUYER)},
        },
        tuple(skus.values()),
        organization,
        {BUYER: placed, HOTEL: placed_bulk},
    )


def bulk_body(order: Mapping[str, Any], organization: str, po_number: str) -> dict[str, Any]:
    """The body of a bulk order of the same lines."""
    return {
        **order,
        "organization_id": organization,
        "po_number": po_number,
        "payment_method": "terms",
        "deliver_on": f"{business_date(now()) + timedelta(days=DELIVERY_DAYS)}",
    }


async def created(client: AsyncClient, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """What was made by a POST, which has to succeed."""
    answer: Response = await client.post(path, json=body, headers={"Idempotency-Key": str(uuid4())})
    if answer.status_code != 201:
        raise GroundsFailed(f"POST {path}: {answer.status_code} {answer.text}")
    made: dict[str, Any] = answer.json()
    return made


async def only(client: AsyncClient, kind: str) -> str:
    """The id of the first of the caller's vendors or organizations."""
    membership: str = (await client.get("/v1/me")).json()[kind][0]["id"]
    return membership


async def sign_in(anonymous: AsyncClient, email: str) -> str:
    """The access token of a demo account."""
    form = {"grant_type": "password", "username": email, "password": PASSWORD}
    token: str = (await anonymous.post("/v1/auth/token", data=form)).raise_for_status().json()["access_token"]
    return token


async def _session_of(anonymous: AsyncClient, email: str) -> str:
    """A session in this market: the tokens of the clients may come from another clone of it."""
    headers = {"Authorization": f"Bearer {await sign_in(anonymous, email)}"}
    listed = await anonymous.get("/v1/me/sessions", headers=headers)
    session_id: str = next(one["id"] for one in listed.json()["items"] if one["current"])
    return session_id


async def first_sku(client: AsyncClient, vendor: str) -> str:
    """The first sku of a vendor that is in stock and can be ordered by the piece."""
    products = (await client.get("/v1/products", params={"vendor": vendor, "in_stock": True})).json()["items"]
    found: str = next(
        sku["id"]
        for product in products
        for sku in product["skus"]
        if sku["in_stock"] and sku["min_quantity"] == sku["order_multiple"] == 1
    )
    return found
