"""What belongs to one caller never answers another: idempotency keys and caches across callers."""

import asyncio
from typing import Final
from uuid import uuid4

import pytest

from benchmarks.prove.scene import ANONYMOUS, BUYER, CALLERS, HOTEL, OFFICE, SELLER
from tests.attack.bodies import DOCUMENT
from tests.attack.scene import Scene
from tests.attack.test_resources import in_scene

READS: Final = {path: operations["get"] for path, operations in DOCUMENT["paths"].items() if "get" in operations}
PRIVATE_READS: Final = [path for path, operation in READS.items() if operation.get("security")]
PUBLIC_READS: Final = [path for path in READS if path not in PRIVATE_READS and "search" not in path]


class TestIdempotencyKeys:
    async def test_one_key_of_many_callers_is_a_request_of_each(self, scene: Scene) -> None:
        """In parallel, and then again: nobody is ever answered with another's order."""
        order, key = scene.order(), {"Idempotency-Key": f"shared-{uuid4()}"}
        buyers = (BUYER, HOTEL, SELLER, OFFICE)
        first = await asyncio.gather(
            *(scene.clients[who].post("/v1/orders", json=order, headers=key) for who in buyers for _ in range(3))
        )
        assert {answer.status_code for answer in first} == {201}
        placed = {who: {answer.json()["id"] for answer in first[3 * i : 3 * i + 3]} for i, who in enumerate(buyers)}
        assert all(len(ids) == 1 for ids in placed.values())
        assert len(set.union(*placed.values())) == len(buyers)
        for who in buyers:
            again = await scene.clients[who].post("/v1/orders", json=order, headers=key)
            assert {again.json()["id"]} == placed[who]
            assert again.headers["idempotency-replayed"] == "true"

    async def test_a_key_tells_a_stranger_nothing(self, scene: Scene) -> None:
        key = {"Idempotency-Key": f"guessed-{uuid4()}"}
        placed = await scene.clients[BUYER].post("/v1/orders", json=scene.order(), headers=key)
        assert placed.status_code == 201
        anonymous = await scene.clients[ANONYMOUS].post("/v1/orders", json=scene.order(), headers=key)
        assert anonymous.status_code == 401
        assert placed.json()["number"] not in anonymous.text

    async def test_one_key_at_two_addresses_is_refused(self, scene: Scene) -> None:
        """A key of a placed order does not answer for a cancellation."""
        key = {"Idempotency-Key": f"two-{uuid4()}"}
        placed = (await scene.clients[BUYER].post("/v1/orders", json=scene.order(), headers=key)).json()
        cancelled = await scene.clients[BUYER].post(f"/v1/orders/{placed['id']}/cancel", headers=key)
        assert cancelled.status_code == 422
        assert cancelled.json()["code"] == "idempotency_key_reused"
        order = await scene.clients[BUYER].get(f"/v1/orders/{placed['id']}")
        assert order.json()["status"] == placed["status"]

    @pytest.mark.parametrize("key", ["", "x" * 256, "naïve", "tab\tin it"])
    async def test_a_key_that_is_none_is_refused(self, key: str, scene: Scene) -> None:
        answer = await scene.clients[BUYER].post(
            "/v1/orders", json=scene.order(), headers={b"Idempotency-Key": key.encode()}
        )
        assert answer.status_code == 400
        assert answer.json()["code"] == "idempotency_key_required"


class TestCaches:
    @pytest.mark.parametrize("path", PRIVATE_READS)
    async def test_no_cache_may_keep_what_is_somebodys(self, path: str, scene: Scene) -> None:
        for who in CALLERS:
            answer = await scene.clients[who].get(in_scene(path, scene))
            assert answer.headers["cache-control"] in ("no-store", "private, no-store"), (who, answer.headers)

    async def test_what_everybody_may_keep_is_the_same_for_everybody(self, scene: Scene) -> None:
        """One body per language, whoever asks: nothing of the caller is in a page that a cache gives to others."""
        for path in PUBLIC_READS:
            for language in ("id", "en"):
                answers = [
                    await scene.clients[who].get(in_scene(path, scene), headers={"Accept-Language": language})
                    for who in CALLERS
                ]
                if any("public" in answer.headers.get("cache-control", "") for answer in answers):
                    assert len({answer.content for answer in answers}) == 1, path
                    assert "accept-language" in answers[0].headers["vary"].lower(), path
                    assert all("set-cookie" not in answer.headers for answer in answers)

    async def test_a_strange_host_or_proxy_field_changes_no_page(self, scene: Scene) -> None:
        """Otherwise one poisoned answer in a cache would serve them all."""
        path = "/v1/commodities"
        clean = await scene.clients[ANONYMOUS].get(path)
        for name in ("Host", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Original-URL", "X-Rewrite-URL", "Forwarded"):
            answer = await scene.clients[ANONYMOUS].get(path, headers={name: "evil.example"})
            assert answer.content == clean.content
            assert "evil.example" not in str(answer.headers)
