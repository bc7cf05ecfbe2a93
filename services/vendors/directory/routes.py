"""The public directory of vendors: a list, and a page for each."""

from typing import Annotated

from fastapi import Path, Query, Request
from starlette.responses import Response

from ishop import problems
from ishop.errors import InvalidRequest, NotFound
from ishop.etags import IfNoneMatch, public_answer
from ishop.pagination import CursorText, Limit
from ishop.routing import CallerLanguage, Session, service_router
from ishop.schemas import Page
from services.vendors.directory import repository
from services.vendors.directory.schemas import Sort, VendorRead

router = service_router(tags=["vendors"])

MAX_AGE_SECONDS = 30
"""A vendor that is suspended or loses a certificate is gone from every cache after this."""

Region = Annotated[
    str | None, Query(pattern=r"^[0-9]{2}\.[0-9]{2}$", description="Code of a regency", examples=["52.01"])
]
CertificateKind = Annotated[
    str | None, Query(pattern=r"^[A-Z][A-Z0-9_]{1,30}$", description="Kind of a valid certificate", examples=["HALAL"])
]
SortBy = Annotated[Sort, Query(description="`name`, or `newest`: who joined last comes first")]
Reference = Annotated[str, Path(max_length=200, description="Id or slug")]


@router.get("/v1/vendors", response_model=Page[VendorRead], responses=problems.responses(InvalidRequest))
async def list_vendors(
    *,
    request: Request,
    session: Session,
    language: CallerLanguage,
    region: Region = None,
    certificate: CertificateKind = None,
    sort: SortBy = "name",
    limit: Limit = 20,
    cursor: CursorText = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """List the active vendors."""
    cursors = request.app.state.cursors
    filters = {"region": region, "certificate": certificate, "sort": sort}
    behind = cursors.read(cursor, "vendors", filters)
    found = await repository.list_vendors(
        session, language, region=region, certificate=certificate, sort=sort, behind=behind, limit=limit + 1
    )
    more = cursors.write("vendors", filters, repository.sort_key(found[limit - 1], sort)) if found[limit:] else None
    page = Page[VendorRead](items=found[:limit], next_cursor=more)
    return public_answer(page.model_dump_json().encode(), language, if_none_match, max_age=MAX_AGE_SECONDS)


@router.get("/v1/vendors/{vendor}", response_model=VendorRead, responses=problems.responses(NotFound, InvalidRequest))
async def get(
    session: Session, language: CallerLanguage, vendor: Reference, if_none_match: IfNoneMatch = None
) -> Response:
    """Show one active vendor."""
    found = await repository.get(session, language, vendor)
    return public_answer(found.model_dump_json().encode(), language, if_none_match, max_age=MAX_AGE_SECONDS)
