"""Too much of everything at once: a flood of searches, and buyers who all wait for one locked row.

Nobody's patience ends here and every search is held until it is let go, so only places and lines decide what becomes of
each, and not how fast the machine is.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import islice
from uuid import uuid4

import pytest
from httpx import AsyncClient, Response
from starlette.types import Receive, Scope, Send

from demo.accounts import CONSUMER, PASSWORD, VENDOR
from demo.scenario import SHIP_TO
from gateway.admission import SHARES
from gateway.app import create_gateway
from gateway.routes import RouteClass
from gateway.upstreams import InProcess
from ishop.settings import Role
from tests.databases import Cluster, TestDatabase
from tests.markets import TestMarket, running_market

BUYERS, SEARCHES = 60, 600
LONG = 120.0
READS = ("/healthz", "/readyz", "/v1/products", "/v1/orders", "/v1/vendors", "/v1/me") * 5
SHARE = SHARES[RouteClass.SEARCH]
PLACES = SHARE.at_once + SHARE.line


class Held(InProcess):
    """A service in whose searches nothing moves until they are let go."""

    arrived = 0

    def __init__(self, service: InProcess) -> None:
        super().__init__(service.app)
        self.let_go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith("/v1/search/"):
            self.arrived += 1
            await self.let_go.wait()
        await super().__call__(scope, receive, send)


@pytest.fixture
async def patient(
    cluster: Cluster, market_template: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[TestMarket, Held]]:
    """A market in which nobody gives up waiting, and its catalog, whose searches are held."""
    shares = {kind: replace(share, patience=LONG, deadline=LONG) for kind, share in SHARES.items()}
    monkeypatch.setattr("gateway.admission.SHARES", shares)
    async with cluster.clone(market_template) as clone, AsyncExitStack() as clients:
        settings = clone.settings.model_copy(update={"request_seconds": LONG})
        async with running_market(TestDatabase(settings)) as running:
            upstreams = {name: InProcess(app) for name, app in running.market.services.items()}
            held = Held(upstreams["catalog"])
            gateway = create_gateway(running.market.services["identity"].state.runtime, {**upstreams, "catalog": held})
            yield TestMarket(replace(running.market, gateway=gateway), running.database, clients), held


async def read_all(client: AsyncClient) -> Sequence[Response]:
    """Many reads at once."""
    return await asyncio.gather(*(client.get(path) for path in READS))


async def sign_in(market: TestMarket) -> Response:
    """Somebody signs in."""
    form = {"grant_type": "password", "username": VENDOR, "password": PASSWORD}
    return await market.anonymous.post("/v1/auth/token", data=form)


async def test_reads_and_sign_in_go_on_while_writers_wait_and_searches_flood(
    patient: tuple[TestMarket, Held],
) -> None:
    market, held = patient
    consumer = await market.client(CONSUMER)
    products = (await market.anonymous.get("/v1/products", params={"in_stock": True})).json()["items"]
    sku = products[0]["skus"][0]
    body = {
        "lines": [{"sku_id": sku["id"], "quantity": max(sku["min_quantity"], sku["order_multiple"])}],
        "payment_method": "cod",
        "ship_to": SHIP_TO | {"postal_code": "83121"},
    }

    async def order() -> Response:
        return await consumer.post("/v1/orders", json=body, headers={"Idempotency-Key": str(uuid4())})

    async def search(number: int) -> Response:
        return await market.anonymous.get("/v1/search/products", params={"q": f"gula {number}"})

    holder = await market.connect(Role.vendors)
    async with holder.transaction():
        await holder.execute("SELECT FROM vendors.stock WHERE sku_id = $1 FOR UPDATE", sku["id"])
        orders = [asyncio.create_task(order()) for _ in range(BUYERS)]
        searches = [asyncio.create_task(search(number)) for number in range(SEARCHES)]
        # Whom no place in line is left for is told so at once, although nobody before him is answered.
        for refused in islice(asyncio.as_completed(searches), SEARCHES - PLACES):
            sent_away(await refused)
        assert {answer.status_code for answer in await read_all(consumer)} == {200}
        assert (await sign_in(market)).status_code == 200
        # All of that was answered before anybody got the row, and while no search moved.
        assert not any(one.done() and one.result().status_code == 201 for one in orders)
        assert held.arrived == SHARE.at_once
        assert sum(not one.done() for one in searches) == PLACES
    await holder.close()

    held.let_go.set()
    assert {answer.status_code for answer in await read_all(consumer)} == {200}
    # Reads did not stand in line behind searches that were there before them.
    assert not all(one.done() for one in searches)
    assert Counter([(await one).status_code for one in searches]) == {200: PLACES, 503: SEARCHES - PLACES}
    answers = [await one for one in orders]
    for answer in answers:
        if answer.status_code == 503:
            assert answer.headers["retry-after"] == "1"
    assert {answer.status_code for answer in answers} <= {201, 409, 503}
    ((kept,),) = await market.fetch("SELECT count(*) FROM orders.orders")
    assert kept == sum(answer.status_code == 201 for answer in answers)

    # Whoever was sent away comes back and is served.
    assert (await search(SEARCHES)).status_code == 200
    again = await order()
    assert (again.status_code, again.json().get("code")) in {(201, None), (409, "insufficient_stock")}
    assert await market.broken() == []


def sent_away(answer: Response) -> None:
    """Nothing was begun, and the caller is told when to come back."""
    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert answer.headers["retry-after"] == "1"
