"""A person's data, handed out and taken away."""

from typing import Annotated

from fastapi import Depends, Request

from gateway.identity.privacy import service
from gateway.identity.privacy.errors import LastInCharge, OrdersOpen
from gateway.identity.privacy.schemas import AccountDeletion, PersonExport
from gateway.identity.recovery.errors import WrongPassword
from gateway.identity.sessions.dependencies import CallerPlace, SigningInParts
from ishop import problems
from ishop.auth import Caller
from ishop.errors import Unauthenticated
from ishop.pagination import Cursors, CursorText
from ishop.routing import Session, service_router

router = service_router(tags=["identity"])


async def _cursors(request: Request) -> Cursors:
    cursors: Cursors = request.app.state.cursors
    return cursors


@router.get("/v1/me/export", responses=problems.responses(Unauthenticated), name="export")
async def export(
    caller: Caller, session: Session, cursors: Annotated[Cursors, Depends(_cursors)], cursor: CursorText = None
) -> PersonExport:
    """Everything that the market holds of you: account, sessions, memberships, orders, changes of stock.

    Send `next_cursor` as `cursor` until it is null.
    """
    return await service.export(session, caller, cursors, cursor)


@router.post(
    "/v1/me/delete",
    status_code=204,
    responses=problems.responses(Unauthenticated, WrongPassword, OrdersOpen, LastInCharge),
    name="delete_account",
)
async def delete(
    caller: Caller, parts: SigningInParts, place: CallerPlace, session: Session, body: AccountDeletion
) -> None:
    """Delete your account for good.

    Name, address and sessions go at once; from your orders goes where they were sent to, and the amounts are kept for
    ten years, as the law asks. Refused while orders are open, or while you are the last in charge of a vendor or an
    organization.
    """
    await service.delete(parts, session, caller, body.password.get_secret_value(), place)
