"""The one document of everything: valid, complete, the same each time, and true to what the services declare."""

import copy
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from gateway.app import openapi_document
from gateway.routes import ROUTES
from ishop import idempotency
from ishop.auth import signed_in
from ishop.market import assemble
from ishop.openapi import merged_document, service_document
from ishop.openapi_examples import PLAIN_TEXT
from ishop.routing import service_router
from ishop.schemas import Schema
from ishop.service import Runtime, create_service
from ishop.settings import Role
from tests.databases import Cluster
from tests.gateway import probes

Document = dict[str, Any]


@pytest.fixture(scope="module")
def services(cluster: Cluster) -> dict[str, FastAPI]:
    """All services."""
    return dict(assemble(cluster.settings).services)


@pytest.fixture(scope="module")
def document(services: dict[str, FastAPI]) -> Document:
    """The document of the market."""
    return openapi_document(services)


def operations(document: Document) -> Iterator[tuple[str, Document]]:
    """All operations with a readable name."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def resolved(document: Document, part: Document) -> Document:
    """What a reference points to."""
    while "$ref" in part:
        _, _, kind, name = part["$ref"].split("/")
        part = document["components"][kind][name]
    return part


class TestDocument:
    def test_is_valid(self, document: Document) -> None:
        validate(document)
        assert document["openapi"] == "3.1.0"
        assert document["servers"] == [{"url": "/"}]

    def test_has_exactly_the_route_table_in_its_order(self, document: Document) -> None:
        expected: dict[str, None] = {}
        for path in dict.fromkeys(route.path for route in ROUTES):
            expected |= {f"{route.method} {path}": None for route in ROUTES if route.path == path}
        assert [name for name, _ in operations(document)] == list(expected)

    def test_is_the_same_each_time(self, document: Document, cluster: Cluster) -> None:
        again = openapi_document(assemble(cluster.settings).services)
        assert orjson.dumps(again) == orjson.dumps(document)

    def test_every_operation_answers_well_and_badly(self, document: Document) -> None:
        for name, operation in operations(document):
            statuses = set(operation["responses"])
            assert any(status.startswith("2") for status in statuses), name
            assert {"400", "422", "429", "500", "503"} <= statuses, name
            if "{" in name:
                assert "404" in statuses, name
            if "requestBody" in operation:
                assert {"413", "415"} <= statuses, name

    def test_every_error_is_a_problem_with_examples(self, document: Document) -> None:
        for name, operation in operations(document):
            for status, reference in operation["responses"].items():
                answer = resolved(document, reference)
                assert "X-Request-Id" in answer["headers"], name
                if status >= "4":
                    assert list(answer["content"]) == ["application/problem+json"], (name, status)
                    media = answer["content"]["application/problem+json"]
                    assert media["schema"] == {"$ref": "#/components/schemas/Problem"}
                    for code, example in media["examples"].items():
                        assert example["value"]["code"] == code
                        assert str(example["value"]["status"]) == status
                        assert f"`{code}`" in answer["description"]

    def test_every_summary_is_a_sentence_of_its_own(self, document: Document) -> None:
        summaries = [operation["summary"] for _, operation in operations(document)]
        assert len(set(summaries)) == len(summaries)
        assert all(" " in summary for summary in summaries)
        assert document["paths"]["/v1/me"]["get"]["summary"].startswith("Who the caller is")

    def test_nothing_of_the_framework_is_left(self, document: Document) -> None:
        text = orjson.dumps(document)
        assert b"ValidationError" not in text
        assert b"Validation Error" not in text

    def test_security_where_a_caller_is_needed(self, document: Document, services: dict[str, FastAPI]) -> None:
        secured = {name for name, operation in operations(document) if operation["security"]}
        signing_in = {f"{route.method} {route.path}" for route in ROUTES if route.signs_in}
        needed = set()
        for app in services.values():
            for route in iter_route_contexts(app.routes):
                if getattr(route, "dependant", None) is not None and _uses(route.dependant, signed_in):
                    needed |= {f"{method} {route.path_format}" for method in route.methods or ()}
        assert secured == needed
        for name, operation in operations(document):
            assert "security" in operation, name
            ignored = name in signing_in and not name.endswith("/token")  # There a bad token is not looked at.
            assert ("401" in operation["responses"]) != ignored, name
        scheme = document["components"]["securitySchemes"]["SignIn"]
        assert scheme["flows"]["password"]["tokenUrl"] == "/v1/auth/token"

    def test_idempotency_key_on_what_a_caller_changes(self, document: Document, services: dict[str, FastAPI]) -> None:
        required = set()
        for app in services.values():
            for route in iter_route_contexts(app.routes):
                if getattr(route, "dependant", None) is not None and _uses(route.dependant, idempotency.required_key):
                    required |= {f"{method} {route.path_format}" for method in route.methods or ()}
        assert "POST /v1/orders" in required
        for name, operation in operations(document):
            keys = [
                parameter
                for parameter in (resolved(document, reference) for reference in operation["parameters"])
                if parameter["name"] == "Idempotency-Key"
            ]
            expected = name.startswith(("POST", "PATCH")) and bool(operation["security"])
            assert len(keys) == expected, name
            assert any(key.get("required", False) for key in keys) == (name in required), name

    def test_examples_are_what_the_schemas_say(self, document: Document) -> None:
        tried = 0
        for name, operation in operations(document):
            contents = [operation.get("requestBody", {}).get("content", {})]
            contents += [resolved(document, answer).get("content", {}) for answer in operation["responses"].values()]
            for content in contents:
                for media in content.values():
                    examples = [entry["value"] for entry in media.get("examples", {}).values()]
                    examples += [media["example"]] if "example" in media else []
                    for example in examples:
                        validator = OAS31Validator({**media["schema"], "components": document["components"]})
                        assert not list(validator.iter_errors(example)), (name, example)
                        tried += 1
        assert tried > 2 * len(ROUTES)

    def test_every_json_request_and_answer_has_an_example(self, document: Document) -> None:
        for name, operation in operations(document):
            contents = [operation.get("requestBody", {}).get("content", {})]
            contents += [answer.get("content", {}) for status, answer in operation["responses"].items() if status < "4"]
            for content in contents:
                for media_type in content.keys() & {"application/json", "application/x-www-form-urlencoded"}:
                    assert content[media_type].keys() & {"example", "examples"}, name
                    assert f'"{PLAIN_TEXT}"' not in orjson.dumps(content[media_type]).decode(), name

    def test_every_operation_says_who_may_call_and_how(self, document: Document) -> None:
        described = {tag["name"] for tag in document["tags"] if tag.get("description")}
        for name, operation in operations(document):
            assert operation["description"], name
            assert set(operation["tags"]) <= described, name
            listed = {parameter.get("name") for parameter in operation["parameters"]}
            assert ("cursor" in listed) == ("`next_cursor`" in operation["description"]), name
            for parameter in (resolved(document, reference) for reference in operation["parameters"]):
                assert parameter.get("description"), (name, parameter["name"])

    def test_every_answer_has_its_header_fields(self, document: Document) -> None:
        for name, operation in operations(document):
            for status, reference in operation["responses"].items():
                answer = resolved(document, reference)
                assert {"X-Request-Id", "RateLimit", "RateLimit-Policy"} <= answer["headers"].keys(), (name, status)
                assert (status in {"409", "429", "503"}) <= ("Retry-After" in answer["headers"]), (name, status)
                assert answer["description"] != "Successful Response", (name, status)
                assert ("304" in operation["responses"]) <= ("ETag" in answer["headers"] or status >= "4"), name
        assert "Location" in document["paths"]["/v1/orders"]["post"]["responses"]["201"]["headers"]

    def test_texts_that_a_caller_sends_cannot_hold_nul(self, document: Document) -> None:
        validator = OAS31Validator(
            {"$ref": "#/components/schemas/OrderPreviewRequest", "components": document["components"]}
        )
        body = copy.deepcopy(document["paths"]["/v1/orders/preview"]["post"]["requestBody"]["content"])
        example = body["application/json"]["example"]
        assert validator.is_valid(example)
        example["ship_to"]["name"] = "a\0b"
        assert not validator.is_valid(example)


class TestMerge:
    def test_refused_when_a_route_has_no_operation(self, services: dict[str, FastAPI]) -> None:
        documents = {"identity": service_document(services["identity"])}
        with pytest.raises(ValueError, match="GET /v1/nowhere is in the route table, but not in the service identity"):
            merged_document(documents, [("GET", "/v1/nowhere", "identity")])

    def test_refused_when_one_name_means_two_schemas(self, services: dict[str, FastAPI]) -> None:
        one = service_document(services["identity"])
        other = copy.deepcopy(one)
        other["components"]["schemas"]["UserRead"]["title"] = "Another"
        with pytest.raises(ValueError, match="services one and other have different schemas named UserRead"):
            merged_document({"one": one, "other": other}, [])

    def test_refused_when_two_operations_have_one_id(self, services: dict[str, FastAPI]) -> None:
        one = service_document(services["identity"])
        other = copy.deepcopy(one)
        other["paths"]["/v1/you"] = other["paths"].pop("/v1/me")
        with pytest.raises(ValueError, match="have the same operationId"):
            merged_document({"one": one, "other": other}, [("GET", "/v1/me", "one"), ("GET", "/v1/you", "other")])

    def test_own_problems_of_a_route_come_before_the_shared_ones(self, document: Document) -> None:
        answer = document["paths"]["/v1/auth/token"]["post"]["responses"]["400"]
        examples = answer["content"]["application/problem+json"]["examples"]
        assert list(examples) == ["unsupported_grant_type", "malformed_request"]

    def test_service_is_left_as_it_was(self, cluster: Cluster) -> None:
        app = probes.create_probe(Runtime.of(cluster.settings))
        before = orjson.dumps(app.openapi())
        service_document(app)
        assert orjson.dumps(app.openapi()) == before

    def test_schema_that_contains_itself_has_an_example(self, cluster: Cluster) -> None:
        router = service_router(tags=["trees"])

        @router.get("/v1/trees")
        async def read() -> Tree:
            """A tree."""
            return Tree(children=[])

        app = create_service("trees", Role.gateway, [router], Runtime.of(cluster.settings))
        operation = service_document(app)["paths"]["/v1/trees"]["get"]
        assert "children" in operation["responses"]["200"]["content"]["application/json"]["example"]


class Tree(Schema):
    """A shape that contains itself."""

    children: list["Tree"]


def _uses(dependant: Any, call: object) -> bool:
    return dependant.call is call or any(_uses(inner, call) for inner in dependant.dependencies)
