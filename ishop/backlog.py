"""What the worker still has to do, and what it gave up on: counted, and run again or thrown away by an operator.

The connections given to these functions must be those of the worker's role.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import orjson

from ishop.jobs import HEARTBEAT_TIMEOUT

COUNTED: Final = 100_000
"""So many rows of the outbox are counted at most: one look must not take long because the worker is behind."""

_STATES = """
SELECT topic, state, count(*) AS count, now() - min(since) AS oldest FROM (
    (SELECT topic, 'outbox' AS state, created_at AS since FROM ops.outbox ORDER BY id LIMIT $2)
    UNION ALL
    SELECT entrypoint,
           CASE WHEN status = 'failed' OR (status = 'picked' AND heartbeat < now() - $1::interval) THEN 'stuck'
                WHEN status = 'picked' THEN 'running'
                WHEN execute_after > now() THEN 'waiting'
                ELSE 'queued' END,
           created
    FROM ops.pgqueuer
    UNION ALL
    SELECT topic, 'dead', failed_at FROM ops.dead_jobs WHERE replayed_at IS NULL
) AS found GROUP BY topic, state ORDER BY topic, state
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much of one topic is in one state, and how long the oldest of it has been there.

    `outbox`: rows that are not jobs yet. `queued` jobs may begin, `running` ones have, `waiting` ones failed and are
    tried again later, `stuck` ones are taken but nobody runs them, `dead` ones failed in every attempt.
    """

    topic: str
    state: str
    count: int
    oldest: timedelta


@dataclass(frozen=True, slots=True)
class DeadJob:
    """Keys whose handler failed in every attempt; `error` names the class, the masked message and the place."""

    id: int
    topic: str
    keys: tuple[str, ...]
    error: str
    attempts: int
    failed_at: datetime


@dataclass(frozen=True, slots=True)
class Backlog:
    """What the worker still has to do. `stuck` jobs are taken but nobody runs them; `dead` ones wait for somebody."""

    outbox_rows: int
    oldest_outbox_age: timedelta
    queued: int
    running: int
    dead: int
    stuck: int


async def dead_jobs(connection: asyncpg.Connection, *, limit: int = 1000) -> list[DeadJob]:
    """The jobs that failed in every attempt and were neither retried nor discarded, oldest first."""
    rows = await connection.fetch(
        "SELECT id, topic, keys, error, attempts, failed_at FROM ops.dead_jobs "
        "WHERE replayed_at IS NULL ORDER BY id LIMIT $1",
        limit,
    )
    return [_dead_job(row) for row in rows]


async def retry(connection: asyncpg.Connection, job_id: int | None = None) -> int:
    """Send one dead job, or all of them, through the outbox again with fresh attempts; return how many were sent."""
    rows = await connection.fetch(
        """
        WITH retried AS (
            UPDATE ops.dead_jobs SET replayed_at = now()
            WHERE replayed_at IS NULL AND ($1::bigint IS NULL OR id = $1)
            RETURNING topic, keys
        )
        SELECT ops.emit_v1(topic, ARRAY(SELECT jsonb_array_elements_text(keys))) FROM retried
        """,
        job_id,
    )
    return len(rows)


async def backlog(connection: asyncpg.Connection, *, heartbeat_timeout: timedelta = HEARTBEAT_TIMEOUT) -> Backlog:
    """Count what is waiting, running, stuck and dead, in one statement."""
    row = await connection.fetchrow(
        """
        SELECT (SELECT count(*) FROM ops.outbox) AS outbox_rows,
               coalesce((SELECT now() - created_at FROM ops.outbox ORDER BY id LIMIT 1), '0') AS oldest_outbox_age,
               count(*) FILTER (WHERE status = 'queued') AS queued,
               count(*) FILTER (WHERE status = 'picked') AS running,
               (SELECT count(*) FROM ops.dead_jobs WHERE replayed_at IS NULL) AS dead,
               count(*) FILTER (
                   WHERE status = 'failed' OR (status = 'picked' AND heartbeat < now() - $1::interval)
               ) AS stuck
        FROM ops.pgqueuer
        """,
        heartbeat_timeout,
    )
    return Backlog(**row)


async def discard(connection: asyncpg.Connection, job_id: int, operator: str) -> DeadJob | None:
    """Take one dead job off the list for good, as `operator` wants it; None where there is no such dead job.

    What it was, who threw it away and when is kept in `ops.discarded_jobs`.
    """
    row = await connection.fetchrow(
        """
        WITH gone AS (DELETE FROM ops.dead_jobs WHERE id = $1 AND replayed_at IS NULL RETURNING *)
        INSERT INTO ops.discarded_jobs (id, topic, keys, error, attempts, failed_at, discarded_by)
        SELECT id, topic, keys, error, attempts, failed_at, $2 FROM gone
        RETURNING id, topic, keys, error, attempts, failed_at
        """,
        job_id,
        operator,
    )
    return None if row is None else _dead_job(row)


async def waiting(
    connection: asyncpg.Connection, *, heartbeat_timeout: timedelta = HEARTBEAT_TIMEOUT
) -> Sequence[Waiting]:
    """All that is not done yet by topic and state, in one statement."""
    return [Waiting(**row) for row in await connection.fetch(_STATES, heartbeat_timeout, COUNTED)]


def _dead_job(row: asyncpg.Record) -> DeadJob:
    return DeadJob(
        row["id"], row["topic"], tuple(orjson.loads(row["keys"])), row["error"], row["attempts"], row["failed_at"]
    )
