"""An example of every request and answer, made of the examples that the fields of the schemas bring along."""

from collections.abc import Mapping
from typing import Any, Final

JSON_LIKE: Final = ("application/json", "application/x-www-form-urlencoded")

FORMATS: Final[Mapping[str, str]] = {
    "uuid": "0198c5b7-6f0e-7d3a-9f0e-2f4f3f1f6a10",
    "date-time": "2026-11-22T02:00:00Z",
    "date": "2026-11-22",
    "email": "sari@example.com",
    "password": "kopi pahit di pagi hari",
}
NAMES: Final[Mapping[str, Any]] = {
    "name": "Gula Semut Aren 250 g",
    "description": "Gula semut dari nira aren, disangrai pelan di atas kayu bakar.",
    "slug": "gula-semut-aren-kekait",
    "number": "NTB-7K3F-9QXM",
    "order_number": "NTB-7K3F-9QXM",
    "code": "GSA-250",
    "unit": "250 g",
    "synonyms": "palm sugar",
    "island": "Lombok",
    "capital": "Gerung",
    "region_code": "52.01",
    "vendor_name": "UD Gula Lestari",
    "device_id": "phone-1",
    "reason": "sold at the stall",
    "detail": "The stock has changed since your count; count again from the current value.",
    "pointer": "/lines/0",
    "po_number": "PO-2026-0117",
    "tracking_number": "JT0012345678",
    "reference": "BNTB-20261122-0001",
}
"""What texts and other fields of these names look like, wherever they are."""
PLAIN_TEXT: Final = "text"
"""Stands where nothing better is known; a test looks that it is nowhere."""
MAX_DEPTH: Final = 8
"""Deeper than any of our shapes; ends the example of a schema that contains itself."""

Schemas = Mapping[str, Any]


def add_examples(document: dict[str, Any]) -> None:
    """Give every JSON request and every successful JSON answer without an example one."""
    schemas: Schemas = document["components"]["schemas"]
    for item in document["paths"].values():
        for operation in item.values():
            contents = [operation.get("requestBody", {}).get("content", {})]
            contents += [answer.get("content", {}) for status, answer in operation["responses"].items() if status < "4"]
            for content in contents:
                for media_type in JSON_LIKE:
                    media = content.get(media_type, {})
                    if "schema" in media and not media.keys() & {"example", "examples"}:
                        media["example"] = example_of(media["schema"], schemas)


def example_of(schema: Mapping[str, Any], schemas: Schemas, depth: int = 0) -> Any:
    """An example of `schema`: the one it brings, else put together from its parts. Optional parts are left out."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, depth)
    for key in ("example", "const"):
        if key in schema:
            return schema[key]
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("anyOf", "oneOf"):
        for option in schema.get(key, ()):
            if option.get("type") != "null":
                return example_of(option, schemas, depth)
    if "allOf" in schema:
        return example_of(schema["allOf"][0], schemas, depth)
    return _of_type(schema, schemas, depth)


def _of_field(name: str, schema: Mapping[str, Any], schemas: Schemas, depth: int) -> Any:
    """What the field itself says goes before what its name says, and that before what its type says."""
    example = example_of(schema, schemas, depth)
    if name in NAMES and example in (PLAIN_TEXT, [PLAIN_TEXT]):
        return NAMES[name] if example == PLAIN_TEXT else [NAMES[name]]
    return example


def _of_type(schema: Mapping[str, Any], schemas: Schemas, depth: int) -> Any:
    match schema.get("type"):
        case "object":
            properties, required = schema.get("properties", {}), schema.get("required", ())
            wanted = [name for name, field in properties.items() if name in required or "const" in field]
            return {name: _of_field(name, properties[name], schemas, depth + 1) for name in wanted}
        case "array":
            return [example_of(schema["items"], schemas, depth + 1)] if "items" in schema and depth < MAX_DEPTH else []
        case "integer" | "number":
            return schema.get("default", max(1, schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)))
        case "boolean":
            return schema.get("default", True)
        case "string":
            return schema.get("default", FORMATS.get(schema.get("format", ""), PLAIN_TEXT))
    return None
