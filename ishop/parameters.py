"""What a route takes from the address and the header fields, read in one pass of pydantic.

FastAPI looks at each parameter by itself, whether it was sent or not. For a list with a dozen filters that was a fifth
of all that the list costs. A route that answers whole, takes no body, and whose dependencies are plain coroutines is
read here instead, by the same declarations and with the same errors; every other route is FastAPI's.
"""

import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any, Final

from fastapi import Request
from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError, create_model
from starlette.responses import Response

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

TEXT: Final = str | None
IMMUTABLE: Final = (str, int, float, bool, type(None))
OTHERS: Final = (
    "cookie_params", "body_params", "websocket_param_name", "http_connection_param_name", "response_param_name",
    "background_tasks_param_name", "security_scopes_param_name", "own_oauth_scopes",
)  # fmt: skip
"""What else FastAPI can give to an endpoint."""


class Parameters:
    """Reads what one route's endpoint and its dependencies take, and calls them."""

    def __init__(self, dependant: Dependant) -> None:
        self._dependant = dependant
        fields = {field.alias: field for node in _nodes(dependant) for field in node.query_params}
        self._names = {alias: f"p{place}" for place, alias in enumerate(fields)}
        declared: dict[str, Any] = {self._names[alias]: _declared(field) for alias, field in fields.items()}
        self._model: type[BaseModel] | None = create_model("Query", **declared) if declared else None

    @classmethod
    def of(cls, dependant: Dependant) -> "Parameters | None":
        """The parameters of a route, or None where it has what only FastAPI gives."""
        if dependant.call is None or inspect.signature(dependant.call).return_annotation is not Response:
            return None
        fields: dict[str, ModelField] = {}
        for node in _nodes(dependant):
            if not inspect.iscoroutinefunction(node.call) or any(getattr(node, name) for name in OTHERS):
                return None
            texts = [*node.path_params, *node.header_params]
            if not all(_is_text(field) for field in texts) or not all(map(_is_single, node.query_params)):
                return None
            for field in node.query_params:
                if fields.setdefault(field.alias, field) is not field:
                    return None
        return cls(dependant)

    async def handle(self, request: Request) -> Response:
        """What the endpoint answers. Raises RequestValidationError."""
        answer: Response = await self._call(self._dependant, request, self._query(request), {})
        return answer

    def _query(self, request: Request) -> Mapping[str, Any]:
        if self._model is None:
            return {}
        try:
            read = self._model.model_validate(dict(request.query_params) if request.scope["query_string"] else {})
        except ValidationError as error:
            # The input of a field that is missing would be all of the others.
            found = error.errors(include_url=False)
            raise RequestValidationError([{**one, "loc": ("query", *one["loc"])} for one in found]) from error
        return read.__dict__

    async def _call(self, node: Dependant, request: Request, query: Mapping[str, Any], known: dict[Any, Any]) -> Any:
        """Call a node of the tree, what it depends on first; `known` has what was called for this request already."""
        values: dict[str, Any] = {}
        for inner in node.dependencies:
            if inner.call not in known:
                known[inner.call] = await self._call(inner, request, query, known)
            if inner.name is not None:
                values[inner.name] = known[inner.call]
        for field in node.query_params:
            values[field.name] = query[self._names[field.alias]]
        for field in node.path_params:
            values[field.name] = request.path_params[field.alias]
        for field in node.header_params:
            values[field.name] = request.headers.get(field.alias)
        if node.request_param_name is not None:
            values[node.request_param_name] = request
        assert node.call is not None  # noqa: S101 - `of` has seen that there is one.
        return await node.call(**values)


def _nodes(dependant: Dependant) -> list[Dependant]:
    """The endpoint and all that it depends on, each once."""
    found: dict[Any, Dependant] = {}
    left = [dependant]
    while left:
        node = left.pop()
        if node.call not in found:
            found[node.call] = node
            left.extend(node.dependencies)
    return list(found.values())


def _declared(field: ModelField) -> tuple[Any, Any]:
    info = field.field_info
    default = ... if info.is_required() else info.default
    kind: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    return (kind, Field(default, alias=field.alias))


def _is_text(field: ModelField) -> bool:
    """Whether it is a part of the path as it came, or an optional header field: there is nothing to check."""
    info = field.field_info
    return info.annotation in (str, TEXT) and not info.metadata and (info.annotation is str or info.default is None)


def _is_single(field: ModelField) -> bool:
    """Whether it is one value, and needs no new default for each request."""
    info = field.field_info
    is_list = "list" in str(info.annotation) or "set" in str(info.annotation)
    is_model = inspect.isclass(info.annotation) and issubclass(info.annotation, BaseModel)
    return not is_list and not is_model and (info.is_required() or isinstance(info.default, IMMUTABLE))
