"""Organizations that buy."""

from ishop.auth import Principal
from ishop.routing import Session
from services.orders.organizations import repository
from services.orders.organizations.schemas import OrganizationRead


async def list_own(session: Session, caller: Principal) -> list[OrganizationRead]:
    """The caller's organizations by name; a person is a member of a handful at most, so there is one page."""
    return [OrganizationRead.model_validate(row) for row in await repository.list_own(session, caller)]
