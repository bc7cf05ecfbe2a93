"""What things are called and where they come from: public, and kept by caches for minutes."""

from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from ishop import problems
from ishop.errors import InvalidRequest, NotFound
from ishop.etags import IfNoneMatch, public_answer
from ishop.pagination import CursorText, Limit
from ishop.routing import CallerLanguage, Session, service_router
from ishop.schemas import Page
from services.catalog.taxonomy import repository
from services.catalog.taxonomy.schemas import CategoryRead, CommodityRead, RegionRead

router = service_router(tags=["taxonomy"])

MAX_AGE_SECONDS = 300
"""Names change a few times a year."""

Category = Annotated[str | None, Query(max_length=100, description="Slug of a category", examples=["gula_pemanis"])]


@router.get("/v1/categories", response_model=Page[CategoryRead])
async def list_categories(session: Session, language: CallerLanguage, if_none_match: IfNoneMatch = None) -> Response:
    """All categories, in the order of the shelves."""
    page = Page[CategoryRead](items=await repository.list_categories(session, language))
    return public_answer(page.model_dump_json().encode(), language, if_none_match, max_age=MAX_AGE_SECONDS)


@router.get("/v1/regions", response_model=Page[RegionRead])
async def list_regions(session: Session, language: CallerLanguage, if_none_match: IfNoneMatch = None) -> Response:
    """All regions that producers come from."""
    page = Page[RegionRead](items=await repository.list_regions(session))
    return public_answer(page.model_dump_json().encode(), language, if_none_match, max_age=MAX_AGE_SECONDS)


@router.get("/v1/commodities", response_model=Page[CommodityRead], responses=problems.responses(InvalidRequest))
async def list_commodities(
    *,
    request: Request,
    session: Session,
    language: CallerLanguage,
    category: Category = None,
    limit: Limit = 100,
    cursor: CursorText = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Commodities by slug, of one category where one is named."""
    cursors, filters = request.app.state.cursors, {"category": category}
    last = cursors.read(cursor, "commodities", filters)
    found = await repository.list_commodities(
        session, language, category=category, behind=last[0] if last else None, limit=limit + 1
    )
    more = cursors.write("commodities", filters, [found[limit - 1].slug]) if len(found) > limit else None
    page = Page[CommodityRead](items=found[:limit], next_cursor=more)
    return public_answer(page.model_dump_json().encode(), language, if_none_match, max_age=MAX_AGE_SECONDS)


@router.get("/v1/commodities/{slug}", response_model=CommodityRead, responses=problems.responses(NotFound))
async def get_commodity(
    slug: str, session: Session, language: CallerLanguage, if_none_match: IfNoneMatch = None
) -> Response:
    """One commodity by its slug."""
    commodity = await repository.get_commodity(session, slug, language)
    return public_answer(commodity.model_dump_json().encode(), language, if_none_match, max_age=MAX_AGE_SECONDS)
