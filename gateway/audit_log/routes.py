"""The audit log, for the office."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request

from gateway.audit_log import service
from gateway.audit_log.schemas import Change, ChangeFilter, SubjectType
from ishop import problems
from ishop.auth import Officer
from ishop.errors import Forbidden
from ishop.pagination import CursorText, Limit
from ishop.routing import Session, service_router
from ishop.schemas import Page

router = service_router(tags=["audit-log"])


@router.get("/v1/audit-log", responses=problems.responses(Forbidden), name="list")
async def list_changes(
    *,
    request: Request,
    _officer: Officer,
    session: Session,
    subject_type: Annotated[SubjectType | None, Query(description="Only changes of this kind of thing")] = None,
    subject_id: Annotated[
        str | None,
        Query(min_length=1, max_length=100, pattern=r"^[ -~]+$", description="Only changes of this one"),
    ] = None,
    actor_id: Annotated[UUID | None, Query(description="Only what this account or service account did")] = None,
    since: Annotated[datetime | None, Query(description="Only changes at this time or later")] = None,
    until: Annotated[datetime | None, Query(description="Only changes before this time")] = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[Change]:
    """Who changed which right, price, certificate, state or money, from what to what; the newest first."""
    wanted = ChangeFilter(subject_type=subject_type, subject_id=subject_id, actor_id=actor_id, since=since, until=until)
    cursors, filters = request.app.state.cursors, wanted.model_dump()
    last = cursors.read(cursor, "audit-log", filters)
    changes, place = await service.list_changes(session, wanted, service.place_of(last), limit)
    return Page(items=changes, next_cursor=None if place is None else cursors.write("audit-log", filters, list(place)))
