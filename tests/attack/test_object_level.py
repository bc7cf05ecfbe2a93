"""API1:2023 broken object level, API5:2023 broken function level authorization, over routes x callers x owners.

The matrix is generated: every route that takes an id, asked by every caller for the object of every owner. A route
with an id of a kind that the scene does not own fails the test, so a new one cannot be forgotten.
"""

import re
from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

import pytest

from benchmarks.prove.scene import ANONYMOUS, CALLERS, OFFICE_CHANGES, OFFICE_READS, OFFICERS, PUBLIC
from gateway.routes import ROUTES, Route
from tests.attack.bodies import DOCUMENT, example_body
from tests.attack.scene import Scene
from tests.e2e.test_access import Scene as Fingerprinter

VARIABLES: Final = re.compile(r"\{(\w+)\}")

OWN: Final = [
    route
    for route in ROUTES
    if VARIABLES.search(route.path) and DOCUMENT["paths"][route.path][route.method.lower()].get("security")
]
"""The routes that name an object which is somebody's."""
NOBODYS: Final = str(uuid4())


def strangers(route: Route, scene: Scene) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Each caller with each object that is not its own and that it may not touch: caller, owner, path parameters."""
    names = VARIABLES.findall(route.path)
    owners = {owner for name in names for owner in scene.objects[name] if owner != PUBLIC}
    for owner in sorted(owners):
        for who in CALLERS:
            if who == owner or (who in OFFICERS and route.path in OFFICE_READS | OFFICE_CHANGES):
                continue
            yield who, owner, {name: scene.objects[name].get(owner, NOBODYS) for name in names}


def test_the_scene_has_an_object_for_every_id_in_a_path(scene: Scene) -> None:
    assert {name for route in OWN for name in VARIABLES.findall(route.path)} <= set(scene.objects)


@pytest.mark.parametrize("route", OWN, ids=str)
async def test_what_is_not_yours_is_not_there_and_stays_as_it_is(route: Route, scene: Scene) -> None:
    before = await fingerprint(scene)
    for who, owner, parameters in strangers(route, scene):
        answer = await scene.clients[who].request(
            route.method,
            route.path.format(**parameters),
            json=example_body(route),
            headers={"Idempotency-Key": str(uuid4()), "If-Match": '"1"'},
        )
        refused = (401,) if who == ANONYMOUS else (403, 404)
        assert answer.status_code in refused, (who, owner, answer.status_code, answer.text)
        leaked = [value for value in parameters.values() if value in answer.text]
        assert leaked == [], (who, owner, answer.text)
    assert await fingerprint(scene) == before


@pytest.mark.parametrize("route", OWN, ids=str)
async def test_what_is_not_there_is_answered_like_what_is_not_yours(route: Route, scene: Scene) -> None:
    """Otherwise the difference would tell which ids exist."""
    names = VARIABLES.findall(route.path)
    for who, owner, parameters in strangers(route, scene):
        answers: list[tuple[int, Any]] = []
        for values in (parameters, {name: str(uuid4()) for name in names}):
            answer = await scene.clients[who].request(
                route.method,
                route.path.format(**values),
                json=example_body(route),
                headers={"Idempotency-Key": str(uuid4()), "If-Match": '"1"'},
            )
            answers.append((answer.status_code, answer.json()["code"]))
        assert answers[0] == answers[1], (who, owner)


async def fingerprint(scene: Scene) -> dict[str, object]:
    return await Fingerprinter(scene.market, {}, {}, {}).fingerprint()
