"""The OpenAPI document: what FastAPI draws from the routes, completed with what the kernel does for every one of them.

`service_document` completes one service, `merged_document` makes one document of all. Both look at declarations only:
a route that uses `signed_in` gets its security, one that requires a key its header, each the problems it may answer.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from ishop import auth, idempotency, problems
from ishop.errors import (
    AnswerNotKept,
    AppError,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    IdempotencyKeyRequired,
    IdempotencyKeyReused,
    InsufficientScope,
    InternalError,
    InvalidRequest,
    MalformedRequest,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    PreconditionRequired,
    RequestInFlight,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
    VersionMismatch,
)
from ishop.openapi_components import (
    COMPONENTS,
    DESCRIPTION,
    HEADERS_OF_ALL,
    HEADERS_OF_STATUS,
    KEY_SCHEME,
    SECURITY_SCHEME,
)
from ishop.openapi_examples import add_examples
from ishop.openapi_rules import add_rules
from ishop.scopes import SCOPES, needed_scope

Document = dict[str, Any]
Operation = tuple[str, str, str]
"""Method, path template and the name of the service that answers it."""

VERSION: Final = "1.0.0"
SCHEMA_REFERENCE: Final = "#/components/schemas/{model}"
PLAIN_SUCCESS: Final = "Successful Response"
# What FastAPI documents by default; our validation errors are problems like all others.
REPLACED_SCHEMAS: Final = ("HTTPValidationError", "ValidationError")

GUARDS: Final[Mapping[Callable[..., Any], str]] = {
    auth.office: "For the office.",
    auth.vendor_member: "For members of a vendor.",
    auth.organization_member: "For members of an organization.",
}
"""Who may call, the narrowest first; a caller of another kind is 403."""

SHARED_ERRORS: Final = (
    MalformedRequest,
    Unauthenticated,
    Forbidden,
    InsufficientScope,
    NotFound,
    RequestInFlight,
    VersionMismatch,
    PayloadTooLarge,
    UnsupportedMediaType,
    InvalidRequest,
    PreconditionRequired,
    TooManyRequests,
    InternalError,
    Unavailable,
    DeadlineExceeded,
)
"""What operations answer that declare nothing of their own with the same status."""

TOGETHER: Final[list[list[type[AppError]]]] = [[InsufficientScope, Forbidden], [Overloaded, Unavailable]]
"""The two reasons of most 403s, and those of all 503s, documented together in the shared answer of the latter."""


def service_document(app: FastAPI) -> Document:
    """The document of one service, with security, headers, problems and examples on every operation."""
    document: Document = copy.deepcopy(app.openapi())
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in REPLACED_SCHEMAS:
        schemas.pop(name, None)
    schemas["Problem"] = problems.Problem.model_json_schema(ref_template=SCHEMA_REFERENCE, mode="serialization")
    for route in iter_route_contexts(app.routes):
        item = document["paths"].get(route.path_format, {})
        for method in sorted(route.methods or ()):
            if method.lower() in item:
                _complete(item[method.lower()], method, _calls(route.dependant), schemas)
    add_rules(document)
    add_examples(document)
    return document


def merged_document(documents: Mapping[str, Document], operations: Iterable[Operation]) -> Document:
    """One document of `operations`, in their order. Raises ValueError where the services contradict each other.

    An operation that its service does not have, an operationId used twice and two different schemas of one name are
    mistakes of ours, which the message names.
    """
    paths: dict[str, dict[str, Any]] = {}
    tags: dict[str, None] = {}
    ids: dict[str, str] = {}
    for method, path, service in operations:
        operation = documents[service]["paths"].get(path, {}).get(method.lower())
        if operation is None:
            raise ValueError(f"{method} {path} is in the route table, but not in the service {service}")
        name = f"{method} {path}"
        if ids.setdefault(operation["operationId"], name) != name:
            raise ValueError(f"{name} and {ids[operation['operationId']]} have the same operationId")
        paths.setdefault(path, {})[method.lower()] = operation
        tags.update(dict.fromkeys(operation["tags"]))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "i-Shop API",
            "version": VERSION,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in tags],
        "paths": paths,
        "components": {"schemas": _merged_schemas(documents), **COMPONENTS, "responses": _shared_responses()},
    }


def _merged_schemas(documents: Mapping[str, Document]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for service, document in documents.items():
        for name, schema in document["components"]["schemas"].items():
            if merged.setdefault(name, schema) != schema:
                raise ValueError(f"The services {origin[name]} and {service} have different schemas named {name}")
            origin.setdefault(name, service)
    return {name: merged[name] for name in sorted(merged)}


def _complete(operation: Document, method: str, calls: frozenset[Callable[..., Any]], schemas: Document) -> None:
    _summarise(operation)
    parameters = operation.setdefault("parameters", [])
    for parameter in parameters:
        if parameter["in"] == "path":
            parameter.setdefault("description", _of_path(parameter["name"]))
    names = {parameter["name"].lower() for parameter in parameters}
    in_path = any(parameter["in"] == "path" for parameter in parameters)
    shown_once = idempotency.shown_once in calls
    keyed = method in {"POST", "PATCH"} and auth.signed_in in calls
    key_required = idempotency.required_key in calls
    operation["security"] = _security(operation["tags"][0], method) if auth.signed_in in calls else []
    sentences = [_who(calls), *_manners(method, names, keyed=keyed, key_required=key_required)]
    operation["description"] = "\n\n".join(filter(None, [operation.get("description"), " ".join(sentences)]))
    if key_required or keyed:
        parameters.append(_reference("parameters", "RequiredIdempotencyKey" if key_required else "IdempotencyKey"))
    parameters += [_reference("parameters", "AcceptLanguage"), _reference("parameters", "RequestId")]

    has_body = "requestBody" in operation
    applies: dict[type[AppError], bool] = {
        MalformedRequest: True,
        IdempotencyKeyRequired: keyed or key_required,
        Unauthenticated: True,
        InsufficientScope: auth.signed_in in calls,
        Forbidden: bool(GUARDS.keys() & calls),
        NotFound: in_path,
        Conflict: keyed,
        RequestInFlight: keyed,
        AnswerNotKept: keyed and shown_once,
        VersionMismatch: "if-match" in names,
        PayloadTooLarge: True,
        UnsupportedMediaType: has_body,
        InvalidRequest: True,
        IdempotencyKeyReused: keyed,
        PreconditionRequired: "if-match" in names,
        TooManyRequests: True,
        InternalError: True,
        Overloaded: True,
        Unavailable: True,
        DeadlineExceeded: True,
    }
    declared = operation["responses"]
    if "if-none-match" in names:
        declared.setdefault("304", {"description": "What the caller has still holds."})
    _add_problems(declared, [error for error, holds in applies.items() if holds])
    for status, response in declared.items():
        if "$ref" in response:
            continue
        _add_headers(response, int(status))
        if int(status) < HTTPStatus.BAD_REQUEST:
            _add_success(response, schemas, cached="if-none-match" in names)
        if keyed and not shown_once and int(status) < HTTPStatus.BAD_REQUEST:
            response["headers"]["Idempotency-Replayed"] = _reference("headers", "Replayed")
    operation["responses"] = {status: declared[status] for status in sorted(declared)}


def _summarise(operation: Document) -> None:
    """The first line of the docstring says more than the bare verb that FastAPI makes of the handler's name."""
    first, _, rest = operation.pop("description", operation["summary"]).partition("\n")
    operation["summary"] = first.rstrip(".")
    if rest.strip():
        operation["description"] = rest.strip()


def _security(tag: str, method: str) -> list[dict[str, list[str]]]:
    """How to call: signed in, and where a scope allows it with an API key."""
    scope = needed_scope(tag, [method])
    return [{SECURITY_SCHEME: []}, *([{KEY_SCHEME: [scope]}] if scope in SCOPES else [])]


def _of_path(name: str) -> str:
    """`order_id`: "Id of the order", and so on."""
    thing, _, what = name.rpartition("_")
    known = {"id": f"Id of the {thing.replace('_', ' ')}", "slug": "Id or slug" if thing else "Slug"}
    return known.get(what, "Id or slug")


def _who(calls: frozenset[Callable[..., Any]]) -> str:
    if auth.signed_in not in calls:
        return "Public."
    return next((sentence for guard, sentence in GUARDS.items() if guard in calls), "For everybody who is signed in.")


def _manners(method: str, names: set[str], *, keyed: bool, key_required: bool) -> Iterator[str]:
    """What every client wants to know: may it be sent again, kept, gone on with?"""
    if method == "GET":
        yield "Safe to repeat."
    elif key_required:
        yield "Safe to repeat with the same `Idempotency-Key`, which is required."
    elif keyed:
        yield "Safe to repeat with the same `Idempotency-Key`."
    if "if-none-match" in names:
        yield "Cacheable: send the `ETag` back as `If-None-Match`."
    if "if-match" in names:
        yield "Send the `ETag` of what you read as `If-Match`."
    if "cursor" in names:
        yield "A page holds at most `limit` items; send its `next_cursor` as `cursor` for the next."


def _add_success(response: Document, schemas: Document, *, cached: bool) -> None:
    """Describe an answer by its schema, where FastAPI says no more than that it is one."""
    response["headers"]["Cache-Control"] = _reference("headers", "Cache-Control")
    if cached:
        response["headers"]["ETag"] = _reference("headers", "ETag")
        response["headers"]["Content-Language"] = _reference("headers", "Content-Language")
    if response["description"] == PLAIN_SUCCESS:
        shown = response.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
        described = schemas.get(shown.rpartition("/")[2], {}).get("description", "Done.")
        response["description"] = " ".join(described.split())


def _add_problems(declared: Document, errors: list[type[AppError]]) -> None:
    """Add `errors` to what the route declared; a status that has nothing special refers to the shared answer."""
    for status in [status for status in declared if int(status) >= HTTPStatus.BAD_REQUEST]:
        _as_problem(declared, status)
    by_status: dict[str, list[type[AppError]]] = {}
    for error in errors:
        by_status.setdefault(str(error.status), []).append(error)
    for status, classes in by_status.items():
        if status not in declared and (len(classes) == 1 or classes in TOGETHER):
            declared[status] = _reference("responses", classes[-1].__name__)
            continue
        for error in classes:
            _join(declared.setdefault(status, _problem(error)), _problem(error))


def _as_problem(declared: Document, status: str) -> None:
    """FastAPI documents the schema of a declared problem under application/json; it belongs under our media type."""
    content = declared[status].get("content", {})
    plain = content.pop("application/json", {}).get("schema", {}).get("$ref", "")
    if plain.endswith("/HTTPValidationError"):
        del declared[status]
    elif problems.MEDIA_TYPE in content:
        content[problems.MEDIA_TYPE]["schema"] = _reference("schemas", "Problem")


def _problem(error: type[AppError]) -> Document:
    """The answer of one error."""
    documented = problems.responses(error)[error.status]
    content = documented["content"]
    content[problems.MEDIA_TYPE]["schema"] = _reference("schemas", "Problem")
    return {"description": documented["description"], "content": content}


def _join(own: Document, other: Document) -> None:
    """Add the code of `other` where `own` does not have it yet."""
    known = own["content"][problems.MEDIA_TYPE].setdefault("examples", {})
    added = other["content"][problems.MEDIA_TYPE]["examples"]
    if not added.keys() <= known.keys():
        known.update(added)
        own["description"] = f"{own['description']} {other['description']}".strip()


def _shared_responses() -> dict[str, Document]:
    shared = {}
    for error in SHARED_ERRORS:
        shared[error.__name__] = _problem(error)
        for other, last in TOGETHER:
            if error is last:
                _join(shared[error.__name__], _problem(other))
        _add_headers(shared[error.__name__], error.status)
    return shared


def _add_headers(response: Document, status: int) -> None:
    names = {**HEADERS_OF_ALL, **HEADERS_OF_STATUS.get(status, {})}
    headers = response.setdefault("headers", {})
    headers.update({name: _reference("headers", component) for name, component in names.items()})


def _reference(kind: str, name: str) -> Document:
    return {"$ref": f"#/components/{kind}/{name}"}


def _calls(dependant: Dependant) -> frozenset[Callable[..., Any]]:
    """Everything that is called before a route's handler."""
    found: set[Callable[..., Any]] = set() if dependant.call is None else {dependant.call}
    for inner in dependant.dependencies:
        found |= _calls(inner)
    return frozenset(found)
