"""API4:2023 unrestricted resource consumption and API6:2023 unrestricted access to sensitive business flows."""

import asyncio
import json
import re
import tracemalloc
from typing import Any, Final
from uuid import uuid4

import pytest

from benchmarks.prove.scene import BUYER, HOTEL, OFFICE, SELLER
from gateway.routes import ROUTES
from ishop.pagination import MAX_LIMIT
from tests.attack.bodies import DOCUMENT, json_operations
from tests.attack.scene import Scene

LISTS: Final = [
    path
    for path, operations in DOCUMENT["paths"].items()
    if any(parameter.get("name") == "limit" for parameter in operations.get("get", {}).get("parameters", ()))
]
BODIES: Final = [(method, path) for method, path, _ in json_operations()]
BOUNDED: Final = frozenset({"maxItems", "maxLength", "maximum", "enum", "const", "format", "pattern"})


def in_scene(path: str, scene: Scene) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: next(iter(scene.objects[found[1]].values())), path)


class TestBounds:
    @pytest.mark.parametrize("path", LISTS)
    async def test_no_list_gives_more_than_a_page(self, path: str, scene: Scene) -> None:
        for limit in (MAX_LIMIT + 1, 10**9, -1, 0):
            for who in (SELLER, HOTEL, OFFICE):
                answer = await scene.clients[who].get(in_scene(path, scene), params={"limit": limit})
                assert answer.status_code in (403, 404, 422), answer.text
                if answer.status_code == 422:
                    break
            else:
                pytest.fail("Nobody was told that the limit is out of range.")

    async def test_search_does_not_page_without_end(self, scene: Scene) -> None:
        for params in ({"page": 10**6, "per_page": 100}, {"page": 1, "per_page": 1001}, {"page": -1}):
            answer = await scene.clients[BUYER].get("/v1/search/products", params={"q": "gula", **params})
            assert answer.status_code == 422, answer.text

    def test_every_text_and_list_that_is_sent_has_an_end(self) -> None:
        """In every schema of every body: a text has a maxLength, a list maxItems; else one field fills the memory."""
        endless = [
            f"{method} {path} {place}" for method, path, schema in json_operations() for place in endless_in(schema, "")
        ]
        assert endless == []


class TestBombs:
    @pytest.mark.parametrize(("method", "path"), BODIES)
    async def test_depth_and_breadth_are_refused_as_a_problem(self, method: str, path: str, scene: Scene) -> None:
        bombs: list[bytes] = [
            b"[" * 20_000 + b"]" * 20_000,
            b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
            json.dumps({f"field_{number}": number for number in range(5_000)}).encode(),
            b'{"quantity": ' + b"9" * 5_000 + b"}",
            b'{"a": 1e999999}',
            b'{"a": NaN}',
            b'{"a": "' + b"\\ud800" * 50 + b'"}',
            b"\xff\xfe{\x00}\x00",
            b'{"a": 1, "a": 2',
        ]
        for bomb in bombs:
            answer = await scene.clients[SELLER].request(
                method,
                in_scene(path, scene),
                content=bomb,
                headers={"Content-Type": "application/json", "Idempotency-Key": str(uuid4())},
            )
            assert answer.status_code in (400, 403, 404, 413, 415, 422), (bomb[:20], answer.status_code, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            assert len(answer.content) < 64 * 1024

    async def test_a_body_over_its_limit_is_refused_before_it_is_in_memory(self, scene: Scene) -> None:
        """Twenty-four routes' largest bodies at once, a hundred times over: the process does not grow with them."""
        sent = 0

        async def endless() -> Any:
            nonlocal sent
            for _ in range(1000):
                sent += 1
                yield b" " * 64 * 1024

        tracemalloc.start()
        try:
            for route in ROUTES:
                if route.method != "POST":
                    continue
                sent = 0
                answer = await scene.clients[SELLER].post(
                    in_scene(route.path, scene),
                    content=endless(),
                    headers={"Content-Type": "application/json", "Idempotency-Key": str(uuid4())},
                )
                assert answer.status_code in (400, 403, 404, 413, 415, 422), answer.text
                assert sent * 64 * 1024 <= route.body_limit + 2 * 64 * 1024, route.path
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 64 * 1024 * 1024


class TestFlows:
    async def test_nobody_reserves_the_market_by_asking_many_times_at_once(self, scene: Scene) -> None:
        """Twenty orders of one buyer with one key, in parallel, hold the goods of one order."""
        before = (await scene.clients[SELLER].get(f"/v1/stock/{scene.objects['sku_id'][SELLER]}")).json()["reserved"]
        order = {**scene.order(), "lines": [{"sku_id": scene.objects["sku_id"][SELLER], "quantity": 1}]}
        answers = await asyncio.gather(
            *(
                scene.clients[BUYER].post("/v1/orders", json=order, headers={"Idempotency-Key": "once"})
                for _ in range(20)
            )
        )
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["id"] for answer in answers}) == 1
        after = (await scene.clients[SELLER].get(f"/v1/stock/{scene.objects['sku_id'][SELLER]}")).json()["reserved"]
        assert after == before + 1

    async def test_unpaid_goods_come_back_by_themselves(self, scene: Scene) -> None:
        """An order that waits for money has an end, so that nobody empties the shelves for nothing."""
        unpaid = {**scene.order(), "payment_method": "manual_transfer"}
        placed = await scene.clients[BUYER].post("/v1/orders", json=unpaid, headers={"Idempotency-Key": str(uuid4())})
        assert placed.json()["expires_at"] is not None


def endless_in(schema: dict[str, Any], place: str, depth: int = 0) -> list[str]:
    """The places in a schema that have no end."""
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if depth > 8:
        return []
    found = []
    for key in ("anyOf", "oneOf", "allOf"):
        for option in schema.get(key, ()):
            found += endless_in(option, place, depth + 1)
    if schema.get("type") == "string" and not schema.keys() & BOUNDED:
        found.append(place)
    if schema.get("type") == "array":
        if "maxItems" not in schema:
            found.append(place)
        found += endless_in(schema.get("items", {}), f"{place}/*", depth + 1)
    for name, inner in schema.get("properties", {}).items():
        found += endless_in(inner, f"{place}/{name}", depth + 1)
    return found
