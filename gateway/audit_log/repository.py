"""The SQL of the audit log: one list over the log itself and the journals that orders keep anyway.

Each source is read backwards by its own key, which the caller's place is kept in, and no further than a page.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.audit_log.schemas import ChangeFilter, SubjectType

LOG: Final = """
SELECT at, 'log-' || j.id AS id, row_number() OVER (ORDER BY j.id DESC) AS turn,
       actor_id, database_role, action, subject_type, subject_id, before, after, request_id
FROM ops.audited_changes_v1 AS j WHERE {conditions} ORDER BY j.id DESC LIMIT :limit"""

TRANSITIONS: Final = """
SELECT at, 'transition-' || j.id AS id, row_number() OVER (ORDER BY j.id DESC) AS turn,
       actor_id, CAST(NULL AS text) AS database_role, subject_type || '.' || to_status AS action,
       subject_type, CAST(subject_id AS text) AS subject_id,
       CASE WHEN from_status IS NOT NULL THEN jsonb_build_object('status', from_status) END AS before,
       jsonb_build_object('status', to_status, 'reason', reason) AS after, request_id
FROM orders.audited_transitions_v1 AS j WHERE {conditions} ORDER BY j.id DESC LIMIT :limit"""

PAYMENTS: Final = """
SELECT at, 'payment-' || j.id AS id, row_number() OVER (ORDER BY j.id DESC) AS turn,
       actor_id, CAST(NULL AS text) AS database_role, 'order.payment' AS action, 'order' AS subject_type,
       CAST(order_id AS text) AS subject_id, CAST(NULL AS jsonb) AS before,
       jsonb_build_object('amount', amount, 'reference', reference, 'allocated', allocated) AS after,
       CAST(NULL AS text) AS request_id
FROM orders.audited_payments_v1 AS j WHERE {conditions} ORDER BY j.id DESC LIMIT :limit"""

IN_TURN: Final = "SELECT *, min(at) OVER (ORDER BY turn) AS shown_at FROM ({source}) AS source"
MERGED: Final = (
    "SELECT at, id, actor_id, database_role, action, subject_type, subject_id, before, after, request_id "
    "FROM ({sources}) AS changes ORDER BY shown_at DESC, id LIKE 'log-%', id LIKE 'payment-%', turn LIMIT :limit"
)
"""By time, but never past the order of a source's own keys, in which two transactions at once may be the other way
round: a page that ends between them would lose one."""

OF_TRANSITION: Final = "(order_id = CAST(:subject_uuid AS uuid) OR vendor_order_id = CAST(:subject_uuid AS uuid))"
"""An order's history is that of its parts too. Each of the two columns has an index; what is shown has none."""
OF_PAYMENT: Final = "order_id = CAST(:subject_uuid AS uuid)"
OF_ORDERS: Final = (SubjectType.order, SubjectType.vendor_order)


class Place(NamedTuple):
    """How far each source has been shown: its last key."""

    log: int | None
    transition: int | None
    payment: UUID | None


NOWHERE: Final = Place(None, None, None)


async def list_changes(session: AsyncSession, wanted: ChangeFilter, behind: Place, limit: int) -> Sequence[RowMapping]:
    """Up to `limit` changes behind a place, the newest first; in one statement."""
    values: dict[str, Any] = {"limit": limit, **wanted.model_dump(), **behind._asdict()}
    values["subject_uuid"] = _uuid_or_none(wanted.subject_id)
    parts = [LOG.format(conditions=_conditions(wanted, "subject_id = :subject_id", behind.log, "log"))]
    if wanted.subject_type is None or wanted.subject_type in OF_ORDERS:
        parts.append(TRANSITIONS.format(conditions=_conditions(wanted, OF_TRANSITION, behind.transition, "transition")))
    if wanted.subject_type is None or wanted.subject_type is SubjectType.order:
        paid = wanted.model_copy(update={"subject_type": None})  # All of them are of orders, so it is not asked again.
        parts.append(PAYMENTS.format(conditions=_conditions(paid, OF_PAYMENT, behind.payment, "payment")))
    together = " UNION ALL ".join(IN_TURN.format(source=part) for part in parts)
    statement = text(MERGED.format(sources=together))
    used = {name: value for name, value in values.items() if f":{name}" in statement.text}
    return (await session.execute(statement, used)).mappings().all()


def _conditions(wanted: ChangeFilter, of_subject: str, shown: object, source: str) -> str:
    """What one source is asked for; `shown` is the key that it has been shown up to."""
    given = {
        "j.subject_type = :subject_type": wanted.subject_type,
        of_subject: wanted.subject_id,
        "j.actor_id = :actor_id": wanted.actor_id,
        "j.at >= :since": wanted.since,
        "j.at < :until": wanted.until,
        f"j.id < :{source}": shown,
    }
    return " AND ".join(["true", *(condition for condition, value in given.items() if value is not None)])


def _uuid_or_none(subject_id: str | None) -> UUID | None:
    try:
        return UUID(subject_id) if subject_id else None
    except ValueError:
        return None
