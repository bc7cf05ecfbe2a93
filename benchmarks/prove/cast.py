"""Everybody who may call, one for each role there is, and what each side has that no other may see."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import asyncpg
from httpx import ASGITransport, AsyncClient
from starlette.types import ASGIApp

from benchmarks.prove.scene import (
    ADMIN,
    ANONYMOUS,
    BUYER,
    CALLERS,
    HOTEL,
    OFFICE,
    OTHER_SELLER,
    SELLER,
    SHIP_TO,
    Scene,
    bulk_body,
    created,
    furnish,
    sign_in,
)  # fmt: skip
from ishop.scopes import OF_ORGANIZATIONS, OF_THE_OFFICE, OF_VENDORS

BASE_URL: Final = "http://market.test"
STAFF, OTHER_BUYER, OTHER_HOTEL = "staff@prove.test", "consumer2@prove.test", "hotel2@prove.test"
REQUESTER, RECEIVER, FINANCE = "requester@prove.test", "receiver@prove.test", "finance@prove.test"
KEY_OF_SELLER, KEY_OF_OTHER_SELLER, KEY_OF_HOTEL, KEY_OF_OFFICE = (
    "key of the vendor", "key of the other vendor", "key of the hotel", "key of the office",
)  # fmt: skip
ACTING: Final = "office acting for the vendor"

SIDES: Final[Mapping[str, str]] = {
    STAFF: SELLER, KEY_OF_SELLER: SELLER, ACTING: SELLER, KEY_OF_OTHER_SELLER: OTHER_SELLER,
    REQUESTER: HOTEL, RECEIVER: HOTEL, FINANCE: HOTEL, KEY_OF_HOTEL: HOTEL,
}  # fmt: skip
"""On whose side callers are that own nothing themselves."""
OFFICERS: Final = frozenset({OFFICE, ADMIN, KEY_OF_OFFICE, ACTING})

MEMBERS: Final = (
    (STAFF, "vendors.vendor_members", "vendor_id", "staff"),
    (REQUESTER, "orders.organization_members", "organization_id", "requester"),
    (RECEIVER, "orders.organization_members", "organization_id", "receiver"),
    (FINANCE, "orders.organization_members", "organization_id", "finance"),
)
ADD_USER: Final = """
INSERT INTO identity.users (id, email, name, password_hash, confirmed_at)
SELECT $1, $2, $3, password_hash, confirmed_at FROM identity.users WHERE email = $4
"""
ADD_HOTEL: Final = """
INSERT INTO orders.organizations (id, slug, name, kind, region_code, terms_days)
SELECT $1, 'hotel-lain', 'Hotel Lain', kind, region_code, terms_days FROM orders.organizations LIMIT 1
"""


def side(who: str) -> str:
    """Whose objects are a caller's own."""
    return SIDES.get(who, who)


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that only some may read."""

    what: str
    text: str
    owner: str
    readers: frozenset[str]
    """The sides that may; everybody else is a stranger to it."""


@dataclass(frozen=True)
class Cast:
    """Who calls, what everybody owns, and what of it is a secret."""

    clients: Mapping[str, AsyncClient]
    objects: Mapping[str, Mapping[str, str]]
    scene: Scene
    secrets: tuple[Secret, ...]
    organizations: Mapping[str, str]
    vendors: Mapping[str, str]


async def assembled(gateway: ASGIApp, dsn: str, closing: AsyncExitStack) -> Cast:
    """Sign everybody in at the door, and let everybody own something."""

    def door(token: str | None = None) -> AsyncClient:
        headers = None if token is None else {"Authorization": f"Bearer {token}"}
        client = AsyncClient(transport=ASGITransport(gateway), base_url=BASE_URL, headers=headers, timeout=60)
        closing.push_async_callback(client.aclose)
        return client

    anonymous = door()
    clients = {who: anonymous if who == ANONYMOUS else door(await sign_in(anonymous, who)) for who in CALLERS}
    scene = await furnish(clients)
    organizations = {HOTEL: scene.organization, OTHER_HOTEL: str(uuid4())}
    vendors = {who: scene.objects["vendor"][who] for who in (SELLER, OTHER_SELLER)}
    users = await _add_people(dsn, vendors[SELLER], organizations)
    for who in users:
        clients[who] = door(await sign_in(anonymous, who))
    clients |= await _add_programs(clients, door, vendors, organizations)
    objects = {name: dict(owned) for name, owned in scene.objects.items()}
    placed = {**scene.placed, **await _order_more(clients, scene, organizations)}
    for who in (OTHER_BUYER, OTHER_HOTEL):
        objects["order_id"][who] = placed[who]["id"]
    objects["organization_id"][OTHER_HOTEL] = organizations[OTHER_HOTEL]
    objects["user_id"] |= {HOTEL: users[REQUESTER], SELLER: users[STAFF]}
    invited = {"email": "b@example.test", "role": "finance"}
    path = f"/v1/organizations/{organizations[OTHER_HOTEL]}/invitations"
    objects["invitation_id"][OTHER_HOTEL] = (await created(clients[OTHER_HOTEL], path, invited))["id"]
    return Cast(clients, objects, scene, tuple(_secrets(objects, placed, users)), organizations, vendors)


async def _add_people(dsn: str, vendor: str, organizations: Mapping[str, str]) -> dict[str, str]:
    """Members of every role and another buyer and hotel, with the password of the demo accounts; their ids."""
    people = {who: str(uuid4()) for who in (OTHER_BUYER, OTHER_HOTEL, *(who for who, *_ in MEMBERS))}
    connection = await asyncpg.connect(dsn)
    try:
        for who, user in people.items():
            await connection.execute(ADD_USER, user, who, f"Nama {who}", BUYER)
        await connection.execute(ADD_HOTEL, organizations[OTHER_HOTEL])
        groups = {"vendor_id": vendor, "organization_id": organizations[HOTEL]}
        members = [(table, column, groups[column], who, role) for who, table, column, role in MEMBERS]
        members.append((MEMBERS[1][1], "organization_id", organizations[OTHER_HOTEL], OTHER_HOTEL, "approver"))
        for table, column, group, who, role in members:
            statement = f"INSERT INTO {table} ({column}, user_id, role) VALUES ($1, $2, $3)"  # noqa: S608 - constants.
            await connection.execute(statement, group, people[who], role)
    finally:
        await connection.close()
    return people


async def _add_programs(
    clients: Mapping[str, AsyncClient],
    door: Callable[[str], AsyncClient],
    vendors: Mapping[str, str],
    organizations: Mapping[str, str],
) -> dict[str, AsyncClient]:
    """Programs with every scope that there is for their owner, and an officer who acts for the vendor."""
    key = {"name": "Program lain", "expires_in_days": 1}
    wanted: dict[str, tuple[str, dict[str, Any]]] = {
        KEY_OF_SELLER: (SELLER, {"vendor_id": vendors[SELLER], "scopes": sorted(OF_VENDORS)}),
        KEY_OF_OTHER_SELLER: (OTHER_SELLER, {"vendor_id": vendors[OTHER_SELLER], "scopes": sorted(OF_VENDORS)}),
        KEY_OF_HOTEL: (HOTEL, {"organization_id": organizations[HOTEL], "scopes": sorted(OF_ORGANIZATIONS)}),
        KEY_OF_OFFICE: (ADMIN, {"scopes": sorted(OF_THE_OFFICE)}),
    }
    programs = {
        who: door((await created(clients[owner], "/v1/api-keys", key | body))["key"])
        for who, (owner, body) in wanted.items()
    }
    act = {"vendor_id": vendors[SELLER], "reason": "Membantu mengisi stok"}
    programs[ACTING] = door((await created(clients[OFFICE], "/v1/auth/act", act))["access_token"])
    return programs


async def _order_more(
    clients: Mapping[str, AsyncClient], scene: Scene, organizations: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """An order of the other buyer and of the other hotel, to places that nobody else has."""
    orders = {
        who: {**scene.order(), "ship_to": {**SHIP_TO, "name": f"Penerima {who}", "address": f"Jl. Rahasia {who}"}}
        for who in (OTHER_BUYER, OTHER_HOTEL)
    }
    bulk = bulk_body(orders[OTHER_HOTEL], organizations[OTHER_HOTEL], "PO-RAHASIA-8")
    return {
        OTHER_BUYER: await created(clients[OTHER_BUYER], "/v1/orders", orders[OTHER_BUYER]),
        OTHER_HOTEL: await created(clients[OTHER_HOTEL], "/v1/bulk-orders", bulk),
    }


def _secrets(
    objects: Mapping[str, Mapping[str, str]], placed: Mapping[str, Mapping[str, Any]], users: Mapping[str, str]
) -> Iterator[Secret]:
    officers = frozenset({OFFICE, ADMIN, KEY_OF_OFFICE})
    sellers = {objects["vendor"][who]: who for who in (SELLER, OTHER_SELLER)}
    for who, order in placed.items():
        filled_by = {sellers[part["vendor_id"]] for part in order["vendor_orders"]}
        readers = officers | {who} | filled_by
        yield Secret("an order", order["id"], who, readers)
        yield Secret("an order's number", order["number"], who, readers)
        if who in (OTHER_BUYER, OTHER_HOTEL):
            yield Secret("a recipient", f"Penerima {who}", who, readers)
            yield Secret("an address", f"Jl. Rahasia {who}", who, readers)
        if order["po_number"]:
            yield Secret("a PO number", order["po_number"], who, officers | {who})
        for part in order["vendor_orders"]:
            yield Secret("a vendor order", part["id"], who, officers | {who, sellers[part["vendor_id"]]})
    for name, what in (("api_key_id", "an API key"), ("session_id", "a session"), ("invitation_id", "an invitation")):
        for who, text in objects[name].items():
            yield Secret(what, text, who, frozenset({who}) | (officers if name == "invitation_id" else frozenset()))
    for who, user in users.items():
        for text in (user, who):
            yield Secret("a person", text, side(who), officers | {side(who)})
    for who in (BUYER, HOTEL, SELLER, OTHER_SELLER):
        yield Secret("an e-mail address", who, who, officers | {who})
