"""The stock of the caller's skus: read it, change it, and see every movement."""

from typing import Annotated
from uuid import UUID

import orjson
from fastapi import Query, Request
from starlette.responses import Response

from ishop import problems
from ishop.auth import Caller, VendorMember
from ishop.errors import (
    Forbidden,
    IdempotencyKeyRequired,
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
    RequestInFlight,
    Unauthenticated,
)
from ishop.openapi_components import shows
from ishop.pagination import CursorText, Limit
from ishop.routing import CallerLanguage, IdempotencyKey, Session, service_router
from ishop.schemas import Page
from services.vendors.stock import repository, service
from services.vendors.stock.errors import StockAboveLimit, StockBatchRefused, StockBelowZero, StockConflict
from services.vendors.stock.schemas import (
    StockBatch,
    StockBatchRead,
    StockChange,
    StockChangeRead,
    StockMovementRead,
    StockRead,
)

router = service_router(tags=["stock"])

VendorFilter = Annotated[UUID | None, Query(description="Only the skus of this vendor, which must be the caller's")]


@router.get("/v1/stock", responses=problems.responses(Unauthenticated, Forbidden, NotFound, InvalidRequest))
async def list_own(
    *,
    request: Request,
    caller: VendorMember,
    session: Session,
    vendor: VendorFilter = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[StockRead]:
    """List the stock of the caller's skus, in sku order."""
    cursors, filters = request.app.state.cursors, {"vendor": vendor}
    last = cursors.read(cursor, "stock", filters)
    rows = await repository.list_own(session, caller, vendor, UUID(last[0]) if last else None, limit + 1)
    more = cursors.write("stock", filters, [rows[limit - 1].sku_id]) if len(rows) > limit else None
    return Page(items=rows[:limit], next_cursor=more)


@router.post(
    "/v1/stock/batch",
    response_model=StockBatchRead,
    responses=shows(200, "Content-Language")
    | problems.responses(
        IdempotencyKeyRequired,
        Unauthenticated,
        Forbidden,
        StockBatchRefused,
        RequestInFlight,
        InvalidRequest,
        IdempotencyKeyReused,
    ),
)
async def change_batch(
    caller: VendorMember, session: Session, _key: IdempotencyKey, language: CallerLanguage, body: StockBatch
) -> Response:
    """Change the stock of up to 10,000 skus; every row has its own result.

    With `mode` `partial`, rows that are invalid or in conflict leave the others alone; with `atomic`, one of them
    refuses all. A delta that its device sent before is a `duplicate` and changes nothing, so a batch whose answer was
    lost can be sent again even under another key.
    """
    results = await service.change_batch(session, caller, body, language)
    answer = orjson.dumps({"results": results})
    return Response(answer, headers={"Content-Language": language}, media_type="application/json")


@router.get("/v1/stock/{sku_id}", responses=problems.responses(Unauthenticated, NotFound, InvalidRequest))
async def get(caller: Caller, session: Session, sku_id: UUID) -> StockRead:
    """Read the stock of one sku."""
    return await repository.get(session, caller, sku_id)


@router.patch(
    "/v1/stock/{sku_id}",
    responses=problems.responses(
        Unauthenticated, NotFound, StockConflict, StockBelowZero, StockAboveLimit, InvalidRequest
    ),
)
async def change(caller: Caller, session: Session, sku_id: UUID, body: StockChange) -> StockChangeRead:
    """Change the stock of one sku: by a count that says what it is based on, or by a delta with its device's number.

    A count ("I have 40") carries the `expected_version` or `expected_count` that it is based on; a sale in between
    does not move the version. A delta ("3 sold at the stall") carries `device_id` and a `sequence` that grows on that
    device; sent twice, it counts once.
    """
    return await service.change(session, caller, sku_id, body)


@router.get("/v1/stock/{sku_id}/movements", responses=problems.responses(Unauthenticated, NotFound, InvalidRequest))
async def list_movements(
    *,
    request: Request,
    caller: Caller,
    session: Session,
    sku_id: UUID,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[StockMovementRead]:
    """List the movements of one sku, newest first."""
    cursors, filters = request.app.state.cursors, {"sku_id": sku_id}
    last = cursors.read(cursor, "stock_movements", filters)
    rows = await repository.list_movements(session, caller, sku_id, last[0] if last else None, limit + 1)
    more = cursors.write("stock_movements", filters, [rows[limit - 1].id]) if len(rows) > limit else None
    return Page(items=rows[:limit], next_cursor=more)
