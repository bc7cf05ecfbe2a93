"""Every public route of the market: what caches may keep of it, that it is the same for all, and when a sale shows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx
import pytest
from httpx import ASGITransport, AsyncClient

from gateway.answers import LIFE_SECONDS
from gateway.app import Gateway, InProcess
from gateway.public_cache import PublicCache
from gateway.routes import ROUTES, Route
from tests.gateway.shelves import MIB, Clock
from tests.markets import BASE_URL, TestMarket

PUBLIC = [route for route in ROUTES if route.public]
NOT_PUBLIC = [route for route in ROUTES if route.method == "GET" and not route.public]
OF_THE_CALL = {"x-request-id"}


def path_of(route: Route) -> str:
    """What a test of one route is called by."""
    return route.path


@asynccontextmanager
async def remembering(market: TestMarket, clock: Clock) -> AsyncIterator[AsyncClient]:
    """A client of the same services through a gateway that remembers."""
    services = market.market.services
    upstreams = {name: InProcess(app) for name, app in services.items()}
    cache = PublicCache(MIB, clock)
    gateway = Gateway(services["identity"].state.runtime, upstreams, cache=cache)
    async with AsyncClient(transport=ASGITransport(gateway), base_url=BASE_URL) as client:
        yield client
    await cache.close()


async def address_of(market: TestMarket, route: Route) -> str:
    """An address that this route answers; a search says what for."""
    if "{" not in route.path:
        return f"{route.path}?q=gula" if "/search/" in route.path else route.path
    collection = route.path.rpartition("/")[0]
    items = (await market.anonymous.get(collection)).json()["items"]
    return f"{collection}/{items[0]['slug']}"


def told(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], object]:
    """All of an answer but what belongs to the one call; a search also says how long it took."""
    fields = sorted((name, value) for name, value in answer.headers.multi_items() if name not in OF_THE_CALL)
    body = answer.json() if answer.content else None
    if isinstance(body, dict) and body.pop("took_ms", None) is not None:
        fields = [field for field in fields if field[0] != "content-length"]
    return answer.status_code, fields, body


@pytest.mark.parametrize("route", PUBLIC, ids=path_of)
class TestPublicRoutes:
    async def test_may_be_kept_and_is_304_for_who_has_it(self, shared_market: TestMarket, route: Route) -> None:
        address = await address_of(shared_market, route)
        for language in ("id", "en"):
            headers = {"Accept-Language": language}
            answer = await shared_market.anonymous.get(address, headers=headers)
            assert answer.status_code == 200
            control, _, seconds = answer.headers["cache-control"].partition("max-age=")
            assert control == "public, "
            assert int(seconds) >= 1
            assert answer.headers["vary"] == "Accept-Language"
            assert answer.headers["content-language"] == language
            tag = answer.headers["etag"]
            again = await shared_market.anonymous.get(address, headers={**headers, "If-None-Match": tag})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
            head = await shared_market.anonymous.head(address, headers=headers)
            assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", tag)

    async def test_is_the_same_for_all_whether_the_gateway_remembers_or_not(
        self, shared_market: TestMarket, route: Route
    ) -> None:
        address = await address_of(shared_market, route)
        expected = told(await shared_market.anonymous.get(address))
        callers = [await shared_market.client(f"{who}@demo.test") for who in ("consumer", "vendor", "hotel", "office")]
        async with remembering(shared_market, Clock()) as client:
            for caller in callers:
                assert told(await caller.get(address)) == expected
                assert told(await client.get(address, headers=caller.headers)) == expected

    async def test_is_asked_for_once_when_many_come(self, shared_market: TestMarket, route: Route) -> None:
        address = await address_of(shared_market, route)
        await shared_market.anonymous.get(address)  # What is read once for the life of a process is read now.
        with shared_market.count_queries() as once:
            await shared_market.anonymous.get(address)
        async with remembering(shared_market, Clock()) as client:
            with shared_market.count_queries() as statements:
                answers = await asyncio.gather(*(client.get(address) for _ in range(50)))
        assert {answer.status_code for answer in answers} == {200}
        assert statements == once


@pytest.mark.parametrize("route", NOT_PUBLIC, ids=path_of)
async def test_no_other_route_answers_what_may_be_kept(shared_market: TestMarket, route: Route) -> None:
    path = "/".join(str(uuid4()) if part.startswith("{") else part for part in route.path.split("/"))
    for client in (shared_market.anonymous, await shared_market.client("office@demo.test")):
        assert (await client.get(path)).headers["cache-control"] == "no-store"


async def test_a_sale_is_seen_once_the_life_of_what_was_kept_is_over(market: TestMarket) -> None:
    buyer, clock = await market.client("consumer@demo.test"), Clock()
    found = (await market.anonymous.get("/v1/products?in_stock=true&limit=100")).json()["items"]
    sku = next(one["skus"][0] for one in found if one["skus"][0]["in_stock"] and one["skus"][0]["min_quantity"] == 1)
    page = next(f"/v1/products/{one['slug']}" for one in found if one["skus"][0] == sku)
    order = {
        "lines": [{"sku_id": sku["id"], "quantity": sku["order_multiple"]}],
        "payment_method": "cod",
        "ship_to": {
            "name": "Siti",
            "phone": "081234567890",
            "address": "Jl. Pejanggik 1",
            "region_code": "52.71",
            "postal_code": "83121",
        },
    }

    async def available(client: AsyncClient) -> int:
        skus = (await client.get(page)).json()["skus"]
        return int(next(one["available"] for one in skus if one["id"] == sku["id"]))

    async with remembering(market, clock) as client:
        before = await available(client)
        placed = await buyer.post("/v1/orders", json=order, headers={"Idempotency-Key": uuid4().hex})
        assert placed.status_code == 201, placed.text
        left = before - sku["order_multiple"]
        assert (await available(client), await available(market.anonymous)) == (before, left)
        clock.now += LIFE_SECONDS
        assert await available(client) == left
