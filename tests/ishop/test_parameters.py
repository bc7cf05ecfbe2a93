"""What a route takes is read as FastAPI would read it: the same values, the same errors."""

from typing import Annotated, Any
from urllib.parse import urlencode

import httpx
import orjson
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import Response

from ishop.parameters import Parameters

Limit = Annotated[int, Query(ge=1, le=100)]
Name = Annotated[str | None, Query(max_length=5)]


async def filters(*, vendor: Name = None, price_min: Annotated[int | None, Query(ge=0)] = None) -> dict[str, Any]:
    return {"vendor": vendor, "price_min": price_min}


async def again(found: Annotated[dict[str, Any], Depends(filters)]) -> int:
    return id(found)


async def everything(
    *,
    request: Request,
    slug: str,
    found: Annotated[dict[str, Any], Depends(filters)],
    same: Annotated[int, Depends(again)],
    wanted: Annotated[bool, Query()],
    limit: Limit = 20,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    values = [request.method, slug, found, same == id(found), wanted, limit, if_none_match]
    return Response(orjson.dumps(values))


async def with_a_model(slug: str) -> dict[str, str]:
    return {"slug": slug}


async def with_a_list(names: Annotated[list[str], Query()]) -> Response:
    return Response(orjson.dumps(names))


async def with_a_body(body: dict[str, str]) -> Response:
    return Response(orjson.dumps(body))


async def with_a_number_in_the_path(slug: int) -> Response:
    return Response(orjson.dumps(slug))


class Read(APIRoute):
    """A route that is read in one pass."""

    def get_route_handler(self) -> Any:
        parameters = Parameters.of(self.dependant)
        assert parameters is not None
        return parameters.handle


async def _errors(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # FastAPI tells an error of a dependency as often as others depend on it.
    found = {(".".join(map(str, one["loc"])), one["type"], one["msg"]) for one in error.errors()}
    return Response(orjson.dumps(sorted(found)), 422)


def _app(route_class: type[APIRoute]) -> httpx.AsyncClient:
    app, router = FastAPI(), APIRouter(route_class=route_class)
    router.get("/{slug}")(everything)
    app.router.routes.extend(router.routes)
    app.add_exception_handler(RequestValidationError, _errors)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://market")


@settings(max_examples=50, deadline=None)
@given(
    pairs=st.lists(
        st.tuples(
            st.sampled_from(["vendor", "price_min", "wanted", "limit", "other"]),
            st.sampled_from(["", "0", "1", "20", "101", "-1", "true", "no", "abc", "abcdef", "1.0", " 7 "]),
        ),
        max_size=6,
    ),
    tag=st.sampled_from([None, '"7"', ""]),
)
async def test_reads_as_fastapi_does(pairs: list[tuple[str, str]], tag: str | None) -> None:
    headers = {} if tag is None else {"If-None-Match": tag}
    answers = []
    for route_class in (APIRoute, Read):
        async with _app(route_class) as client:
            answer = await client.get(f"/gula%20aren?{urlencode(pairs)}", headers=headers)
            answers.append((answer.status_code, answer.text))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("endpoint", [with_a_model, with_a_list, with_a_body, with_a_number_in_the_path])
def test_leaves_the_rest_to_fastapi(endpoint: Any) -> None:
    router = APIRouter()
    router.post("/{slug}")(endpoint)
    (route,) = router.routes
    assert isinstance(route, APIRoute)
    assert Parameters.of(route.dependant) is None
