"""The outbox: what must follow from a change is written in its transaction and moved into jobs afterwards.

A topic names one task (`catalog.product_changed.v1`), a key the row it is about. Handlers re-read that row, so a row
of the outbox holds no data, and many rows with the same topic and key mean no more than one of them.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

import asyncpg
import orjson
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel
from sqlalchemy import Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from ishop.context import request_id

TOPIC: Final = re.compile(r"[a-z]+\.[a-z][a-z0-9_]*\.v[1-9][0-9]*")
"""`<schema>.<what happened>.v<version>`, in past tense: `orders.order_paid.v1`."""

BATCH: Final = 5000
KEYS_PER_JOB: Final = 1000

_EMIT = text("SELECT ops.emit_v1(:topic, :keys, :request_id)").bindparams(
    bindparam("topic", type_=Text), bindparam("keys", type_=ARRAY(Text)), bindparam("request_id", type_=Text)
)

# A topic that has a job ready but not begun is left alone: its rows stay here, where they merge, instead of becoming
# one small job every tick that a slow handler never catches up with. Deleting by ctid keeps the plan the same
# whatever the statistics of a table that is empty most of the time say.
_TAKE = """
DELETE FROM ops.outbox WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM ops.outbox
    WHERE topic NOT IN (SELECT entrypoint FROM ops.pgqueuer WHERE status = 'queued' AND execute_after <= now())
    ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
))
RETURNING topic, key, request_id
"""


async def emit(session: AsyncSession, topic: str, keys: Iterable[str | UUID]) -> None:
    """Have the handler of `topic` run for `keys` once the transaction of `session` is committed; in one statement.

    Nothing follows when it is rolled back. Keys are ids only, never data. Raises ValueError for a malformed topic.
    """
    if TOPIC.fullmatch(topic) is None:
        raise ValueError(f"{topic!r} is not a topic like 'orders.order_paid.v1'")
    distinct = list(dict.fromkeys(str(key) for key in keys))
    if distinct:
        await session.execute(_EMIT, {"topic": topic, "keys": distinct, "request_id": request_id.get()})


async def drain(connection: asyncpg.Connection, *, batch: int = BATCH, keys_per_job: int = KEYS_PER_JOB) -> int:
    """Move up to `batch` rows of the outbox into jobs, in one transaction, and return how many rows were moved.

    Rows with the same topic and key become one key of one job. Several workers may drain at once: each takes rows
    that no other has. A job carries the request id when all of its rows have the same.
    """
    async with connection.transaction():
        rows = await connection.fetch(_TAKE, batch)
        merged: defaultdict[str, dict[str, str | None]] = defaultdict(dict)
        for topic, key, request in rows:
            keys = merged[topic]
            keys[key] = request if keys.get(key, request) == request else None
        await _enqueue(connection, merged, keys_per_job)
    return len(rows)


async def _enqueue(
    connection: asyncpg.Connection, merged: Mapping[str, Mapping[str, str | None]], keys_per_job: int
) -> None:
    topics: list[str] = []
    payloads: list[bytes | None] = []
    headers: list[dict[str, str] | None] = []
    for topic, requests in merged.items():
        keys = list(requests)
        for start in range(0, len(keys), keys_per_job):
            chunk = keys[start : start + keys_per_job]
            causes = {requests[key] for key in chunk}
            cause = causes.pop() if len(causes) == 1 else None
            topics.append(topic)
            payloads.append(orjson.dumps(chunk))
            headers.append({"request_id": cause} if cause else None)
    if topics:
        # No dedupe_key: it also matches a job that is being run, and a change made meanwhile would be lost.
        await queue_queries(connection).enqueue(topics, payloads, [0] * len(topics), headers=headers)


def queue_queries(connection: asyncpg.Connection) -> Queries:
    """PgQueuer's statements for its tables in schema ops, run on `connection`, inside its transaction if it has one.

    Every name is set here because PgQueuer would else take it from the environment, even from a bare `CHANNEL`.
    """
    settings = DBSettings(
        prefix="",
        db_schema="ops",
        channel=Channel("ch_pgqueuer"),
        function="fn_pgqueuer_changed",
        statistics_table="pgqueuer_statistics",
        queue_status_type="pgqueuer_status",
        queue_table="pgqueuer",
        queue_table_log="pgqueuer_log",
        trigger="tg_pgqueuer_changed",
        schedules_table="pgqueuer_schedules",
        durability=Durability.durable,
    )
    return Queries(
        AsyncpgDriver(connection),
        QueryBuilderEnvironment(settings),
        QueryQueueBuilder(settings),
        QuerySchedulerBuilder(settings),
    )
