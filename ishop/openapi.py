"""The OpenAPI document: what FastAPI draws from the routes, completed with what the kernel does for every one of them.

`service_document` completes one service, `merged_document` makes one document of all. Both look at declarations only:
a route that uses `signed_in` gets its security, one that requires a key its header, each the problems it may answer.
"""

import copy
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from ishop import auth, idempotency, problems
from ishop.errors import (
    AnswerNotKept,
    AppError,
    DeadlineExceeded,
    Forbidden,
    IdempotencyKeyRequired,
    IdempotencyKeyReused,
    InsufficientScope,
    InternalError,
    InvalidRequest,
    MalformedRequest,
    NotFound,
    PayloadTooLarge,
    PreconditionRequired,
    RequestInFlight,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
    VersionMismatch,
)
from ishop.openapi_examples import add_examples
from ishop.scopes import SCOPES, needed_scope

Document = dict[str, Any]
Operation = tuple[str, str, str]
"""Method, path template and the name of the service that answers it."""

VERSION: Final = "1.0.0"
SCHEMA_REFERENCE: Final = "#/components/schemas/{model}"
# What FastAPI documents by default; our validation errors are problems like all others.
REPLACED_SCHEMAS: Final = ("HTTPValidationError", "ValidationError")

DESCRIPTION: Final = """\
The open backend of a regional marketplace for small producers: find, order, restock, ship.

**Errors** are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) `application/problem+json`. `code` is stable, `detail`
is a sentence in the language of `Accept-Language` (`id` or `en`), `errors` names parts of the request by JSON pointer.
Not yours is 404, like not there.

**Sign in** with `POST /v1/auth/token` and send `Authorization: Bearer …`. Access tokens live ten minutes.
Programs send an API key (`POST /v1/api-keys`) in the same place; it may do what its scopes say.

**Retry safely**: send an `Idempotency-Key` with every POST and PATCH. The same key with the same request gets the first
answer again (`Idempotency-Replayed: true`), with another request 422. Keys are kept for 7 days.

**Lists** answer `items` and `next_cursor`; send it as `cursor` to go on. **Edits** carry `If-Match` with the `ETag` of
what was read. **Money** is a whole number of rupiah. **Times** are UTC. Unknown fields and parameters are refused.

Every answer has an `X-Request-Id`: name it when something goes wrong.\
"""

SECURITY_SCHEME: Final = "SignIn"
KEY_SCHEME: Final = "ApiKey"
GUARDS: Final = frozenset({auth.vendor_member, auth.organization_member, auth.office})

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

SCOPE_OR_ROLE: Final[list[type[AppError]]] = [InsufficientScope, Forbidden]
"""The two reasons of most 403s, documented together in the shared answer of the latter."""

COMPONENTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "securitySchemes": {
        SECURITY_SCHEME: {
            "type": "oauth2",
            "description": "Sign in with e-mail address and password; leave the client fields empty.",
            "flows": {"password": {"tokenUrl": "/v1/auth/token", "refreshUrl": "/v1/auth/token", "scopes": {}}},
        },
        KEY_SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "ishop_<prefix>_<secret>",
            "description": "An API key of a service account, sent like an access token. An operation names the scope "
            "that the key needs; operations that do not list this scheme are closed to keys. Scopes: "
            + ", ".join(f"`{scope}`" for scope in sorted(SCOPES))
            + ".",
        },
    },
    "parameters": {
        "AcceptLanguage": {
            "name": "Accept-Language",
            "in": "header",
            "description": "Language of texts and errors: `id` (default) or `en`",
            "schema": {"type": "string", "examples": ["en"]},
        },
        "RequestId": {
            "name": "X-Request-Id",
            "in": "header",
            "description": "Your own id for this request; without one the answer brings one",
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9-]{8,64}$"},
        },
        "IdempotencyKey": {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Makes the request safe to send again",
            "schema": {"type": "string", "minLength": 1, "maxLength": idempotency.MAX_KEY_LENGTH},
        },
        "RequiredIdempotencyKey": {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "description": "Makes the request safe to send again; this operation does not go without",
            "schema": {"type": "string", "minLength": 1, "maxLength": idempotency.MAX_KEY_LENGTH},
        },
    },
    "headers": {
        "RequestId": {"description": "The id of this request", "schema": {"type": "string"}},
        "RetryAfter": {"description": "Seconds to wait before another try", "schema": {"type": "integer"}},
        "RateLimit": {
            "description": "What is left: `r` requests in the next `t` seconds",
            "schema": {"type": "string", "examples": ['"reads";r=598;t=41']},
        },
        "RateLimitPolicy": {
            "description": "The limit: `q` requests in `w` seconds",
            "schema": {"type": "string", "examples": ['"reads";q=600;w=60']},
        },
        "Authenticate": {"description": "How to sign in", "schema": {"type": "string", "examples": ["Bearer"]}},
        "Deprecation": {
            "description": "Since when what was called is deprecated: `@` and seconds since 1970 (RFC 9745)",
            "schema": {"type": "string", "examples": ["@1798761600"]},
        },
        "Sunset": {
            "description": "Until when it works (RFC 8594)",
            "schema": {"type": "string", "examples": ["Thu, 31 Dec 2026 23:59:59 GMT"]},
        },
        "Link": {
            "description": "What to call instead (`successor-version`) and where that is told (`deprecation`)",
            "schema": {"type": "string", "examples": ['</v1/orders>; rel="successor-version"']},
        },
        "Replayed": {
            "description": "`true` where this is the first answer again",
            "schema": {"type": "string", "examples": ["true"]},
        },
    },
}

HEADERS_OF_STATUS: Final[Mapping[int, Mapping[str, str]]] = {
    401: {"WWW-Authenticate": "Authenticate"},
    429: {"Retry-After": "RetryAfter", "RateLimit": "RateLimit", "RateLimit-Policy": "RateLimitPolicy"},
    503: {"Retry-After": "RetryAfter"},
}


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
                _complete(item[method.lower()], method, _calls(route.dependant))
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


def _complete(operation: Document, method: str, calls: frozenset[Callable[..., Any]]) -> None:
    _summarise(operation)
    parameters = operation.setdefault("parameters", [])
    names = {parameter["name"].lower() for parameter in parameters}
    in_path = any(parameter["in"] == "path" for parameter in parameters)
    shown_once = idempotency.shown_once in calls
    keyed = method in {"POST", "PATCH"} and auth.signed_in in calls
    key_required = idempotency.required_key in calls
    if auth.signed_in in calls:
        scope = needed_scope(operation["tags"][0], [method])
        scopes = [scope] if scope in SCOPES else []
        operation["security"] = [{SECURITY_SCHEME: []}, *([{KEY_SCHEME: scopes}] if scopes else [])]
    if key_required or keyed:
        parameters.append(_reference("parameters", "RequiredIdempotencyKey" if key_required else "IdempotencyKey"))
    parameters += [_reference("parameters", "AcceptLanguage"), _reference("parameters", "RequestId")]

    has_body = "requestBody" in operation
    applies: dict[type[AppError], bool] = {
        MalformedRequest: True,
        IdempotencyKeyRequired: key_required,
        Unauthenticated: auth.signed_in in calls,
        InsufficientScope: auth.signed_in in calls,
        Forbidden: bool(GUARDS & calls),
        NotFound: in_path,
        RequestInFlight: keyed,
        AnswerNotKept: keyed and shown_once,
        VersionMismatch: "if-match" in names,
        PayloadTooLarge: has_body,
        UnsupportedMediaType: has_body,
        InvalidRequest: True,
        IdempotencyKeyReused: keyed,
        PreconditionRequired: "if-match" in names,
        TooManyRequests: True,
        InternalError: True,
        Unavailable: True,
        DeadlineExceeded: True,
    }
    declared = operation["responses"]
    if "if-none-match" in names:
        declared.setdefault("304", {"description": "What the caller has still holds"})
    _add_problems(declared, [error for error, holds in applies.items() if holds])
    for status, response in declared.items():
        if "$ref" in response:
            continue
        _add_headers(response, int(status))
        if keyed and not shown_once and int(status) < HTTPStatus.BAD_REQUEST:
            response["headers"]["Idempotency-Replayed"] = _reference("headers", "Replayed")
    operation["responses"] = {status: declared[status] for status in sorted(declared)}


def _summarise(operation: Document) -> None:
    """The first line of the docstring says more than the bare verb that FastAPI makes of the handler's name."""
    first, _, rest = operation.pop("description", operation["summary"]).partition("\n")
    operation["summary"] = first.rstrip(".")
    if rest.strip():
        operation["description"] = rest.strip()


def _add_problems(declared: Document, errors: list[type[AppError]]) -> None:
    """Add `errors` to what the route declared; a status that has nothing special refers to the shared answer."""
    for status in [status for status in declared if int(status) >= HTTPStatus.BAD_REQUEST]:
        _as_problem(declared, status)
    by_status: dict[str, list[type[AppError]]] = {}
    for error in errors:
        by_status.setdefault(str(error.status), []).append(error)
    for status, classes in by_status.items():
        if status not in declared and (len(classes) == 1 or classes == SCOPE_OR_ROLE):
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
        if error is SCOPE_OR_ROLE[-1]:
            _join(shared[error.__name__], _problem(SCOPE_OR_ROLE[0]))
        _add_headers(shared[error.__name__], error.status)
    return shared


def _add_headers(response: Document, status: int) -> None:
    names = {"X-Request-Id": "RequestId", **HEADERS_OF_STATUS.get(status, {})}
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
