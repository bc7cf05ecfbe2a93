"""Bodies that the API document itself gives as examples, so that a call fails for the caller and not for its body."""

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from gateway.routes import Route

DOCUMENT: Final[dict[str, Any]] = json.loads(Path("openapi.json").read_text())
JSON: Final = "application/json"


def example_body(route: Route) -> Any:
    """The first example of the JSON body of an operation; None where it takes none."""
    content = _content(DOCUMENT["paths"][route.path][route.method.lower()])
    examples = content.get("examples") or {}
    if examples:
        return copy.deepcopy(next(iter(examples.values()))["value"])
    return copy.deepcopy(content.get("example"))


def json_operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation that takes a JSON body: method, path template and the resolved schema of the body."""
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            schema = _content(operation).get("schema")
            if schema is not None:
                yield method.upper(), path, resolved(schema)


def resolved(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with its reference followed; of a body that may be left out, the schema of the body."""
    if "$ref" in schema:
        return resolved(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for option in schema.get("anyOf", ()):
        if "$ref" in option:
            return resolved(option)
    return dict(schema)


def _content(operation: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = operation.get("requestBody", {}).get("content", {}).get(JSON, {})
    return found
