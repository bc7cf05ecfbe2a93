"""Who the caller is."""

from gateway.identity.accounts import service
from gateway.identity.accounts.schemas import UserRead
from ishop.auth import Caller
from ishop.routing import Session, service_router

router = service_router(tags=["identity"])


@router.get("/v1/me", response_model=UserRead)
async def me(caller: Caller, session: Session) -> UserRead:
    """Who the caller is, and which vendors and organizations it may act for now."""
    return await service.get_user(session, caller.id)
