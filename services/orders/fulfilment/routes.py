"""The vendor's desk: what was ordered from it, and the four things it does with an order."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import Response

from ishop import clock, problems
from ishop.auth import Principal, VendorMember
from ishop.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from ishop.etags import etag
from ishop.openapi_components import shows
from ishop.pagination import Cursors, CursorText, Limit
from ishop.routing import Session, service_router
from ishop.schemas import Page
from services.orders.answers import json_answer
from services.orders.fulfilment import service
from services.orders.fulfilment.errors import OrderNotConfirmed
from services.orders.fulfilment.repository import VendorOrderFilter
from services.orders.fulfilment.schemas import (
    Rejection,
    Shipment,
    VendorOrderListed,
    VendorOrderRead,
    listed_document,
)
from services.orders.lifecycle.domain import VendorOrderStatus
from services.orders.lifecycle.errors import IllegalTransition

router = service_router(tags=["vendor-orders"])

READ_ERRORS = problems.responses(Unauthenticated, Forbidden, NotFound, InvalidRequest)
READ = shows(200, "ETag") | READ_ERRORS
MOVED = shows(200, "ETag") | problems.responses(
    Unauthenticated, Forbidden, NotFound, IllegalTransition, OrderNotConfirmed, InvalidRequest
)


@router.get("/v1/vendor-orders", response_model=Page[VendorOrderListed], responses=READ_ERRORS, name="list")
async def list_own(
    *,
    request: Request,
    caller: VendorMember,
    session: Session,
    status: Annotated[VendorOrderStatus | None, Query(description="Only vendor orders in this state")] = None,
    vendor_id: Annotated[UUID | None, Query(description="Only those of this vendor of yours")] = None,
    limit: Limit = 20,
    cursor: CursorText = None,
) -> Response:
    """What was ordered from your vendors, newest first."""
    cursors: Cursors = request.app.state.cursors
    filters = {"status": status, "vendor_id": vendor_id}
    last = cursors.read(cursor, "vendor-orders", filters)
    behind = None if last is None else UUID(last[0])
    found = await service.list_page(session, caller, VendorOrderFilter(vendor_id, status), behind, limit)
    shown = found[:limit]
    following = cursors.write("vendor-orders", filters, [shown[-1].part.id]) if len(found) > limit else None
    return json_answer({"items": [listed_document(head) for head in shown], "next_cursor": following})


@router.get("/v1/vendor-orders/{vendor_order_id}", response_model=VendorOrderRead, responses=READ)
async def read(caller: VendorMember, session: Session, vendor_order_id: UUID) -> Response:
    """One vendor order with its lines and, once the order is confirmed, where the goods go."""
    return await _answer(caller, session, vendor_order_id)


@router.post("/v1/vendor-orders/{vendor_order_id}/accept", response_model=VendorOrderRead, responses=MOVED)
async def accept(caller: VendorMember, session: Session, vendor_order_id: UUID) -> Response:
    """Promise to fill it. Accepting what is accepted changes nothing."""
    await service.accept(session, caller, vendor_order_id, clock.now())
    return await _answer(caller, session, vendor_order_id)


@router.post("/v1/vendor-orders/{vendor_order_id}/reject", response_model=VendorOrderRead, responses=MOVED)
async def reject(caller: VendorMember, session: Session, vendor_order_id: UUID, body: Rejection) -> Response:
    """Refuse to fill it: the rest of the order stands, and what was paid for this part is due back to the buyer."""
    await service.reject(session, caller, vendor_order_id, body, clock.now())
    return await _answer(caller, session, vendor_order_id)


@router.post("/v1/vendor-orders/{vendor_order_id}/ship", response_model=VendorOrderRead, responses=MOVED)
async def ship(caller: VendorMember, session: Session, vendor_order_id: UUID, body: Shipment | None = None) -> Response:
    """Say that the accepted goods have left the house."""
    await service.ship(session, caller, vendor_order_id, body.tracking_number if body else None, clock.now())
    return await _answer(caller, session, vendor_order_id)


@router.post("/v1/vendor-orders/{vendor_order_id}/deliver", response_model=VendorOrderRead, responses=MOVED)
async def deliver(caller: VendorMember, session: Session, vendor_order_id: UUID) -> Response:
    """Say that the shipped goods have arrived; cash on delivery counts as paid."""
    await service.deliver(session, caller, vendor_order_id, clock.now())
    return await _answer(caller, session, vendor_order_id)


async def _answer(caller: Principal, session: Session, vendor_order_id: UUID) -> Response:
    document, version = await service.read(session, caller, vendor_order_id)
    return json_answer(document, headers={"ETag": etag(version)})
