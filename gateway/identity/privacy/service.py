"""A person's data, handed out and taken away (UU 27/2022 on personal data protection)."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

import structlog

from gateway.identity.accounts.service import get_user
from gateway.identity.privacy import repository
from gateway.identity.privacy.errors import LastInCharge, OrdersOpen
from gateway.identity.privacy.schemas import ExportedMovement, ExportedOrder, PersonExport
from gateway.identity.recovery.errors import WrongPassword
from gateway.identity.sessions import service as sessions
from gateway.identity.sessions.domain import Place
from gateway.identity.sessions.service import SigningIn
from ishop import outbox
from ishop.auth import Principal
from ishop.contracts.events import PERSON_ERASURE_TOPICS
from ishop.errors import Unauthenticated
from ishop.pagination import Cursors
from ishop.routing import Session

log = structlog.get_logger(__name__)

LISTING: Final = "export"
START: Final = (str(UUID(int=0)), 0)


async def export(session: Session, caller: Principal, cursors: Cursors, cursor: str | None) -> PersonExport:
    """One page of everything that is held of the caller; raises InvalidRequest for a cursor of another person."""
    filters = {"user": caller.id}
    order, movement = cursors.read(cursor, LISTING, filters) or START
    account = await get_user(session, caller.id)
    particulars = await repository.get_particulars(session, caller.id)
    if particulars is None:
        raise Unauthenticated
    orders = await repository.list_orders(session, caller.id, UUID(order))
    movements = await repository.list_movements(session, caller.id, movement)
    has_more = len(orders) > repository.ORDERS_PER_PAGE or len(movements) > repository.MOVEMENTS_PER_PAGE
    orders, movements = orders[: repository.ORDERS_PER_PAGE], movements[: repository.MOVEMENTS_PER_PAGE]
    behind = [orders[-1]["id"] if orders else order, movements[-1]["id"] if movements else movement]
    return PersonExport(
        account=account,
        locale=particulars.locale,
        registered_at=particulars.registered_at,
        confirmed_at=particulars.confirmed_at,
        sessions=await sessions.list_own(session, caller),
        orders=[ExportedOrder.model_validate(dict(row)) for row in orders],
        stock_movements=[ExportedMovement.model_validate(dict(row)) for row in movements],
        next_cursor=cursors.write(LISTING, filters, behind) if has_more else None,
    )


async def delete(parts: SigningIn, session: Session, caller: Principal, password: str, place: Place) -> None:
    """Delete the caller's account. The services erase what they hold of the person as soon as the worker tells them.

    Raises WrongPassword, OrdersOpen, LastInCharge, and TooManyRequests for who guesses with a stolen token.
    """
    refusal = await parts.guessing.count(f"delete/{caller.id}", place.network)
    if refusal is not None:
        raise refusal
    credential = await repository.lock(session, caller.id)
    if credential is None:
        raise Unauthenticated
    email, stored = credential
    if not await parts.passwords.verify(password, stored):
        raise WrongPassword
    orders = await repository.open_orders(session, caller.id)
    if orders:
        raise OrdersOpen(errors=[_named(order_id, "order_open", "This order is not final.") for order_id in orders])
    places = await repository.last_in_charge(session, caller.id)
    if places:
        raise LastInCharge(errors=[_named(place_id, "last_in_charge", name) for place_id, name in places])
    await repository.delete(session, caller.id, email)
    await have_erased(session, [caller.id])
    log.info("account deleted", principal=str(caller.id))


async def erase_again(session: Session) -> None:
    """Have the services look again for what came behind a deletion, by an access token that had not expired yet."""
    await have_erased(session, await repository.deleted_lately(session))


async def have_erased(session: Session, user_ids: Iterable[UUID]) -> None:
    """Tell every service that holds something of persons."""
    keys = list(user_ids)
    for topic in PERSON_ERASURE_TOPICS:
        await outbox.emit(session, topic, keys)


def _named(item: UUID, code: str, detail: str) -> dict[str, Any]:
    return {"pointer": "", "in": "body", "code": code, "detail": detail, "id": str(item)}
