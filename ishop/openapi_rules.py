"""Rules of the door and the kernel that schemas do not say of themselves: no NUL in texts, plain segments in paths."""

from collections.abc import Mapping
from typing import Any, Final

NO_NUL: Final = "^[^\\u0000]*$"
"""PostgreSQL text cannot hold it."""
PATH_SEGMENT: Final = "^[A-Za-z0-9_-]{1,128}$"
"""What the route table lets through; anything else is another address, which does not exist."""

SETTLED: Final = frozenset({"enum", "const", "pattern", "format"})
"""A text with one of these is narrower already."""
INNER: Final = ("anyOf", "oneOf", "allOf", "prefixItems")


def add_rules(document: dict[str, Any]) -> None:
    """Write the rules into everything that a caller can send."""
    schemas: Mapping[str, Any] = document["components"]["schemas"]
    seen: set[str] = set()
    for item in document["paths"].values():
        for operation in item.values():
            for parameter in operation["parameters"]:
                if parameter.get("in") in {"path", "query"}:
                    rule = PATH_SEGMENT if parameter["in"] == "path" else NO_NUL
                    _limit_texts(parameter["schema"], rule, schemas, seen)
            for media in operation.get("requestBody", {}).get("content", {}).values():
                _limit_texts(media["schema"], NO_NUL, schemas, seen)


def _limit_texts(schema: dict[str, Any], rule: str, schemas: Mapping[str, Any], seen: set[str]) -> None:
    name = schema.get("$ref", "").rpartition("/")[2]
    if name:
        if name not in seen:
            seen.add(name)
            _limit_texts(schemas[name], rule, schemas, seen)
        return
    if schema.get("type") == "string" and not SETTLED & schema.keys():
        schema["pattern"] = rule
    for inner in schema.get("properties", {}).values():
        _limit_texts(inner, rule, schemas, seen)
    for keyword in INNER:
        for option in schema.get(keyword, ()):
            _limit_texts(option, rule, schemas, seen)
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            _limit_texts(schema[keyword], rule, schemas, seen)
