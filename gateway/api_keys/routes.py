"""The API keys of a vendor, an organization or the office."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request

from gateway.api_keys import service
from gateway.api_keys.errors import AddressNotConfirmed, ApiKeyEnded, TooManyApiKeys
from gateway.api_keys.schemas import ApiKeyCreate, ApiKeyCreated, ApiKeyRead, ApiKeyRotate
from ishop import problems
from ishop.auth import Principal, signed_in
from ishop.errors import Forbidden, NotFound
from ishop.idempotency import shown_once
from ishop.pagination import CursorText, Limit
from ishop.routing import Session, service_router
from ishop.schemas import Page

router = service_router(tags=["api-keys"])


async def key_manager(caller: Annotated[Principal, Depends(signed_in)]) -> Principal:
    """The caller, who must own a vendor, be an approver of an organization, or act for the office."""
    if not (caller.is_office or "owner" in caller.vendors.values() or "approver" in caller.organizations.values()):
        raise Forbidden
    return caller


KeyManager = Annotated[Principal, Depends(key_manager)]


@router.post(
    "/v1/api-keys",
    status_code=201,
    responses=problems.responses(Forbidden, AddressNotConfirmed, NotFound, TooManyApiKeys),
    dependencies=[Depends(shown_once)],
)
async def create(caller: KeyManager, session: Session, body: ApiKeyCreate) -> ApiKeyCreated:
    """Make a service account with an API key; the key is shown now and never again."""
    return await service.create(session, caller, body)


@router.get("/v1/api-keys", responses=problems.responses(Forbidden), name="list")
async def list_managed(
    *,
    request: Request,
    caller: KeyManager,
    session: Session,
    vendor_id: Annotated[UUID | None, Query(description="Only the keys of this vendor")] = None,
    organization_id: Annotated[UUID | None, Query(description="Only the keys of this organization")] = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[ApiKeyRead]:
    """List the API keys that you manage, the newest first; those that have ended included."""
    cursors, filters = request.app.state.cursors, {"vendor_id": vendor_id, "organization_id": organization_id}
    last = cursors.read(cursor, "api-keys", filters)
    keys = await service.list_managed(
        session,
        caller,
        vendor_id=vendor_id,
        organization_id=organization_id,
        behind=UUID(last[0]) if last else None,
        limit=limit + 1,
    )
    more = cursors.write("api-keys", filters, [keys[limit - 1].id]) if len(keys) > limit else None
    return Page(items=keys[:limit], next_cursor=more)


@router.delete("/v1/api-keys/{api_key_id}", responses=problems.responses(Forbidden), status_code=204)
async def revoke(caller: KeyManager, session: Session, api_key_id: UUID) -> None:
    """Revoke a key; it is refused within five seconds."""
    await service.revoke(session, caller, api_key_id)


@router.post(
    "/v1/api-keys/{api_key_id}/rotate",
    status_code=201,
    responses=problems.responses(Forbidden, ApiKeyEnded),
    dependencies=[Depends(shown_once)],
)
async def rotate(caller: KeyManager, session: Session, api_key_id: UUID, body: ApiKeyRotate) -> ApiKeyCreated:
    """Make a new key for the same service account; the old one works on for the overlap, zero hours end it at once."""
    return await service.rotate(session, caller, api_key_id, body.overlap_hours)
