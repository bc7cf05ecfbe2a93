"""What only bytes on a connection can say: requests smuggled behind others, paths around the route table.

Raw sockets, because every HTTP client would tidy the requests up. Covers API8:2023 security misconfiguration and
API9:2023 improper inventory management where they concern the door.
"""

import socket
from collections.abc import Iterator
from typing import Final

import pytest

from benchmarks.prove.scene import BUYER
from gateway.routes import ROUTES
from tests.attack.bodies import DOCUMENT
from tests.attack.scene import Scene
from tests.attack.served import served

HIDDEN: Final = b"GET /v1/me HTTP/1.1\r\nHost: market\r\n\r\n"

SMUGGLED: Final = {
    "length and chunks": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunks and length": b"Transfer-Encoding: chunked\r\nContent-Length: 60\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two lengths": b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + HIDDEN,
    "a length with a sign": b"Content-Length: +44\r\n\r\n" + HIDDEN,
    "a length in two parts": b"Content-Length: 0, 44\r\n\r\n" + HIDDEN,
    "a length below zero": b"Content-Length: -1\r\n\r\n" + HIDDEN,
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a coding twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a space before the colon": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a folded line": b"X-A: b\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a bare line feed": b"X-A: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a bare carriage return": b"X-A: b\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a chunk longer than it says": b"Transfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n" + HIDDEN,
    "a chunk of a huge size": b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nx\r\n0\r\n\r\n" + HIDDEN,
    "a NUL in a value": b"X-A: b\x00\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
}

PATHS: Final = [
    "/v1//me", "/v1/./me", "/v1/x/../me", "/v1/%6de", "/v1/me/", "/v1/me;x=1", "/v1/me%00", "/v1/me%20", "/V1/ME",
    "//v1/me", "/v1/me%2f", "/v1\\me", "/v1/me%3f", "/v1/me/..%2fme", "/v1/me%09",
]  # fmt: skip

INTERNAL: Final = [
    "/metrics", "/internal", "/internal/openapi.json", "/v1/internal/openapi.json", "/openapi/catalog.json",
    "/catalog", "/catalog/readyz", "/v1/catalog/healthz", "/debug", "/admin", "/.env", "/.git/config", "/docs/../.env",
    "/v1", "/v2/me", "/redoc", "/v1/openapi.json", "/server-status",
]  # fmt: skip


@pytest.fixture(scope="module")
def door(scene: Scene) -> Iterator[tuple[str, int]]:
    with served(scene.market.settings) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        yield host, int(port)


@pytest.fixture(scope="module")
def bearer(scene: Scene) -> bytes:
    return b"Authorization: " + scene.clients[BUYER].headers["authorization"].encode() + b"\r\n"


def exchange(door: tuple[str, int], sent: bytes) -> bytes:
    """Everything that comes back for `sent` until the server closes or falls silent."""
    received = b""
    with socket.create_connection(door, timeout=5) as connection:
        connection.sendall(sent)
        connection.settimeout(0.4)
        try:
            while part := connection.recv(65536):
                received += part
        except TimeoutError:
            pass
    return received


def statuses(received: bytes) -> list[int]:
    """The status of each answer in what came back."""
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


class TestSmuggling:
    @pytest.mark.parametrize("how", SMUGGLED)
    def test_nobody_is_answered_for_a_request_hidden_in_another(
        self, how: str, door: tuple[str, int], bearer: bytes
    ) -> None:
        """The hidden request has no token; were it answered with the outer one's, the answer would name the buyer."""
        sent = b"POST /v1/orders/preview HTTP/1.1\r\nHost: market\r\n" + bearer + SMUGGLED[how]
        received = exchange(door, sent)
        assert BUYER.encode() not in received
        first, *others = statuses(received)
        assert first in (400, 401, 411, 415, 422, 501)
        # A second answer is to a request of its own that came without a token, and never more than that.
        assert others in ([], [400], [401])

    @pytest.mark.parametrize("name", ["X-User-Id", "X-Principal", "X-Roles", "X-Forwarded-User", "X-Vendor-Id"])
    def test_no_field_says_who_calls(self, name: str, door: tuple[str, int]) -> None:
        sent = f"GET /v1/me HTTP/1.1\r\nHost: market\r\n{name}: {BUYER}\r\nConnection: close\r\n\r\n"
        assert statuses(exchange(door, sent.encode())) == [401]

    def test_a_field_that_connection_names_is_dropped_but_never_the_token(
        self, door: tuple[str, int], bearer: bytes
    ) -> None:
        """`Connection: Authorization` takes the token away (RFC 9110, 7.6.1): the caller is nobody then."""
        sent = b"GET /v1/me HTTP/1.1\r\nHost: market\r\n" + bearer + b"Connection: close, Authorization\r\n\r\n"
        assert statuses(exchange(door, sent)) in ([200], [401])


class TestPaths:
    @pytest.mark.parametrize("path", PATHS)
    def test_no_other_spelling_reaches_a_route(self, path: str, door: tuple[str, int], bearer: bytes) -> None:
        sent = f"GET {path} HTTP/1.1\r\nHost: market\r\n".encode() + bearer + b"Connection: close\r\n\r\n"
        received = exchange(door, sent)
        assert set(statuses(received)) <= {400, 404}
        assert BUYER.encode() not in received

    @pytest.mark.parametrize("path", INTERNAL)
    def test_nothing_is_there_but_what_the_document_names(
        self, path: str, door: tuple[str, int], bearer: bytes
    ) -> None:
        sent = f"GET {path} HTTP/1.1\r\nHost: market\r\n".encode() + bearer + b"Connection: close\r\n\r\n"
        assert statuses(exchange(door, sent)) == [404]

    @pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "DEBUG", "PUT", "OPTIONS"])
    def test_no_other_method_is_there(self, method: str, door: tuple[str, int]) -> None:
        target = "market:443" if method == "CONNECT" else "/v1/me"
        sent = f"{method} {target} HTTP/1.1\r\nHost: market\r\nConnection: close\r\n\r\n"
        assert set(statuses(exchange(door, sent.encode()))) <= {400, 404, 405}

    def test_the_route_table_is_the_document(self) -> None:
        documented = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}
        assert documented == {(route.method, route.path) for route in ROUTES}


class TestErrors:
    def test_no_answer_shows_how_it_is_made(self, door: tuple[str, int]) -> None:
        for sent in (b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /v1/orders/' HTTP/1.1\r\nHost: m\r\n\r\n"):
            received = exchange(door, sent).lower()
            for word in (b"traceback", b"python", b"uvicorn", b"sqlalchemy", b"postgres", b"starlette", b'file "'):
                assert word not in received
