"""What a new OpenAPI document would break for the callers of the released one.

One question is asked everywhere: does every value of one schema also fit another? Of a request, what the released
document allowed must fit the new one; of an answer, what the new one may hold must fit the released one. Only fields
that are new in an answer are let through, because callers are told to ignore what they do not know.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from ishop.problems import MEDIA_TYPE

Schema = Mapping[str, Any]
Direction = Literal["request", "answer"]

UPPER_BOUNDS: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
LOWER_BOUNDS: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
RULES: Final = (
    "pattern",
    "multipleOf",
    "uniqueItems",
    "dependentRequired",
    "if",
    "then",
    "else",
    "not",
    "contains",
    "oneOf",
)
"""Cannot be compared, only found equal: one that is new or another may refuse what was taken."""


@dataclass(frozen=True, order=True)
class Break:
    """One thing that stops working: at `place` in the operation `operation`, because of `reason`."""

    operation: str
    place: str
    reason: str

    def __str__(self) -> str:
        return f"- `{self.operation}` `{self.place}`: {self.reason}"


def breaking_changes(released: Mapping[str, Any], new: Mapping[str, Any]) -> list[Break]:
    """Everything that a caller of the `released` document can trip over in the `new` one."""
    found: set[Break] = set()
    for path, item in released["paths"].items():
        for method, operation in item.items():
            now = new["paths"].get(path, {}).get(method)
            name = operation["operationId"]
            if now is None:
                found.add(Break(name, "operation", f"{method.upper()} {path} is gone"))
            else:
                compared = _Operations(released, new, operation, now)
                found |= {Break(name, place, reason) for place, reason in compared.breaks()}
    return sorted(found)


def unlisted(breaks: list[Break], changelog: str) -> list[Break]:
    """Those that no item of a section "Breaking" under "Unreleased" names by operation and place."""
    unreleased = changelog.partition("## Unreleased")[2].partition("\n## ")[0]
    section = unreleased.partition("### Breaking\n")[2].partition("\n### ")[0]
    items = re.split(r"^- ", section, flags=re.MULTILINE)[1:]
    return [
        change
        for change in breaks
        if not any(f"`{change.operation}`" in item and f"`{change.place}`" in item for item in items)
    ]


class _Operations:
    """One operation in both documents."""

    def __init__(self, released: Schema, new: Schema, old_operation: Schema, new_operation: Schema) -> None:
        self._old_document, self._new_document = released, new
        self._old, self._new = old_operation, new_operation

    def breaks(self) -> Iterator[tuple[str, str]]:
        if self._old["operationId"] != self._new["operationId"]:
            yield "operationId", f"it is called `{self._new['operationId']}` now"
        if not self._old.get("security") and self._new.get("security"):
            yield "security", "anybody could call it, now a caller must sign in"
        yield from self._parameters()
        yield from self._body()
        yield from self._answers()

    def _parameters(self) -> Iterator[tuple[str, str]]:
        old = self._named_parameters(self._old_document, self._old)
        new = self._named_parameters(self._new_document, self._new)
        for place, parameter in old.items():
            if place not in new:
                yield place, "the parameter is gone"
                continue
            if new[place].get("required") and not parameter.get("required"):
                yield place, "the parameter is required now"
            yield from self._fits(parameter["schema"], new[place]["schema"], "request", place)
        for place in new.keys() - old.keys():
            if new[place].get("required"):
                yield place, "a new parameter is required"

    @staticmethod
    def _named_parameters(document: Schema, operation: Schema) -> dict[str, Schema]:
        parameters = [_resolved(document, parameter) for parameter in operation.get("parameters", ())]
        return {f"{parameter['in']}/{parameter['name']}": parameter for parameter in parameters}

    def _body(self) -> Iterator[tuple[str, str]]:
        old, new = self._old.get("requestBody"), self._new.get("requestBody")
        if new is not None and new.get("required") and not (old or {}).get("required"):
            yield "body", "a body is required now"
        if old is None:
            return
        for media_type, media in old["content"].items():
            now = (new or {"content": {}})["content"].get(media_type)
            if now is None:
                yield "body", f"{media_type} is no longer taken"
            else:
                yield from self._fits(media["schema"], now["schema"], "request", "body")

    def _answers(self) -> Iterator[tuple[str, str]]:
        for status, reference in self._old["responses"].items():
            if status not in self._new["responses"]:
                yield status, "the status is gone"
                continue
            old = _resolved(self._old_document, reference)
            new = _resolved(self._new_document, self._new["responses"][status])
            for header in old.get("headers", {}).keys() - new.get("headers", {}).keys():
                yield f"{status}/{header}", "the header is gone"
            for media_type, media in old.get("content", {}).items():
                now = new.get("content", {}).get(media_type)
                if now is None:
                    yield status, f"it is no longer answered as {media_type}"
                    continue
                yield from self._fits(now.get("schema", {}), media.get("schema", {}), "answer", status)
                if media_type == MEDIA_TYPE:
                    for code in media["examples"].keys() - now.get("examples", {}).keys():
                        yield f"{status}/{code}", "the error code is gone"

    def _fits(self, inner: Schema, outer: Schema, direction: Direction, place: str) -> Iterator[tuple[str, str]]:
        inner_document, outer_document = (
            (self._old_document, self._new_document)
            if direction == "request"
            else (self._new_document, self._old_document)
        )
        return _Comparison(inner_document, outer_document, direction).misfits(inner, outer, place)


class _Comparison:
    """Whether all values of an inner schema fit an outer one; each schema comes with its own document."""

    def __init__(self, inner_document: Schema, outer_document: Schema, direction: Direction) -> None:
        self._inner_document, self._outer_document = inner_document, outer_document
        self._direction = direction
        self._open: set[tuple[str, str]] = set()

    def misfits(self, inner: Schema, outer: Schema, place: str) -> Iterator[tuple[str, str]]:
        """Where and why not; a pair of named schemas that is being compared already is not entered again."""
        pair = (inner.get("$ref", ""), outer.get("$ref", ""))
        if all(pair):
            if pair in self._open:
                return
            self._open.add(pair)
        yield from self._variants(_variants(self._inner_document, inner), _variants(self._outer_document, outer), place)
        self._open.discard(pair)

    def _variants(self, inner: list[Schema], outer: list[Schema], place: str) -> Iterator[tuple[str, str]]:
        nulls = [[schema for schema in side if schema.get("type") == "null"] for side in (inner, outer)]
        if nulls[0] and not nulls[1] and {} not in outer:
            yield place, self._say("null is no longer taken", "it can be null now")
        inner = [schema for schema in inner if schema.get("type") != "null"]
        outer = [schema for schema in outer if schema.get("type") != "null"]
        if len(inner) == len(outer) == 1:
            yield from self._one(inner[0], outer[0], place)
            return
        for schema in inner:
            if not any(not list(self._one(schema, other, place)) for other in outer):
                kind = schema.get("title") or schema.get("type", "one")
                yield place, self._say(f"the variant {kind} is no longer taken", f"the variant {kind} is new")

    def _one(self, inner: Schema, outer: Schema, place: str) -> Iterator[tuple[str, str]]:
        if (misfit := self._type(inner, outer)) is not None:
            yield place, misfit
            return
        yield from self._values(inner, outer, place)
        if self._direction == "request":
            yield from self._limits(inner, outer, place)
        if "properties" in inner or "properties" in outer:
            yield from self._fields(inner, outer, place)
        for keyword in ("items", "additionalProperties"):
            if isinstance(inner.get(keyword), Mapping) and isinstance(outer.get(keyword), Mapping):
                yield from self.misfits(inner[keyword], outer[keyword], f"{place}/*")

    def _type(self, inner: Schema, outer: Schema) -> str | None:
        kind, allowed = inner.get("type"), outer.get("type")
        if allowed is None or kind == allowed or (kind, allowed) == ("integer", "number"):
            return None
        was, now = (kind, allowed) if self._direction == "request" else (allowed, kind)
        return f"the type {was or 'any'} is {now or 'any'} now"

    def _values(self, inner: Schema, outer: Schema, place: str) -> Iterator[tuple[str, str]]:
        allowed = _enumerated(outer)
        if allowed is not None:
            given = _enumerated(inner)
            for value in [None] if given is None else [value for value in given if value not in allowed]:
                named = "any value" if value is None else f"`{value}`"
                yield place, self._say(f"{named} is no longer taken", f"it can be {named} now")
        if "format" in outer and inner.get("format") != outer["format"]:
            was, now = (inner, outer) if self._direction == "request" else (outer, inner)
            yield place, f"the format {was.get('format', 'any')} is {now.get('format', 'any')} now"

    @staticmethod
    def _limits(inner: Schema, outer: Schema, place: str) -> Iterator[tuple[str, str]]:
        for bounds, sign in ((UPPER_BOUNDS, 1), (LOWER_BOUNDS, -1)):
            for bound in bounds:
                if bound in outer and (bound not in inner or sign * inner[bound] > sign * outer[bound]):
                    yield place, f"{bound} is {outer[bound]} now"
        for rule in RULES:
            if rule in outer and inner.get(rule) != outer[rule]:
                yield place, f"the rule `{rule}` is new or another now"

    def _fields(self, inner: Schema, outer: Schema, place: str) -> Iterator[tuple[str, str]]:
        given, known = inner.get("properties", {}), outer.get("properties", {})
        promised, wanted = set(inner.get("required", ())), set(outer.get("required", ()))
        for name, schema in known.items():
            at = f"{place}/{name}"
            if name in given:
                yield from self.misfits(given[name], schema, at)
                if name in wanted and name not in promised:
                    yield at, self._say("the field is required now", "the field can be missing now")
            elif self._direction == "answer":
                yield at, "the field is gone"
            elif name in wanted:
                yield at, "a new field is required"
        if self._direction == "request":
            for name in given.keys() - known.keys():
                yield f"{place}/{name}", "the field is gone"

    def _say(self, of_request: str, of_answer: str) -> str:
        return of_request if self._direction == "request" else of_answer


def _resolved(document: Schema, part: Schema) -> Schema:
    while "$ref" in part:
        _, _, kind, name = part["$ref"].split("/")
        part = document["components"][kind][name]
    return part


def _variants(document: Schema, schema: Schema) -> list[Schema]:
    """What a value may be: each of `anyOf` and `oneOf`, or the schema itself; a list of types is one for each."""
    schema = _resolved(document, schema)
    for keyword in ("anyOf", "oneOf"):
        if "type" not in schema and keyword in schema:
            beside: dict[str, Any] = {
                rule: schema[rule]
                for rule in (*RULES, *UPPER_BOUNDS, *LOWER_BOUNDS)
                if rule in schema.keys() - {keyword}
            }
            return [{**beside, **variant} for option in schema[keyword] for variant in _variants(document, option)]
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": kind} for kind in schema["type"]]
    return [schema]


def _enumerated(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")
