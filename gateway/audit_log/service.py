"""Reading the audit log page by page."""

from uuid import UUID

from gateway.audit_log import repository
from gateway.audit_log.repository import NOWHERE, Place
from gateway.audit_log.schemas import Change, ChangeFilter
from ishop.routing import Session


async def list_changes(
    session: Session, wanted: ChangeFilter, behind: Place, limit: int
) -> tuple[list[Change], Place | None]:
    """A page of changes, and the place to go on from; None on the last page."""
    rows = await repository.list_changes(session, wanted, behind, limit + 1)
    changes = [Change.model_validate(dict(row)) for row in rows[:limit]]
    return changes, _behind(changes, behind) if len(rows) > limit else None


def _behind(changes: list[Change], before: Place) -> Place:
    """How far each source has been shown, now that these were."""
    place = before
    for change in changes:
        source, _, key = change.id.partition("-")
        match source:
            case "log":
                place = place._replace(log=int(key))
            case "transition":
                place = place._replace(transition=int(key))
            case _:
                place = place._replace(payment=UUID(key))
    return place


def place_of(last: list[object] | None) -> Place:
    """The place that a cursor holds."""
    if last is None:
        return NOWHERE
    log, transition, payment = last
    return Place(
        None if log is None else int(str(log)),
        None if transition is None else int(str(transition)),
        None if payment is None else UUID(str(payment)),
    )
