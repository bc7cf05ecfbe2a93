"""The route table: it names what the services have, and finds only what is written exactly so."""

import pytest
from fastapi.routing import iter_route_contexts
from starlette.types import Message

from gateway.routes import ROUTES, Route, RouteTable
from ishop.errors import MethodNotAllowed, NotFound
from ishop.market import assemble
from ishop.service import DOCUMENT_PATH
from tests.databases import Cluster
from tests.gateway.doors import Door

TABLE = RouteTable(
    [
        Route("GET", "/v1/orders", "orders"),
        Route("POST", "/v1/orders", "orders"),
        Route("POST", "/v1/orders/preview", "orders"),
        Route("GET", "/v1/orders/{order_id}", "orders"),
        Route("POST", "/v1/orders/{order_id}/cancel", "orders"),
    ]
)

TRICKS = [
    "//v1/seen/a",
    "/v1//seen/a",
    "/v1/seen//a",
    "/v1/seen/a/",
    "/v1/seen/",
    "/v1/seen/a//parts/b",
    "/v1/./seen/a",
    "/v1/../v1/seen/a",
    "/v1/x/%2e%2e/seen/a",
    "/v1/seen/%2e",
    "/v1/seen%2fa",
    "/v1/seen%2Fa",
    "/v1/seen/a%2fparts%2fb",
    "/v1/seen/%61",
    "/%761/seen/a",
    "/v1/seen/a;role=admin",
    "/v1;x=1/seen/a",
    "/V1/seen/a",
    "/v1/Seen/a",
    "/v1/seen/a%20",
    "/v1/seen/a%0a",
    "/v1/seen/a%5cb",
    "/v1\\seen\\a",
    "/v1/seen/a%ff",
    "/v1/seen/gula%C3%A9",
    "/v1/seen/" + "a" * 129,
    "/v1/seen/a.json",
    "/healthz/",
    "/HEALTHZ",
    "/docs/",
    "/docs/../healthz",
    "/docs/%2e%2e/healthz",
    "/.well-known/jwks.json/",
]


class TestFind:
    def test_variable_when_no_fixed_segment_fits(self) -> None:
        assert TABLE.find("GET", "/v1/orders/0198c5b7").path == "/v1/orders/{order_id}"
        assert TABLE.find("POST", "/v1/orders/0198c5b7/cancel").path == "/v1/orders/{order_id}/cancel"

    def test_fixed_when_both_fit(self) -> None:
        assert TABLE.find("POST", "/v1/orders/preview").path == "/v1/orders/preview"
        with pytest.raises(MethodNotAllowed) as refused:
            TABLE.find("GET", "/v1/orders/preview")
        assert refused.value.headers == {"Allow": "POST"}

    def test_get_when_head_is_asked(self) -> None:
        assert TABLE.find("HEAD", "/v1/orders").method == "GET"

    @pytest.mark.parametrize("path", ["/", "", "/v1", "/v1/order", "/v1/orders/a/b", "/v1/orders/a/cancel/b", "*"])
    def test_not_found_when_nothing_is_there(self, path: str) -> None:
        with pytest.raises(NotFound):
            TABLE.find("GET", path)

    @pytest.mark.parametrize("method", ["PATCH", "OPTIONS", "TRACE", "CONNECT", "get", ""])
    def test_refused_when_the_method_is_not_there(self, method: str) -> None:
        with pytest.raises(MethodNotAllowed) as refused:
            TABLE.find(method, "/v1/orders")
        assert refused.value.headers == {"Allow": "GET, HEAD, POST"}

    def test_table_is_refused_when_a_route_is_there_twice(self) -> None:
        route = Route("GET", "/v1/orders", "orders")
        with pytest.raises(ValueError, match="GET /v1/orders is in the route table twice"):
            RouteTable([route, route])


class TestTricks:
    @pytest.mark.parametrize("path", TRICKS)
    async def test_not_found_when_the_path_is_not_written_exactly_so(self, door: Door, path: str) -> None:
        status = 0

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]

        # Straight into the application: a client library would tidy the path up first.
        raw, _, _ = path.partition("?")
        scope = {
            "type": "http",
            "method": "GET",
            "path": raw,
            "raw_path": raw.encode("latin-1"),
            "query_string": b"",
            "headers": [],
            "client": ("127.0.0.1", 1),
        }
        await door.gateway(scope, receive, send)
        assert status == 404


def test_table_equals_what_the_services_have(cluster: Cluster) -> None:
    market = assemble(cluster.settings)
    offered = {
        (method, route.path_format, name)
        for name, app in market.services.items()
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
        if route.path_format not in {"/healthz", "/readyz", DOCUMENT_PATH}
    }
    assert {(route.method, route.path, route.upstream) for route in ROUTES} == offered
