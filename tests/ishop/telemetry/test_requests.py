"""Figures of requests: that they move as they should, and that no caller can make new ones."""

import asyncio
import random
import string
from uuid import uuid4

import pytest
from httpx import ASGITransport, AsyncClient

from ishop.market import SERVICES, service_modules
from ishop.processes import Measured
from ishop.service import Runtime, close_service
from ishop.settings import Settings
from tests.databases import Cluster, TestDatabase
from tests.gateway import probes
from tests.gateway.doors import open_door
from tests.ishop.telemetry.figures import series, value
from tests.markets import TestMarket

ONE_OF_EACH = {
    "catalog": "/v1/products/{id_or_slug}",
    "vendors": "/v1/vendors/{vendor}",
    "orders": "/v1/orders/{order_id}",
}


def requests(service: str, method: str, route: str, status: str) -> float:
    return value("ishop_request_seconds_count", service=service, method=method, route=route, status=status)


class TestRequests:
    async def test_counted_by_service_method_template_and_class(self, shared_market: TestMarket) -> None:
        ask = shared_market.anonymous
        found = requests("catalog", "GET", "/v1/products/{id_or_slug}", "4xx")
        listed = requests("catalog", "GET", "/v1/products", "2xx")
        refused = requests("orders", "POST", "/v1/orders", "4xx")
        page = requests("gateway", "GET", "/docs", "2xx")
        await ask.get(f"/v1/products/{uuid4()}")
        await ask.get("/v1/products/no-such-slug")
        await ask.get("/v1/products?limit=2")
        await ask.post("/v1/orders", json={})
        await ask.get("/docs")
        assert requests("catalog", "GET", "/v1/products/{id_or_slug}", "4xx") == found + 2
        assert requests("catalog", "GET", "/v1/products", "2xx") == listed + 1
        assert requests("orders", "POST", "/v1/orders", "4xx") == refused + 1
        assert requests("gateway", "GET", "/docs", "2xx") == page + 1

    async def test_seconds_are_added_up(self, shared_market: TestMarket) -> None:
        labels = {"service": "catalog", "method": "GET", "route": "/v1/categories", "status": "2xx"}
        before = value("ishop_request_seconds_sum", **labels)
        await shared_market.anonymous.get("/v1/categories")
        assert value("ishop_request_seconds_sum", **labels) > before
        assert value("ishop_request_seconds_bucket", le="+Inf", **labels) == value(
            "ishop_request_seconds_count", **labels
        )

    async def test_paths_and_methods_of_the_callers_make_no_series(self, shared_market: TestMarket) -> None:
        chance = random.Random(11)  # noqa: S311 - the same paths in every run.

        def word() -> str:
            return "".join(chance.choices(string.ascii_letters + string.digits, k=12))

        async def knock() -> None:
            await shared_market.anonymous.request(word().upper(), f"/{word()}/{word()}")
            await shared_market.anonymous.request(word().upper(), f"/v1/products/{word()}")
            await shared_market.anonymous.get(f"/v1/products/{word()}?{word()}={word()}", headers={word(): word()})
            await shared_market.anonymous.get(f"/v1/products/{word()}")
            await shared_market.anonymous.post(f"/v1/orders/{uuid4()}/cancel")

        await knock()
        before = series()
        unmatched = requests("gateway", "other", "unmatched", "4xx")
        for _ in range(50):
            await knock()
        assert series() == before
        assert requests("gateway", "other", "unmatched", "4xx") >= unmatched + 50

    async def test_health_is_not_counted(self, shared_market: TestMarket) -> None:
        before = series()
        await shared_market.anonymous.get("/healthz")
        assert not {labels for _, labels in series() - before if ("route", "/healthz") in labels}

    async def test_in_flight_rises_and_falls(self, market: TestMarket) -> None:
        client = await market.client("consumer@demo.test")
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(client.get("/v1/orders")) for _ in range(8)]
            highest = 0.0
            while not all(task.done() for task in asked):
                highest = max(highest, value("ishop_requests_in_flight", service="orders"))
                await asyncio.sleep(0)
        assert highest >= 2
        assert value("ishop_requests_in_flight", service="orders") == 0


class TestServiceAlone:
    @pytest.mark.parametrize("name", list(SERVICES))
    async def test_counts_its_own_requests_by_template(self, database: TestDatabase, name: str) -> None:
        path = ONE_OF_EACH[name]
        service = service_modules()[name].create_app(Runtime.of(database.settings))
        labels = {"service": name, "method": "GET", "route": path, "status": "4xx"}
        nowhere = {"service": name, "method": "GET", "route": "unmatched", "status": "4xx"}
        before = value("ishop_service_request_seconds_count", **labels)
        lost = value("ishop_service_request_seconds_count", **nowhere)
        try:
            async with AsyncClient(transport=ASGITransport(Measured(service, name)), base_url="http://s.test") as ask:
                await ask.get(path.partition("{")[0] + str(uuid4()))
                await ask.get(f"/{uuid4()}")
        finally:
            await close_service(service)
        assert value("ishop_service_request_seconds_count", **labels) == before + 1
        assert value("ishop_service_request_seconds_count", **nowhere) == lost + 1


class TestRefusals:
    async def test_rate_and_body(self, cluster: Cluster) -> None:
        limited: Settings = cluster.settings.model_copy(update={"rate_limits": True})
        before = value("ishop_requests_refused_total", service=probes.PROBE, status="429")
        async with open_door(limited, probes.ROUTES, {probes.PROBE: probes.create_probe}) as door:
            answers = [(await door.client.get("/v1/seen")).status_code for _ in range(1210)]
        assert answers.count(429) == 10
        assert value("ishop_requests_refused_total", service=probes.PROBE, status="429") == before + 10

    async def test_body(self, shared_market: TestMarket) -> None:
        before = value("ishop_requests_refused_total", service="orders", status="413")
        client = await shared_market.client("consumer@demo.test")
        answer = await client.post("/v1/orders", content=b" " * 300_000)
        assert answer.status_code == 413
        assert value("ishop_requests_refused_total", service="orders", status="413") == before + 1


class TestIdentity:
    async def test_a_wrong_password_is_counted_and_a_right_one_is_not(self, shared_market: TestMarket) -> None:
        async def sign_in(password: str) -> int:
            form = {"grant_type": "password", "username": "consumer@demo.test", "password": password}
            return (await shared_market.anonymous.post("/v1/auth/token", data=form)).status_code

        before = value("ishop_sign_in_failures_total", route="/v1/auth/token")
        assert [await sign_in("wrong-password"), await sign_in("ishop-demo")] == [401, 200]
        assert value("ishop_sign_in_failures_total", route="/v1/auth/token") == before + 1


class TestIdempotency:
    async def test_replays_and_reuses_are_counted(self, market: TestMarket) -> None:
        client = await market.client("consumer@demo.test")
        hit = (await client.get("/v1/search/products?q=gula&in_stock=true")).json()["hits"][0]["skus"][0]
        order = {
            "lines": [{"sku_id": hit["id"], "quantity": hit["min_quantity"]}],
            "payment_method": "cod",
            "ship_to": {
                "name": "Siti",
                "phone": "081234567890",
                "address": "Jl. Pejanggik 1",
                "region_code": "52.71",
                "postal_code": "83121",
            },
        }
        replayed = value("ishop_idempotency_total", service="orders", outcome="replayed")
        reused = value("ishop_idempotency_total", service="orders", outcome="reused")
        key = {"Idempotency-Key": str(uuid4())}
        statuses = [(await client.post("/v1/orders", json=order, headers=key)).status_code for _ in range(3)]
        other = await client.post("/v1/orders", json={**order, "payment_method": "manual_transfer"}, headers=key)
        assert (statuses, other.status_code) == ([201, 201, 201], 422)
        assert value("ishop_idempotency_total", service="orders", outcome="replayed") == replayed + 2
        assert value("ishop_idempotency_total", service="orders", outcome="reused") == reused + 1
