"""What the gateway answers by itself."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import gateway
from ishop.settings import Settings
from tests.databases import TestDatabase
from tests.gateway import probes
from tests.gateway.doors import Door, open_door
from tests.gateway.test_app import problem
from tests.modes import MODES

OUTSIDE = re.compile(r"""(?:https?:)?//[a-z0-9-]+\.""", re.IGNORECASE)


@pytest.fixture(params=MODES)
async def broken(request: pytest.FixtureRequest, database: TestDatabase) -> AsyncIterator[Door]:
    """A gateway before a service whose database is not there."""
    settings: Settings = database.settings.model_copy(update={"database_port": 1})
    async with open_door(settings, probes.ROUTES, {probes.PROBE: probes.create_probe}, mode=request.param) as opened:
        yield opened


class TestHealth:
    async def test_lives_when_the_database_is_gone(self, broken: Door) -> None:
        answer = await broken.client.get("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    async def test_ready_when_every_service_is(self, door: Door) -> None:
        answer = await door.client.get("/readyz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok", "upstreams": {"probe": "ok"}})

    async def test_not_ready_when_a_database_is_gone(self, broken: Door) -> None:
        answer = await broken.client.get("/readyz")
        problem(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "1"
        problem(await broken.client.get("/readyz"), 503, "unavailable")


class TestKeys:
    async def test_hold_no_private_part(self, door: Door) -> None:
        answer = await door.client.get("/.well-known/jwks.json")
        [key] = answer.json()["keys"]
        assert key.keys() <= {"kty", "crv", "x", "kid", "use", "alg"}
        assert key["kty"] == "OKP"
        assert key["crv"] == "Ed25519"
        assert door.runtime.settings.signing_key is not None
        assert '"d"' in door.runtime.settings.signing_key.get_secret_value()


class TestFrontDoor:
    async def test_shows_a_program_the_way(self, door: Door) -> None:
        assert (await door.client.get("/")).json() == {
            "name": "i-Shop",
            "documentation": "/docs",
            "openapi": "/openapi.json",
        }

    async def test_takes_a_person_to_the_docs(self, door: Door) -> None:
        answer = await door.client.get("/", headers={"Accept": "text/html,application/xhtml+xml"})
        assert answer.is_redirect
        assert answer.headers["location"] == "/docs"


class TestDocs:
    async def test_page_has_all_that_it_refers_to(self, door: Door) -> None:
        page = await door.client.get("/docs")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        referred = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert referred == [
            "/docs/favicon.png",
            "/docs/swagger-ui.css",
            "/openapi.json",
            "/docs/swagger-ui-bundle.js",
            "/docs/start.js",
        ]
        for address in referred:
            assert (await door.client.get(address)).status_code == 200

    async def test_nothing_comes_from_outside(self, door: Door) -> None:
        for address in ("/docs", "/docs/start.js"):
            answer = await door.client.get(address)
            assert OUTSIDE.search(answer.text) is None
            assert answer.headers["content-security-policy"].startswith("default-src 'self'; ")
            assert "script-src" not in answer.headers["content-security-policy"]

    async def test_no_script_inside_the_page(self, door: Door) -> None:
        assert re.search(r"<script(?![^>]* src=)", (await door.client.get("/docs")).text) is None

    async def test_no_other_file_of_the_package_is_served(self, door: Door) -> None:
        assert Path(gateway.__file__).with_name("app.py").exists()
        for path in ("/docs/app.py", "/docs/index.html", "/docs/__init__.py"):
            problem(await door.client.get(path), 404, "not_found")


class TestDocument:
    async def test_is_served_and_checked_for_changes(self, door: Door) -> None:
        answer = await door.client.get("/openapi.json")
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.json()["openapi"] == "3.1.0"
        assert list(answer.json()["paths"]) == list(dict.fromkeys(route.path for route in probes.ROUTES))
