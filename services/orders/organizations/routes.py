"""The organizations of the caller."""

from ishop import problems
from ishop.auth import OrganizationMember
from ishop.errors import Forbidden, Unauthenticated
from ishop.routing import Session, service_router
from ishop.schemas import Page
from services.orders.organizations import service
from services.orders.organizations.schemas import OrganizationRead

router = service_router(tags=["organizations"])


@router.get("/v1/organizations", responses=problems.responses(Unauthenticated, Forbidden), name="list")
async def list_own(caller: OrganizationMember, session: Session) -> Page[OrganizationRead]:
    """The organizations that you are a member of, with your role and their terms of payment."""
    return Page(items=await service.list_own(session, caller), next_cursor=None)
