"""Search and what completes it: public."""

import hashlib
from typing import Annotated

import orjson
from fastapi import Depends, Query, Request
from starlette.responses import Response

from ishop import problems
from ishop.errors import InvalidRequest
from ishop.etags import IfNoneMatch, public_answer
from ishop.routing import CallerLanguage, service_router
from services.catalog.products.routes import Filters
from services.catalog.search.index.port import REACHABLE, EngineHit
from services.catalog.search.places import Place
from services.catalog.search.schemas import Facet, SearchAnswer, SearchSort, Suggestions
from services.catalog.search.service import Found, SearchRequest

router = service_router(tags=["search"])

MAX_AGE_SECONDS = 1
SUGGESTION_MAX_AGE_SECONDS = 60
FARTHEST_KM = 20_000
# For readers of the document; what is refused, and how, is decided where it is read.
PLACE = r"^-?([0-8]?[0-9](\.[0-9]+)?|90(\.0+)?),-?((1[0-7][0-9]|[0-9]?[0-9])(\.[0-9]+)?|180(\.0+)?)$"

Words = Annotated[
    str,
    Query(
        max_length=1000,
        description="What is wanted, as people type it; the first 200 characters are read. Blank is any product",
        examples=["gula arn"],
    ),
]
Near = Annotated[
    str | None,
    Query(
        max_length=100,
        description="Latitude and longitude that distances are from",
        examples=["-8.5833,116.1167"],
        json_schema_extra={"pattern": PLACE},
    ),
]
RadiusKm = Annotated[
    float | None, Query(gt=0, le=FARTHEST_KM, description="Only what is this near to `near`, which it needs")
]
Facets = Annotated[
    str,
    Query(
        max_length=200,
        description="What to count hits by, parted by commas",
        examples=["category,region"],
        json_schema_extra={"pattern": f"^({'|'.join(Facet)})?(,({'|'.join(Facet)}))*$"},
    ),
]


async def search_request(
    *,
    filters: Filters,
    q: Words = "",
    near: Near = None,
    radius_km: RadiusKm = None,
    sort: Annotated[
        SearchSort, Query(description="Sorted otherwise than by relevance, related goods are left out")
    ] = SearchSort.relevance,
    facets: Facets = "",
    page: Annotated[int, Query(ge=1, description="The first page is 1", json_schema_extra={"maximum": REACHABLE})] = 1,
    per_page: Annotated[int, Query(ge=1, le=100, description="page x per_page is at most 1,000")] = 20,
) -> SearchRequest:
    """A search, with what does not fit together refused."""
    if near is None and radius_km is not None:
        raise _wrong("radius_km", "needs_near", "radius_km needs near.")
    if near is None and sort is SearchSort.distance:
        raise _wrong("sort", "needs_near", "The sort distance needs near.")
    if page * per_page > REACHABLE:
        raise _wrong("page", "too_far", f"page x per_page is at most {REACHABLE}; narrow the search instead.")
    return SearchRequest(q, filters, sort, _place(near), radius_km, _facets(facets), page, per_page)


@router.get("/v1/search/products", response_model=SearchAnswer, responses=problems.responses(InvalidRequest))
async def products(
    request: Request,
    language: CallerLanguage,
    search: Annotated[SearchRequest, Depends(search_request)],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Find products by what people call them; typing errors, dialect and English words are understood.

    `suggestion` is the query as it was read, where that is not how it was written. `engine` says who searched; with
    `total_is_exact` false there are more hits than were counted.
    """
    found = await request.app.state.search.find(search, language)
    body = _answer(search, found)
    version = hashlib.blake2b(body, digest_size=12).hexdigest()
    timed = body[:-1] + b',"took_ms":' + orjson.dumps(found.took_ms) + b"}"
    return public_answer(timed, language, if_none_match, max_age=MAX_AGE_SECONDS, version=version)


@router.get("/v1/search/suggestions", response_model=Suggestions, responses=problems.responses(InvalidRequest))
async def suggestions(
    request: Request,
    language: CallerLanguage,
    q: Words,
    limit: Annotated[int, Query(ge=1, le=20, description="How many at most")] = 8,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Complete what is being typed."""
    answer = Suggestions(suggestions=await request.app.state.search.complete(q, limit))
    return public_answer(answer.model_dump_json().encode(), language, if_none_match, max_age=SUGGESTION_MAX_AGE_SECONDS)


def _place(near: str | None) -> Place | None:
    if near is None:
        return None
    try:
        return Place.parse(near)
    except ValueError as error:
        raise _wrong("near", "not_a_place", "near is a latitude and a longitude: -8.5833,116.1167.") from error


def _facets(names: str) -> tuple[Facet, ...]:
    asked = dict.fromkeys(name.strip() for name in names.split(",") if name.strip())
    known = {facet.value: facet for facet in Facet}
    if not known.keys() >= asked.keys():
        raise _wrong("facets", "unknown_facet", f"Choose among {', '.join(known)}.")
    return tuple(known[name] for name in asked)


def _wrong(parameter: str, code: str, detail: str) -> InvalidRequest:
    return InvalidRequest(errors=[{"pointer": f"/{parameter}", "in": "query", "code": code, "detail": detail}])


def _answer(search: SearchRequest, found: Found) -> bytes:
    """The answer without the time it took, around documents that are JSON already."""
    answer = found.answer
    rest = {
        "total": answer.total,
        "total_is_exact": answer.total_is_exact,
        "facets": {facet.value: counts for facet, counts in answer.facets.items()},
        "engine": answer.engine,
        "suggestion": found.suggestion,
        "page": search.page,
        "per_page": search.per_page,
    }
    return b'{"hits":[' + b",".join(map(_hit, answer.hits)) + b"]," + orjson.dumps(rest)[1:]


def _hit(hit: EngineHit) -> bytes:
    distance = None if hit.distance_km is None else round(hit.distance_km, 2)
    more = {"price_from": {"amount": hit.price_from, "currency": "IDR"}, "distance_km": distance}
    return hit.document.rstrip().removesuffix("}").encode() + b"," + orjson.dumps(more)[1:]
