"""The members of an organization."""

from uuid import UUID

from ishop import problems
from ishop.auth import Caller
from ishop.errors import Forbidden, NotFound
from ishop.routing import Session, service_router
from ishop.schemas import Page
from services.orders.members import service
from services.orders.members.errors import LastApprover
from services.orders.members.schemas import OrganizationMemberRead, OrganizationMemberUpdate

router = service_router(tags=["organization-members"])


@router.get("/v1/organizations/{organization_id}/members", responses=problems.responses(NotFound), name="list")
async def list_members(caller: Caller, session: Session, organization_id: UUID) -> Page[OrganizationMemberRead]:
    """List who may act for the organization, for its members and the office."""
    return Page(items=await service.list_members(session, caller, organization_id), next_cursor=None)


@router.patch(
    "/v1/organizations/{organization_id}/members/{user_id}",
    responses=problems.responses(Forbidden, NotFound, LastApprover),
    name="set_role",
)
async def set_role(
    caller: Caller, session: Session, organization_id: UUID, user_id: UUID, body: OrganizationMemberUpdate
) -> OrganizationMemberRead:
    """Give a member another role, for approvers and the office; it is in tokens once they are renewed (ten minutes)."""
    return await service.set_role(session, caller, organization_id, user_id, body.role)


@router.delete(
    "/v1/organizations/{organization_id}/members/{user_id}",
    status_code=204,
    responses=problems.responses(Forbidden, NotFound, LastApprover),
)
async def remove(caller: Caller, session: Session, organization_id: UUID, user_id: UUID) -> None:
    """End a membership, for approvers and the office, or one's own; it ends with the token, in ten minutes."""
    await service.remove(session, caller, organization_id, user_id)
