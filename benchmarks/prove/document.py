"""What the gateway's OpenAPI document says of its operations, as far as somebody needs it who calls them all."""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

JSON: Final = "application/json"
VARIABLES: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path; `body` is the first example of its JSON body, `properties` what such a body may have."""

    method: str
    path: str
    private: bool
    """Whether it asks who calls."""
    body: Any
    properties: frozenset[str]
    queries: frozenset[str]

    @property
    def variables(self) -> list[str]:
        """The names of the objects in its path."""
        return VARIABLES.findall(self.path)

    def __str__(self) -> str:
        """As it is written in a list of routes."""
        return f"{self.method} {self.path}"


def operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    """Every operation of the document."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parameters = operation.get("parameters", ())
            yield Operation(
                method.upper(),
                path,
                bool(operation.get("security")),
                example_body(operation),
                frozenset(_properties(document, operation)),
                frozenset(one["name"] for one in parameters if one.get("in") == "query"),
            )


def example_body(operation: Mapping[str, Any]) -> Any:
    """The first example of the JSON body of an operation; None where it takes none."""
    content = json_content(operation)
    examples = content.get("examples") or {}
    if examples:
        return copy.deepcopy(next(iter(examples.values()))["value"])
    return copy.deepcopy(content.get("example"))


def json_content(operation: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the document says of the JSON body of an operation."""
    found: Mapping[str, Any] = operation.get("requestBody", {}).get("content", {}).get(JSON, {})
    return found


def resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with its reference followed; of a body that may be left out, the schema of the body."""
    if "$ref" in schema:
        return resolved(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for option in schema.get("anyOf", ()):
        if "$ref" in option:
            return resolved(document, option)
    return dict(schema)


def _properties(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[str]:
    schema = json_content(operation).get("schema")
    if schema is not None:
        yield from resolved(document, schema).get("properties", {})
