"""Every operation, asked by every role with what the document allows and with what it forbids.

No answer is a 500, has a status that the document does not name, or a body that breaks its schema; and when all is
over, every invariant of the data holds. `make attack` sends hundreds of requests to each operation.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from starlette.responses import Response

from benchmarks.prove.scene import ANONYMOUS, CALLERS
from tests.attack.scene import Scene
from tests.attack.served import served, served_application

EXAMPLES: Final = int(os.environ.get("ATTACK_EXAMPLES", "6"))
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
DOCUMENT: Final = json.loads(Path("openapi.json").read_text())
OPERATIONS: Final[dict[str, Any]] = {
    result.ok().label: result.ok()
    for result in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()
    if isinstance(result, Ok)
}
# Tokens of the scene's callers must outlive the attack, so nobody signs them out or deletes their accounts.
ENDS_CALLERS: Final = ("/v1/me/", "/v1/auth/revoke")


@pytest.fixture(scope="module")
def address(scene: Scene) -> Iterator[str]:
    with served(scene.market.settings) as url:
        yield url


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_as_the_document_says(label: str, scene: Scene, address: str) -> None:
    operation = OPERATIONS[label]
    with requests.Session() as session:
        session.trust_env = False

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=EXAMPLES < 50,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.data())
        def attack(data: st.DataObject) -> None:
            who = data.draw(st.sampled_from(CALLERS), label="caller")
            mode = data.draw(st.sampled_from(modes_of(operation)), label="mode")
            case = data.draw(operation.as_strategy(generation_mode=mode), label="case")
            aim(case, scene, data)
            if label.split()[1].startswith(ENDS_CALLERS) and label.split(maxsplit=1)[0] != "GET":
                who = ANONYMOUS
            authorization = scene.clients[who].headers.get("authorization")
            headers = {} if authorization is None else {"Authorization": authorization}
            case.call_and_validate(base_url=address, session=session, headers=headers, checks=CHECKS, timeout=30)

        attack()


@pytest.mark.parametrize(
    ("status", "media_type", "body"),
    [
        (500, "application/problem+json", b'{"code": "internal_error"}'),
        (299, "application/json", b"{}"),
        (200, "application/json", b'{"items": "none"}'),
        (200, "text/html", b"<p>"),
    ],
)
def test_a_planted_fault_is_found(status: int, media_type: str, body: bytes) -> None:
    """The attack is worth nothing if it cannot fail."""
    with served_application(Response(body, status, media_type=media_type)) as url:
        case = OPERATIONS["GET /v1/orders"].Case(headers={"Authorization": "Bearer x"})
        with pytest.raises(FailureGroup):
            case.call_and_validate(base_url=url, checks=CHECKS, timeout=30)


async def test_every_invariant_holds_after_the_attack(scene: Scene) -> None:
    await scene.market.work()
    assert await scene.market.broken() == []


def modes_of(operation: Any) -> list[GenerationMode]:
    """Both ways to ask, or the one that an operation without any input has."""
    takes_input = bool(list(operation.iter_parameters()) or operation.body)
    return [GenerationMode.POSITIVE, GenerationMode.NEGATIVE] if takes_input else [GenerationMode.POSITIVE]


def aim(case: Case[Any], scene: Scene, data: st.DataObject) -> None:
    """Put ids that exist into three of four requests; random ones alone would only ever meet a 404."""
    if data.draw(st.integers(0, 3), label="aimed") == 0:
        return
    for name in case.path_parameters or {}:
        if name in scene.objects:
            case.path_parameters[name] = data.draw(st.sampled_from(sorted(scene.objects[name].values())), label=name)
    if isinstance(case.body, dict):
        case.body = aimed(case.body, {"sku_id": scene.skus, "organization_id": (scene.organization,)}, data)


def aimed(value: Any, ids: Mapping[str, tuple[str, ...]], data: st.DataObject) -> Any:
    """`value` with the ids of the scene wherever a field has one of their names."""
    if isinstance(value, dict):
        return {
            name: data.draw(st.sampled_from(ids[name])) if name in ids else aimed(inner, ids, data)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [aimed(inner, ids, data) for inner in value]
    return value
