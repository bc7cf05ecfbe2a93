"""What counts as breaking the API: one test for each class of change, in requests and in answers."""

import copy
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from ishop.cli import app
from ishop.compatibility import Break, breaking_changes, unlisted

Document = dict[str, Any]
ROOT = Path(__file__).parents[2]

RELEASED: Document = {
    "paths": {
        "/v1/orders": {
            "post": {
                "operationId": "orders_place",
                "parameters": [
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}},
                    {"$ref": "#/components/parameters/Key"},
                ],
                "requestBody": {
                    "required": False,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/OrderCreate"}}},
                },
                "responses": {
                    "201": {
                        "headers": {"Location": {"schema": {"type": "string"}}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/OrderRead"}}},
                    },
                    "409": {"$ref": "#/components/responses/Conflict"},
                },
            }
        }
    },
    "components": {
        "parameters": {"Key": {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}}},
        "responses": {
            "Conflict": {"content": {"application/problem+json": {"examples": {"insufficient_stock": {"value": {}}}}}}
        },
        "schemas": {
            "OrderCreate": {
                "type": "object",
                "required": ["lines"],
                "properties": {
                    "lines": {"type": "array", "maxItems": 1000, "items": {"$ref": "#/components/schemas/Line"}},
                    "payment": {"type": "string", "enum": ["cod", "terms"]},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "weight": {"type": "number"},
                    "buyer": {
                        "oneOf": [{"type": "string", "format": "uuid"}, {"type": "integer"}],
                    },
                },
            },
            "Line": {
                "type": "object",
                "required": ["quantity"],
                "properties": {"quantity": {"type": "integer", "minimum": 1}, "code": {"type": "string"}},
            },
            "OrderRead": {
                "type": "object",
                "required": ["id", "status", "parts"],
                "properties": {
                    "id": {"type": "string", "format": "uuid"},
                    "status": {"type": "string", "enum": ["placed", "paid"]},
                    "total": {"type": "integer"},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/OrderRead"}},
                    "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
                },
            },
        },
    },
}


def operation(document: Document) -> Document:
    found: Document = document["paths"]["/v1/orders"]["post"]
    return found


def fields(document: Document, schema: str) -> Document:
    found: Document = document["components"]["schemas"][schema]["properties"]
    return found


@pytest.fixture
def new() -> Document:
    return copy.deepcopy(RELEASED)


def places(new: Document) -> list[str]:
    found = breaking_changes(RELEASED, new)
    assert {change.operation for change in found} <= {"orders_place"}
    return [change.place for change in found]


class TestOperations:
    def test_nothing_when_nothing_changed(self, new: Document) -> None:
        assert places(new) == []

    def test_an_operation_that_is_gone(self, new: Document) -> None:
        new["paths"]["/v2/orders"] = new["paths"].pop("/v1/orders")
        assert breaking_changes(RELEASED, new) == [Break("orders_place", "operation", "POST /v1/orders is gone")]

    def test_another_operation_id(self, new: Document) -> None:
        operation(new)["operationId"] = "orders_create"
        assert places(new) == ["operationId"]

    def test_a_sign_in_that_was_not_needed(self, new: Document) -> None:
        operation(new)["security"] = [{"SignIn": []}]
        assert places(new) == ["security"]

    def test_not_a_new_operation(self, new: Document) -> None:
        new["paths"]["/v1/orders"]["get"] = {"operationId": "orders_list", "responses": {}}
        assert places(new) == []


class TestRequests:
    def test_a_parameter_that_is_gone(self, new: Document) -> None:
        del operation(new)["parameters"][0]
        assert places(new) == ["query/limit"]

    def test_a_parameter_that_is_required_now(self, new: Document) -> None:
        new["components"]["parameters"]["Key"]["required"] = True
        assert places(new) == ["header/Idempotency-Key"]

    def test_a_new_parameter_only_where_it_is_required(self, new: Document) -> None:
        added: Document = {"name": "region", "in": "query", "schema": {"type": "string"}}
        operation(new)["parameters"].append(added)
        assert places(new) == []
        added["required"] = True
        assert places(new) == ["query/region"]

    def test_a_bound_that_is_narrower_but_not_one_that_is_wider(self, new: Document) -> None:
        operation(new)["parameters"][0]["schema"]["maximum"] = 200
        fields(new, "Line")["quantity"]["minimum"] = 0
        assert places(new) == []
        operation(new)["parameters"][0]["schema"]["maximum"] = 50
        fields(new, "Line")["quantity"]["minimum"] = 2
        fields(new, "Line")["code"]["maxLength"] = 10
        assert places(new) == ["body/lines/*/code", "body/lines/*/quantity", "query/limit"]

    def test_a_new_field_only_where_it_is_required(self, new: Document) -> None:
        fields(new, "OrderCreate")["po_number"] = {"type": "string"}
        assert places(new) == []
        new["components"]["schemas"]["OrderCreate"]["required"].append("po_number")
        assert places(new) == ["body/po_number"]

    def test_a_field_that_is_required_now(self, new: Document) -> None:
        new["components"]["schemas"]["Line"]["required"].append("code")
        assert places(new) == ["body/lines/*/code"]

    def test_a_field_that_is_gone(self, new: Document) -> None:
        del fields(new, "Line")["code"]
        assert places(new) == ["body/lines/*/code"]

    def test_a_type_that_is_narrower_but_not_one_that_is_wider(self, new: Document) -> None:
        fields(new, "Line")["quantity"]["type"] = "number"
        assert places(new) == []
        fields(new, "OrderCreate")["weight"]["type"] = "integer"
        assert places(new) == ["body/weight"]

    def test_an_enum_that_is_narrower_but_not_one_that_is_wider(self, new: Document) -> None:
        fields(new, "OrderCreate")["payment"]["enum"] = ["cod", "terms", "transfer"]
        assert places(new) == []
        fields(new, "OrderCreate")["payment"]["enum"] = ["cod"]
        assert places(new) == ["body/payment"]

    def test_an_enum_and_a_pattern_where_none_was(self, new: Document) -> None:
        fields(new, "Line")["code"]["enum"] = ["A"]
        fields(new, "OrderCreate")["note"]["anyOf"][0]["pattern"] = "^[a-z]+$"
        assert places(new) == ["body/lines/*/code", "body/note"]

    def test_null_and_a_variant_that_are_no_longer_taken(self, new: Document) -> None:
        fields(new, "OrderCreate")["note"] = {"type": "string"}
        fields(new, "OrderCreate")["buyer"]["oneOf"].pop()
        assert places(new) == ["body/buyer", "body/note"]

    def test_a_body_and_its_media_type(self, new: Document) -> None:
        operation(new)["requestBody"]["required"] = True
        content = operation(new)["requestBody"]["content"]
        content["text/csv"] = content.pop("application/json")
        assert [change.reason for change in breaking_changes(RELEASED, new)] == [
            "a body is required now",
            "application/json is no longer taken",
        ]


class TestAnswers:
    def test_a_status_that_is_gone(self, new: Document) -> None:
        operation(new)["responses"]["202"] = operation(new)["responses"].pop("201")
        assert places(new) == ["201"]

    def test_a_header_that_is_gone(self, new: Document) -> None:
        del operation(new)["responses"]["201"]["headers"]["Location"]
        assert places(new) == ["201/Location"]

    def test_another_media_type(self, new: Document) -> None:
        content = operation(new)["responses"]["201"]["content"]
        content["text/csv"] = content.pop("application/json")
        assert places(new) == ["201"]

    def test_an_error_code_that_is_gone_but_not_a_new_one(self, new: Document) -> None:
        examples = new["components"]["responses"]["Conflict"]["content"]["application/problem+json"]["examples"]
        examples["total_changed"] = {"value": {}}
        assert places(new) == []
        del examples["insufficient_stock"]
        assert places(new) == ["409/insufficient_stock"]

    def test_a_field_that_is_gone_but_not_a_new_one(self, new: Document) -> None:
        fields(new, "OrderRead")["number"] = {"type": "string"}
        assert places(new) == []
        fields(new, "OrderRead")["sum"] = fields(new, "OrderRead").pop("total")
        assert places(new) == ["201/total"]

    def test_a_field_that_can_be_missing_now(self, new: Document) -> None:
        new["components"]["schemas"]["OrderRead"]["required"].remove("status")
        assert places(new) == ["201/status"]

    def test_an_enum_that_is_wider_but_not_one_that_is_narrower(self, new: Document) -> None:
        fields(new, "OrderRead")["status"]["enum"] = ["placed"]
        assert places(new) == []
        fields(new, "OrderRead")["status"]["enum"] = ["placed", "paid", "lost"]
        assert breaking_changes(RELEASED, new) == [Break("orders_place", "201/status", "it can be `lost` now")]

    def test_null_another_type_and_another_format(self, new: Document) -> None:
        fields(new, "OrderRead")["total"] = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
        fields(new, "OrderRead")["id"] = {"type": "string"}
        fields(new, "OrderRead")["counts"]["additionalProperties"] = {"type": "string"}
        assert places(new) == ["201/counts/*", "201/id", "201/total"]


class TestChangelog:
    BREAKS = (
        Break("orders_place", "201/total", "the field is gone"),
        Break("orders_read", "200/total", "the field is gone"),
    )

    def test_lists_by_operation_and_place_in_the_section_of_what_is_not_released(self) -> None:
        text = "## Unreleased\n\n### Breaking\n- `orders_place` `201/total`: use `sum`\n  instead.\n\n### Added\n- x\n"
        assert unlisted(list(self.BREAKS), text) == [self.BREAKS[1]]

    def test_one_item_may_name_several(self) -> None:
        text = "## Unreleased\n### Breaking\n- `orders_place` `201/total`, `orders_read` `200/total`: use `sum`.\n"
        assert unlisted(list(self.BREAKS), text) == []

    @pytest.mark.parametrize(
        "text",
        [
            "## Unreleased\n### Added\n- `orders_place` `201/total`\n",
            "## Unreleased\n\n## 1.0.0\n### Breaking\n- `orders_place` `201/total`\n",
            "## Unreleased\n### Breaking\n- `orders_place`\n- `201/total`\n",
        ],
    )
    def test_says_nothing_elsewhere(self, text: str) -> None:
        assert unlisted([self.BREAKS[0]], text) == [self.BREAKS[0]]

    def test_the_line_to_paste_lists_its_break(self) -> None:
        pasted = "## Unreleased\n### Breaking\n" + "\n".join(map(str, self.BREAKS))
        assert unlisted(list(self.BREAKS), pasted) == []


def test_every_field_of_the_real_document_is_guarded() -> None:
    released = orjson.loads((ROOT / "docs/api/released.json").read_bytes())
    new = copy.deepcopy(released)
    for name, schema in new["components"]["schemas"].items():
        kept = schema.pop("properties", {})
        found = breaking_changes(released, new)
        named = {change.place.rpartition("/")[2] for change in found}
        # Of a variant the whole is named, and empty it takes every request.
        assert kept.keys() <= named or any("variant" in change.reason for change in found), name
        if kept:
            schema["properties"] = kept


class TestCommand:
    def test_names_what_breaks_as_it_is_to_be_listed(self, tmp_path: Path) -> None:
        released = orjson.loads((ROOT / "openapi.json").read_bytes())
        released["paths"]["/v1/me"]["get"]["operationId"] = "identity_whoami"
        (tmp_path / "released.json").write_bytes(orjson.dumps(released))
        changelog = tmp_path / "CHANGELOG.md"
        changelog.write_text("## Unreleased\n")
        arguments = ["openapi", "--released", str(tmp_path / "released.json"), "--changelog", str(changelog)]

        refused = CliRunner().invoke(app, arguments)
        line = "- `identity_whoami` `operationId`: it is called `identity_me` now"
        assert refused.exit_code == 1
        assert line in refused.stderr

        changelog.write_text(f"## Unreleased\n\n### Breaking\n{line}\n")
        assert CliRunner().invoke(app, arguments).exit_code == 0
