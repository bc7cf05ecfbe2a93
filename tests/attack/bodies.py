"""Bodies that the API document itself gives as examples, so that a call fails for the caller and not for its body."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.prove import document
from gateway.routes import Route

DOCUMENT: Final[dict[str, Any]] = json.loads(Path("openapi.json").read_text())


def example_body(route: Route) -> Any:
    """The first example of the JSON body of an operation; None where it takes none."""
    return document.example_body(DOCUMENT["paths"][route.path][route.method.lower()])


def json_operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation that takes a JSON body: method, path template and the resolved schema of the body."""
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            schema = document.json_content(operation).get("schema")
            if schema is not None:
                yield method.upper(), path, resolved(schema)


def resolved(schema: Any) -> dict[str, Any]:
    """A schema with its reference followed; of a body that may be left out, the schema of the body."""
    return document.resolved(DOCUMENT, schema)
