"""Browsers: whose pages may call, what a page of theirs sees, and HTTPS."""

from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from ishop.settings import Environment, Settings
from tests.databases import Cluster
from tests.gateway import probes
from tests.gateway.doors import Door, open_door
from tests.gateway.test_app import problem

SHOP = "https://shop.example"
ASKS = {"Origin": SHOP, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


@pytest.fixture
async def open_to_shop(cluster: Cluster) -> AsyncIterator[Door]:
    settings = cluster.settings.model_copy(update={"cors_origins": (SHOP, "http://localhost:5173")})
    async with open_door(settings, probes.ROUTES, {probes.PROBE: probes.create_probe}) as opened:
        yield opened


class TestCors:
    async def test_a_page_of_the_shop_may_call_and_see(self, open_to_shop: Door) -> None:
        for path, status in (("/v1/seen", 200), ("/v1/mine", 401), ("/nowhere", 404), ("/v1/bug", 500)):
            answer = await open_to_shop.client.get(path, headers={"Origin": SHOP})
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == SHOP
            assert answer.headers["vary"] == "Origin"
            exposed = answer.headers["access-control-expose-headers"].split(", ")
            assert {"ETag", "Location", "RateLimit", "RateLimit-Policy", "Idempotency-Replayed", "X-Request-Id"} <= {
                *exposed
            }
            assert "access-control-allow-credentials" not in answer.headers

    async def test_the_browser_is_told_before_it_calls(self, open_to_shop: Door) -> None:
        answer = await open_to_shop.client.options("/v1/things", headers=ASKS)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert answer.headers["access-control-allow-methods"] == "POST"
        assert "Authorization" in answer.headers["access-control-allow-headers"]
        assert answer.headers["access-control-max-age"] == "7200"
        problem(await open_to_shop.client.options("/nowhere", headers=ASKS), 404, "not_found")

    @pytest.mark.parametrize(
        "origin", ["https://evil.example", "https://shop.example.evil.example", "http://shop.example", "null", "*"]
    )
    async def test_others_may_not(self, open_to_shop: Door, origin: str) -> None:
        asked = await open_to_shop.client.options("/v1/things", headers={**ASKS, "Origin": origin})
        problem(asked, 405, "method_not_allowed")
        answer = await open_to_shop.client.get("/v1/seen", headers={"Origin": origin})
        for headers in (asked.headers, answer.headers):
            assert "access-control-allow-origin" not in headers
            assert headers["vary"] == "Origin"

    async def test_nobody_may_by_default(self, door: Door) -> None:
        problem(await door.client.options("/v1/things", headers=ASKS), 405, "method_not_allowed")
        answer = await door.client.get("/v1/seen", headers={"Origin": SHOP})
        assert not [name for name in answer.headers if name.startswith("access-control") or name == "vary"]

    @pytest.mark.parametrize("text", ["*", "https://*.example", "https://shop.example/", "shop.example", "null"])
    def test_refused_when_it_is_no_origin(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ISHOP_CORS_ORIGINS", f"https://fine.example, {text}")
        with pytest.raises(ValidationError):
            Settings(_env_file=None)


class TestHttps:
    async def ask(self, cluster: Cluster, https: str | None, proto: str, method: str, path: str) -> tuple[int, str]:
        update = {"https": https, "trusted_proxies": (ip_network("127.0.0.1"),), "env": Environment.production}
        settings = cluster.settings.model_copy(update=update)
        async with open_door(settings, probes.ROUTES, {probes.PROBE: probes.create_probe}) as door:
            answer = await door.client.request(method, path, headers={"X-Forwarded-Proto": proto})
            told = "strict-transport-security" in answer.headers
            assert told is (https != "off")
            return answer.status_code, answer.headers.get("location", "")

    async def test_reads_are_led_to_https_and_writes_refused(self, cluster: Cluster) -> None:
        assert await self.ask(cluster, "redirect", "http", "GET", "/v1/seen?a=b") == (
            308,
            "https://market.test/v1/seen?a=b",
        )
        assert await self.ask(cluster, "redirect", "http", "POST", "/v1/uploads") == (400, "")
        assert await self.ask(cluster, "redirect", "http", "GET", "/healthz") == (200, "")
        assert await self.ask(cluster, "redirect", "https", "GET", "/v1/seen") == (200, "")

    async def test_only_told_by_default(self, cluster: Cluster) -> None:
        assert await self.ask(cluster, None, "http", "GET", "/v1/seen") == (200, "")
        assert await self.ask(cluster, "off", "http", "GET", "/v1/seen") == (200, "")
