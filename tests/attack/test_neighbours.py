"""API7:2023 server side request forgery and API10:2023 unsafe consumption of APIs: what is beside the market.

The one system whose answers are read here is Meilisearch. A hostile or broken one never breaks a search: PostgreSQL
answers instead, no redirect is followed, and nothing waits for ever.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from pydantic import SecretStr

from tests.attack.bodies import DOCUMENT, resolved
from tests.databases import TestDatabase
from tests.markets import TestMarket, running_market

HOSTILE: Final = {
    "no JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "a page": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
    "null": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull",
    "a list": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    "no hits": b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"facetsByIndex":{}}',
    "hits of numbers": b'HTTP/1.1 200 OK\r\nContent-Length: 46\r\n\r\n{"facetsByIndex":{},"hits":[1],"totalHits":"x"}',
    "a redirect": b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:%d/stolen\r\nContent-Length: 0\r\n\r\n",
    "an error": b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "nothing": b"",
    "half an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{",
}


@asynccontextmanager
async def hostile_engine(says: bytes, *, dribbles: bool = False) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server on the loopback that answers every request so; the port, and what was asked."""
    asked: list[bytes] = []
    port = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n")).strip())
        writer.write(says.replace(b"%d", str(port).encode()))
        while dribbles and not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.2)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield port, asked


async def searched(database: TestDatabase, port: int) -> dict[str, Any]:
    """What a search answers on a market whose engine is at `port`."""
    settings = database.settings.model_copy(
        update={"meili_url": f"http://127.0.0.1:{port}", "meili_key": SecretStr("the-key-of-the-engine")}
    )
    async with running_market(TestDatabase(settings)) as market:
        answer = await market.anonymous.get("/v1/search/products", params={"q": "gula aren", "facets": "category"})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.mark.parametrize("how", HOSTILE)
async def test_a_hostile_engine_breaks_no_search(how: str, shared_market: TestMarket) -> None:
    async with hostile_engine(HOSTILE[how]) as (port, asked):
        found = await searched(shared_market.database, port)
    assert found["engine"] == "postgres"
    assert found["total"] > 0
    assert len(asked) == 1
    assert asked[0].startswith(b"POST /multi-search ")


async def test_an_engine_that_never_ends_its_answer_is_left(shared_market: TestMarket) -> None:
    says = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
    async with hostile_engine(says, dribbles=True) as (port, _):
        found = await searched(shared_market.database, port)
    assert found["engine"] == "postgres"


async def test_a_request_for_another_host_reaches_this_one_only(shared_market: TestMarket) -> None:
    """The address in the request line or in Host is never where anything is fetched from."""
    async with hostile_engine(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as (port, asked):
        for headers in ({"Host": f"127.0.0.1:{port}"}, {"X-Forwarded-Host": f"127.0.0.1:{port}"}):
            answer = await shared_market.anonymous.get("/v1/regions", headers=headers)
            assert answer.status_code == 200
    assert asked == []


def test_nobody_can_name_an_address_for_the_market_to_fetch() -> None:
    """No parameter and no property of a body is a URL. Who adds one (webhooks) guards it, and says so here."""
    suspicious = [
        f"{method} {path} {name}"
        for path, operations in DOCUMENT["paths"].items()
        for method, operation in operations.items()
        for name in [*(p.get("name", "") for p in operation.get("parameters", ())), *properties_of(operation)]
        if any(word in name.lower() for word in ("url", "uri", "callback", "webhook", "host", "endpoint", "link"))
    ]
    assert suspicious == []


def properties_of(operation: dict[str, Any]) -> Iterator[str]:
    """The names of all properties that the bodies of an operation may have."""
    for media in operation.get("requestBody", {}).get("content", {}).values():
        yield from names_in(media.get("schema", {}), 0)


def names_in(schema: dict[str, Any], depth: int) -> Iterator[str]:
    if depth > 8:
        return
    schema = resolved(schema) if "$ref" in schema else schema
    for name, inner in schema.get("properties", {}).items():
        yield name
        yield from names_in(inner, depth + 1)
    for option in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from names_in(option, depth + 1)
    if "items" in schema:
        yield from names_in(schema["items"], depth + 1)
