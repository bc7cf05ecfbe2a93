"""Accepting an invitation to act for a vendor or an organization."""

from gateway.api_keys.errors import AddressNotConfirmed
from gateway.identity.accounts.errors import InvalidToken
from gateway.invitations import service
from gateway.invitations.schemas import InvitationAccept, InvitationAccepted
from ishop import problems
from ishop.auth import Caller
from ishop.routing import Session, service_router

router = service_router(tags=["invitations"])


@router.post("/v1/invitations/accept", responses=problems.responses(InvalidToken, AddressNotConfirmed))
async def accept(caller: Caller, session: Session, body: InvitationAccept) -> InvitationAccepted:
    """Accept an invitation that was sent to your own, confirmed address."""
    return await service.accept(session, caller, body.token)
