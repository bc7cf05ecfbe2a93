"""The members of a vendor."""

from uuid import UUID

from ishop import problems
from ishop.auth import Caller
from ishop.errors import Forbidden, NotFound
from ishop.routing import Session, service_router
from ishop.schemas import Page
from services.vendors.members import service
from services.vendors.members.errors import LastOwner
from services.vendors.members.schemas import VendorMemberRead, VendorMemberUpdate

router = service_router(tags=["vendor-members"])


@router.get("/v1/vendors/{vendor}/members", responses=problems.responses(NotFound), name="list")
async def list_members(caller: Caller, session: Session, vendor: UUID) -> Page[VendorMemberRead]:
    """List who may act for the vendor, for its members and the office."""
    return Page(items=await service.list_members(session, caller, vendor), next_cursor=None)


@router.patch(
    "/v1/vendors/{vendor}/members/{user_id}",
    responses=problems.responses(Forbidden, NotFound, LastOwner),
    name="set_role",
)
async def set_role(
    caller: Caller, session: Session, vendor: UUID, user_id: UUID, body: VendorMemberUpdate
) -> VendorMemberRead:
    """Give a member another role, for owners and the office; it is in tokens once they are renewed (ten minutes)."""
    return await service.set_role(session, caller, vendor, user_id, body.role)


@router.delete(
    "/v1/vendors/{vendor}/members/{user_id}",
    status_code=204,
    responses=problems.responses(Forbidden, NotFound, LastOwner),
)
async def remove(caller: Caller, session: Session, vendor: UUID, user_id: UUID) -> None:
    """End a membership, for owners and the office, or one's own; it ends with the token, in ten minutes."""
    await service.remove(session, caller, vendor, user_id)
