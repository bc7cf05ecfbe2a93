"""Acting for a vendor, and who did."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request

from gateway.acting import service
from gateway.acting.schemas import ActingGrantRead, ActingRequest, ActingToken
from ishop import problems
from ishop.auth import Officer, Principal, signed_in
from ishop.errors import Forbidden, NotFound
from ishop.idempotency import shown_once
from ishop.pagination import CursorText, Limit
from ishop.routing import Session, service_router
from ishop.schemas import Page

router = service_router(tags=["acting"])


async def office_or_owner(caller: Annotated[Principal, Depends(signed_in)]) -> Principal:
    """The caller, who must act for the office or own a vendor."""
    if not (caller.is_office or "owner" in caller.vendors.values()):
        raise Forbidden
    return caller


@router.post(
    "/v1/auth/act",
    status_code=201,
    responses=problems.responses(NotFound),
    dependencies=[Depends(shown_once)],
)
async def act(request: Request, caller: Officer, session: Session, body: ActingRequest) -> ActingToken:
    """Get a token that acts for a vendor for ten minutes.

    For the office. It may do the work of a vendor (stock, vendor orders); movements and transitions name the officer.
    It can neither act for another, nor manage keys, members or accounts, nor be renewed.
    """
    return await service.act(request.app.state.signing_in.signer, session, caller, body)


@router.get("/v1/acting-grants", responses=problems.responses(Forbidden), name="list")
async def list_visible(
    *,
    request: Request,
    caller: Annotated[Principal, Depends(office_or_owner)],
    session: Session,
    vendor_id: Annotated[UUID | None, Query(description="Only for this vendor")] = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[ActingGrantRead]:
    """List who acted for vendors and why, the newest first: all for the office, of its own vendors for an owner."""
    cursors, filters = request.app.state.cursors, {"vendor_id": vendor_id}
    last = cursors.read(cursor, "acting-grants", filters)
    grants = await service.list_visible(
        session, caller, vendor_id=vendor_id, behind=UUID(last[0]) if last else None, limit=limit + 1
    )
    more = cursors.write("acting-grants", filters, [grants[limit - 1].id]) if len(grants) > limit else None
    return Page(items=grants[:limit], next_cursor=more)
