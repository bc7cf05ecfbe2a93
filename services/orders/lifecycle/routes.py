"""Orders as their buyers follow them: lists, one order, cancelling."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import Response

from ishop import clock, problems
from ishop.auth import Caller, OrganizationMember, Principal
from ishop.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from ishop.etags import etag
from ishop.openapi_components import shows
from ishop.pagination import Cursors, CursorText, Limit
from ishop.routing import Session, service_router
from ishop.schemas import Page
from services.orders.answers import json_answer
from services.orders.lifecycle import service
from services.orders.lifecycle.domain import OrderStatus
from services.orders.lifecycle.errors import CannotCancel
from services.orders.lifecycle.reading import OrderFilter
from services.orders.lifecycle.schemas import (
    CancelRequest,
    OrderDetail,
    OrderSummary,
    detail_document,
    summary_document,
)

router = service_router(tags=["orders"])
bulk_router = service_router(tags=["bulk-orders"])

Status = Annotated[OrderStatus | None, Query(description="Only orders in this state")]
Organization = Annotated[UUID | None, Query(description="The orders of this organization of yours")]


@router.get(
    "/v1/orders",
    response_model=Page[OrderSummary],
    responses=problems.responses(Unauthenticated, NotFound, InvalidRequest),
    name="list",
)
async def list_own(
    *,
    request: Request,
    caller: Caller,
    session: Session,
    status: Status = None,
    organization_id: Organization = None,
    limit: Limit = 20,
    cursor: CursorText = None,
) -> Response:
    """Your orders, or with `organization_id` all orders of that organization of yours; newest first."""
    wanted = OrderFilter(None if organization_id is None else (organization_id,), bulk_only=False, status=status)
    cursors = OrderCursors(request, "orders", organization_id, status)
    return await _page(caller, session, wanted, limit=limit, cursors=cursors, cursor=cursor)


@router.get(
    "/v1/orders/{order_id}",
    response_model=OrderDetail,
    responses=shows(200, "ETag") | problems.responses(Unauthenticated, NotFound, InvalidRequest),
)
async def read(caller: Caller, session: Session, order_id: UUID) -> Response:
    """One order with all that happened to it: for its buyer, the members of its organization and the office."""
    book, history = await service.read(session, caller, order_id)
    return json_answer(detail_document(book, history), headers={"ETag": etag(book.order.version)})


@router.post(
    "/v1/orders/{order_id}/cancel",
    response_model=OrderDetail,
    responses=shows(200, "ETag")
    | problems.responses(Unauthenticated, Forbidden, NotFound, CannotCancel, InvalidRequest),
)
async def cancel(caller: Caller, session: Session, order_id: UUID, body: CancelRequest | None = None) -> Response:
    """Cancel an order as far as no vendor has accepted it; what a vendor accepted stays, and the answer shows it."""
    await service.cancel(session, caller, order_id, body.reason if body else None, clock.now())
    book, history = await service.read(session, caller, order_id)
    return json_answer(detail_document(book, history), headers={"ETag": etag(book.order.version)})


@bulk_router.get(
    "/v1/bulk-orders",
    response_model=Page[OrderSummary],
    responses=problems.responses(Unauthenticated, Forbidden, NotFound, InvalidRequest),
    name="list",
)
async def list_bulk(
    *,
    request: Request,
    caller: OrganizationMember,
    session: Session,
    status: Status = None,
    organization_id: Organization = None,
    limit: Limit = 20,
    cursor: CursorText = None,
) -> Response:
    """The bulk orders of your organizations, or of one of them; newest first."""
    organizations = tuple(caller.organizations) if organization_id is None else (organization_id,)
    wanted = OrderFilter(organizations, bulk_only=True, status=status)
    cursors = OrderCursors(request, "bulk-orders", organization_id, status)
    return await _page(caller, session, wanted, limit=limit, cursors=cursors, cursor=cursor)


@bulk_router.get(
    "/v1/bulk-orders/{order_id}",
    response_model=OrderDetail,
    responses=shows(200, "ETag") | problems.responses(Unauthenticated, NotFound, InvalidRequest),
    name="read",
)
async def read_bulk(caller: Caller, session: Session, order_id: UUID) -> Response:
    """One bulk order with all that happened to it: for the members of its organization and the office."""
    book, history = await service.read(session, caller, order_id, bulk_only=True)
    return json_answer(detail_document(book, history), headers={"ETag": etag(book.order.version)})


class OrderCursors:
    """The cursors of one list of orders with its filters."""

    def __init__(
        self, request: Request, listing: str, organization_id: UUID | None, status: OrderStatus | None
    ) -> None:
        self._cursors: Cursors = request.app.state.cursors
        self._listing = listing
        self._filters = {"organization_id": organization_id, "status": status}

    def read(self, cursor: str | None) -> UUID | None:
        """The order to go on behind."""
        last = self._cursors.read(cursor, self._listing, self._filters)
        return None if last is None else UUID(last[0])

    def write(self, order_id: UUID) -> str:
        """The cursor behind this order."""
        return self._cursors.write(self._listing, self._filters, [order_id])


async def _page(
    caller: Principal, session: Session, wanted: OrderFilter, *, limit: int, cursors: OrderCursors, cursor: str | None
) -> Response:
    found = await service.list_page(session, caller, wanted, cursors.read(cursor), limit)
    shown = found[:limit]
    following = cursors.write(shown[-1].order.id) if len(found) > limit else None
    return json_answer({"items": [summary_document(listed) for listed in shown], "next_cursor": following})
