"""Placing orders: a consumer's, and an organization's by exact skus; and what either would cost."""

from functools import partial
from typing import Annotated

from fastapi import Depends
from starlette.responses import Response

from ishop import clock, problems
from ishop.auth import Caller, OrganizationMember, Principal
from ishop.database import Database
from ishop.errors import (
    Forbidden,
    IdempotencyKeyRequired,
    InvalidRequest,
    Language,
    NotFound,
    RequestInFlight,
    Unauthenticated,
    Unavailable,
)
from ishop.etags import etag
from ishop.idempotency import Claim
from ishop.openapi_components import shows
from ishop.routing import CallerLanguage, OwnClaim, ServiceDatabase, service_router
from services.orders.answers import json_answer
from services.orders.lifecycle.schemas import OrderRead, order_document
from services.orders.lifecycle.service import BUYING_ROLES
from services.orders.placement import service
from services.orders.placement.errors import CertificateExpired, InsufficientStock, TotalChanged
from services.orders.placement.schemas import (
    BulkOrderCreate,
    BulkOrderPreviewRequest,
    OrderCreate,
    OrderPreview,
    OrderPreviewRequest,
    preview_document,
)

router = service_router(tags=["orders"])
bulk_router = service_router(tags=["bulk-orders"])

PLACED = shows(201, "Location", "ETag", "Content-Language") | problems.responses(
    IdempotencyKeyRequired,
    Unauthenticated,
    Forbidden,
    NotFound,
    InsufficientStock,
    TotalChanged,
    CertificateExpired,
    RequestInFlight,
    InvalidRequest,
    Unavailable,
)
PREVIEW_ERRORS = problems.responses(Unauthenticated, Forbidden, NotFound, CertificateExpired, InvalidRequest)


async def organization_buyer(caller: OrganizationMember) -> Principal:
    """The caller, who must buy for at least one organization; anybody else is 403."""
    if not BUYING_ROLES.intersection(caller.organizations.values()):
        raise Forbidden
    return caller


OrganizationBuyer = Annotated[Principal, Depends(organization_buyer)]


@router.post("/v1/orders", status_code=201, response_model=OrderRead, responses=PLACED)
async def place(
    caller: Caller, database: ServiceDatabase, claim: OwnClaim, language: CallerLanguage, body: OrderCreate
) -> Response:
    """Place an order: priced now, split by vendor, the stock taken; all of it or nothing.

    Prices are the catalog's. Send the total that the buyer saw as `expected_total`, and a price that changed meanwhile
    is a 409 that shows the new total. Cash on delivery (`cod`) is confirmed at once; `manual_transfer` waits for the
    money until `expires_at`; `terms` are for organizations.
    """
    return await _place(caller, database, claim, language, body)


@router.post("/v1/orders/preview", response_model=OrderPreview, responses=PREVIEW_ERRORS)
async def preview(
    caller: Caller, database: ServiceDatabase, language: CallerLanguage, body: OrderPreviewRequest
) -> Response:
    """What an order would cost, how long it would take and what is short; nothing is taken or written."""
    return await _preview(caller, database, language, body)


@bulk_router.post("/v1/bulk-orders", status_code=201, response_model=OrderRead, responses=PLACED, name="place")
async def place_bulk(
    caller: OrganizationBuyer,
    database: ServiceDatabase,
    claim: OwnClaim,
    language: CallerLanguage,
    body: BulkOrderCreate,
) -> Response:
    """Place an organization's order by exact skus, up to 1,000 lines, in one call; all of it or nothing.

    A line that cannot be filled or a field that is wrong is named by its JSON pointer in `errors`, all of them at once.
    """
    return await _place(caller, database, claim, language, body)


@bulk_router.post("/v1/bulk-orders/preview", response_model=OrderPreview, responses=PREVIEW_ERRORS, name="preview")
async def preview_bulk(
    caller: OrganizationBuyer, database: ServiceDatabase, language: CallerLanguage, body: BulkOrderPreviewRequest
) -> Response:
    """What a bulk order would cost, when it would arrive and what is short; nothing is taken or written."""
    return await _preview(caller, database, language, body)


async def _place(
    caller: Principal, database: Database, claim: Claim, language: Language, body: OrderCreate
) -> Response:
    draft = await service.prepare(database, caller, body, language, clock.now())
    order = draft.book.order
    collection = "/v1/bulk-orders" if isinstance(body, BulkOrderCreate) else "/v1/orders"
    headers = {"Location": f"{collection}/{order.id}", "ETag": etag(order.version), "Content-Language": language}
    answer = json_answer(order_document(draft.book), 201, headers)
    return await claim.settle(answer, partial(service.place, database, caller, draft))


async def _preview(caller: Principal, database: Database, language: Language, body: OrderPreviewRequest) -> Response:
    return json_answer(preview_document(*await service.preview(database, caller, body, language, clock.now())))
