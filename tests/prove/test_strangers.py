"""The proof that nobody reads or changes what is not theirs: it holds, and names each bug that is planted."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from benchmarks.prove.cast import OTHER_BUYER, OTHER_HOTEL, STAFF
from benchmarks.prove.scene import BUYER, OTHER_SELLER, SELLER, first_sku, only, sign_in
from benchmarks.prove.strangers import look, untried
from ishop.settings import Role
from tests.markets import TestMarket
from tests.prove.planted import Answering, Door, Fault, Shedding

STAFF_OF_ALL = """
CREATE OR REPLACE VIEW vendors.memberships_v1 AS
    SELECT m.user_id, v.id AS vendor_id, v.name AS vendor_name, m.role
    FROM vendors.vendor_members m JOIN vendors.vendors v ON v.id = m.vendor_id OR m.role = 'staff'
"""


def silent(_: str) -> None:
    """Say nothing."""


@dataclass
class Swapped:
    """A gateway that takes everybody for the owner of a token."""

    gateway: ASGIApp
    token: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {**dict(scope["headers"]), b"authorization": f"Bearer {self.token}".encode()}
        await self.gateway({**scope, "headers": list(headers.items())}, receive, send)


class Talkative:
    """A gateway whose refusals say more than they should."""

    def __init__(self, gateway: ASGIApp, secret: str) -> None:
        self.gateway, self.secret = gateway, secret.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = False

        async def telling(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start":
                refused = message["status"] == 404
                message = {**message, "headers": [one for one in message["headers"] if one[0] != b"content-length"]}
            elif refused and not message.get("more_body"):
                message = {**message, "body": message["body"][:-1] + b',"of":"' + self.secret + b'"}'}
            await send(message)

        await self.gateway(scope, receive, telling if scope["type"] == "http" else send)


async def test_a_healthy_market_tells_strangers_nothing(market: TestMarket) -> None:
    rounds = await look(market.market.gateway, market.database.dsn(Role.migrator), silent, owners=1)
    assert rounds.broken == []
    assert len(rounds.cast.clients) == 18
    assert rounds.requests > 1000


async def test_of_what_nobody_calls_nothing_is_proved(market: TestMarket) -> None:
    rounds = await look(market.market.gateway, market.database.dsn(Role.migrator), silent, under="/v1/bulk-orders")
    assert rounds.broken == []
    unproved = list(untried(rounds, [], whole=True))
    assert "not put to the proof: there is no route" in unproved
    assert f"not put to the proof: nobody was shown an address of {OTHER_BUYER}" in unproved
    assert f"not put to the proof: nobody was shown a PO number of {OTHER_HOTEL}" not in unproved


async def test_a_view_that_forgets_whose_membership_it_is_is_named(market: TestMarket) -> None:
    connection = await asyncpg.connect(market.database.dsn(Role.migrator))
    await connection.execute(STAFF_OF_ALL)
    await connection.close()
    rounds = await look(market.market.gateway, market.database.dsn(Role.migrator), silent, under="/v1/stock")
    assert f"GET /v1/stock/{{sku_id}} by {STAFF} is answered 200 for what {OTHER_SELLER} has" in rounds.broken
    assert f"POST /v1/stock/batch by {STAFF} takes a sku of {OTHER_SELLER}" in rounds.broken
    assert "POST /v1/stock/batch by a stranger changed vendors.stock" in rounds.broken


async def test_a_caller_taken_for_another_is_named(market: TestMarket) -> None:
    door = Door(market.market.gateway)
    swapped = partial(Swapped, token=await sign_in(market.anonymous, BUYER))
    Fault("GET", "/v1/orders.*", swapped).plant(door)
    Fault("POST", "/v1/orders/.*", swapped).plant(door)
    rounds = await look(door, market.database.dsn(Role.migrator), silent, under="/v1/orders")
    for named in (
        f"GET /v1/orders/{{order_id}} by {OTHER_BUYER} is answered 200 for what {BUYER} has",
        f"GET /v1/orders tells {OTHER_BUYER} an order of {BUYER}",
        "GET /v1/orders is answered 200 to nobody",
        "POST /v1/orders/{order_id}/cancel by a stranger changed orders.orders",
    ):
        assert named in rounds.broken, (named, rounds.broken)


async def test_a_gateway_that_errs_about_routes_is_named(market: TestMarket) -> None:
    def telling(address: str, status: int, body: dict[str, Any]) -> dict[str, Any]:
        return body | {"code": "not_yours"} if status == 404 and sku in address else body

    door = Door(market.market.gateway)
    sku = await sku_of(market, SELLER)
    Fault("GET", "/v1/stock", partial(Swapped, token=await sign_in(market.anonymous, SELLER))).plant(door)
    Fault("GET", "/v1/stock/[^/]+", partial(Answering, change=telling)).plant(door)
    Fault("GET", "/v1/stock/.*/movements", partial(Shedding, every=1)).plant(door)
    Fault("GET", "/openapi.json", partial(Answering, change=wrong_document)).plant(door)
    rounds = await look(door, market.database.dsn(Role.migrator), silent, under="/v1/stock")
    movements = "GET /v1/stock/{sku_id}/movements"
    for named in (
        f"GET /v1/stock by {OTHER_SELLER} takes vendor of {SELLER}",
        f"GET /v1/stock/{{sku_id}} tells {OTHER_SELLER} by its answer that {SELLER} has it",
        f"{movements} by {SELLER} is answered 503",
        f"not put to the proof: nobody could {movements}",
        "GET /v1/stock/{sku_id}: the document is wrong about whether it asks who calls",
        "GET /v1/stock/{thing_id}: nobody owns a thing_id, so it was not put to the proof",
    ):
        assert named in rounds.broken, (named, rounds.broken)


async def test_a_refusal_that_tells_a_name_is_named(market: TestMarket) -> None:
    gateway = Talkative(market.market.gateway, SELLER)
    rounds = await look(gateway, market.database.dsn(Role.migrator), silent, owners=1, under="/v1/vendor-orders")
    told = f"GET /v1/vendor-orders/{{vendor_order_id}} tells {OTHER_SELLER} an e-mail address of {SELLER}"
    assert told in rounds.broken, rounds.broken


async def sku_of(market: TestMarket, email: str) -> str:
    """The sku that the proof takes for somebody's own: the first of his that can be ordered by the piece."""
    client = await market.client(email)
    return await first_sku(market.anonymous, await only(client, "vendors"))


def wrong_document(_address: str, _status: int, document: dict[str, Any]) -> dict[str, Any]:
    """A document that knows of a route that nobody can try, and does not say of one that it asks who calls."""
    paths = document["paths"]
    one = paths["/v1/stock/{sku_id}"]
    opened = {method: {**operation, "security": []} for method, operation in one.items()}
    return document | {"paths": {**paths, "/v1/stock/{sku_id}": opened, "/v1/stock/{thing_id}": {"get": one["get"]}}}
