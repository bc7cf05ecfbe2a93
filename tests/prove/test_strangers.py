"""The proof that nobody reads or changes what is not theirs: it holds, and names each bug that is planted."""

import asyncpg
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from benchmarks.prove.cast import OTHER_BUYER, STAFF
from benchmarks.prove.scene import BUYER, OTHER_SELLER, SELLER
from benchmarks.prove.strangers import look
from ishop.auth import Principal, Signer
from ishop.settings import Role
from tests.markets import TestMarket

STAFF_OF_ALL = """
CREATE OR REPLACE VIEW vendors.memberships_v1 AS
    SELECT m.user_id, v.id AS vendor_id, v.name AS vendor_name, m.role
    FROM vendors.vendor_members m JOIN vendors.vendors v ON v.id = m.vendor_id OR m.role = 'staff'
"""
USER = "SELECT id FROM identity.users WHERE email = $1"


def silent(_: str) -> None:
    """Say nothing."""


class Swapped:
    """A gateway that takes some requests for those of another."""

    def __init__(self, gateway: ASGIApp, method: str, path: str, token: str) -> None:
        self.gateway, self.method, self.path, self.token = gateway, method, path, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        if b"authorization" in headers and scope["method"] == self.method and scope["path"].startswith(self.path):
            headers[b"authorization"] = f"Bearer {self.token}".encode()
            scope = {**scope, "headers": list(headers.items())}
        await self.gateway(scope, receive, send)


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


async def test_a_view_that_forgets_whose_membership_it_is_is_named(market: TestMarket) -> None:
    connection = await asyncpg.connect(market.database.dsn(Role.migrator))
    await connection.execute(STAFF_OF_ALL)
    await connection.close()
    rounds = await look(market.market.gateway, market.database.dsn(Role.migrator), silent, under="/v1/stock")
    assert f"GET /v1/stock/{{sku_id}} by {STAFF} is answered 200 for what {OTHER_SELLER} has" in rounds.broken
    assert f"POST /v1/stock/batch by {STAFF} takes a sku of {OTHER_SELLER}" in rounds.broken
    assert "POST /v1/stock/batch by a stranger changed vendors.stock" in rounds.broken


@pytest.mark.parametrize(
    ("method", "path", "named"),
    [
        ("GET", "/v1/orders/", f"GET /v1/orders/{{order_id}} by {OTHER_BUYER} is answered 200 for what {BUYER} has"),
        ("GET", "/v1/orders", f"GET /v1/orders tells {OTHER_BUYER} an order of {BUYER}"),
        ("POST", "/v1/orders/", "POST /v1/orders/{order_id}/cancel by a stranger changed orders.orders"),
    ],
    ids=["read", "listed", "cancelled"],
)
async def test_a_caller_taken_for_another_is_named(market: TestMarket, method: str, path: str, named: str) -> None:
    ((user,),) = await market.fetch(USER, BUYER)
    token = Signer.from_settings(market.settings).sign(Principal(user, confirmed=True))
    gateway = Swapped(market.market.gateway, method, path, token)
    rounds = await look(gateway, market.database.dsn(Role.migrator), silent, under="/v1/orders")
    assert named in rounds.broken, rounds.broken


async def test_a_refusal_that_tells_a_name_is_named(market: TestMarket) -> None:
    gateway = Talkative(market.market.gateway, SELLER)
    rounds = await look(gateway, market.database.dsn(Role.migrator), silent, owners=1, under="/v1/vendor-orders")
    told = f"GET /v1/vendor-orders/{{vendor_order_id}} tells {OTHER_SELLER} an e-mail address of {SELLER}"
    assert told in rounds.broken, rounds.broken
