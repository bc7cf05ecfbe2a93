"""Invitations to act for a vendor."""

from uuid import UUID

from ishop import problems
from ishop.auth import Caller
from ishop.errors import Forbidden, NotFound
from ishop.routing import Session, service_router
from ishop.schemas import Page
from services.vendors.invitations import service
from services.vendors.invitations.errors import TooManyInvitations
from services.vendors.invitations.schemas import VendorInvitationCreate, VendorInvitationRead

router = service_router(tags=["vendor-members"])


@router.post(
    "/v1/vendors/{vendor}/invitations",
    status_code=201,
    responses=problems.responses(Forbidden, NotFound, TooManyInvitations),
)
async def invite(caller: Caller, session: Session, vendor: UUID, body: VendorInvitationCreate) -> VendorInvitationRead:
    """Invite an address by mail, for owners and the office; the invitation is open for seven days."""
    return await service.invite(session, caller, vendor, body)


@router.get(
    "/v1/vendors/{vendor}/invitations", responses=problems.responses(Forbidden, NotFound), name="list_invitations"
)
async def list_open(caller: Caller, session: Session, vendor: UUID) -> Page[VendorInvitationRead]:
    """List the open invitations, the newest first, for owners and the office."""
    return Page(items=await service.list_open(session, caller, vendor), next_cursor=None)


@router.delete(
    "/v1/vendors/{vendor}/invitations/{invitation_id}",
    status_code=204,
    responses=problems.responses(Forbidden, NotFound),
    name="revoke_invitation",
)
async def revoke(caller: Caller, session: Session, vendor: UUID, invitation_id: UUID) -> None:
    """Take an invitation back, for owners and the office."""
    await service.revoke(session, caller, vendor, invitation_id)
