"""Invitations to act for an organization."""

from uuid import UUID

from ishop import problems
from ishop.auth import Caller
from ishop.errors import Forbidden, NotFound
from ishop.routing import Session, service_router
from ishop.schemas import Page
from services.orders.invitations import service
from services.orders.invitations.errors import TooManyInvitations
from services.orders.invitations.schemas import OrganizationInvitationCreate, OrganizationInvitationRead

router = service_router(tags=["organization-members"])


@router.post(
    "/v1/organizations/{organization_id}/invitations",
    status_code=201,
    responses=problems.responses(Forbidden, NotFound, TooManyInvitations),
)
async def invite(
    caller: Caller, session: Session, organization_id: UUID, body: OrganizationInvitationCreate
) -> OrganizationInvitationRead:
    """Invite an address by mail, for approvers and the office; the invitation is open for seven days."""
    return await service.invite(session, caller, organization_id, body)


@router.get(
    "/v1/organizations/{organization_id}/invitations",
    responses=problems.responses(Forbidden, NotFound),
    name="list_invitations",
)
async def list_open(caller: Caller, session: Session, organization_id: UUID) -> Page[OrganizationInvitationRead]:
    """List the open invitations, the newest first, for approvers and the office."""
    return Page(items=await service.list_open(session, caller, organization_id), next_cursor=None)


@router.delete(
    "/v1/organizations/{organization_id}/invitations/{invitation_id}",
    status_code=204,
    responses=problems.responses(Forbidden, NotFound),
    name="revoke_invitation",
)
async def revoke(caller: Caller, session: Session, organization_id: UUID, invitation_id: UUID) -> None:
    """Take an invitation back, for approvers and the office."""
    await service.revoke(session, caller, organization_id, invitation_id)
