"""Figures that only the database knows: what waits for the worker, for how long, and which schedules are late.

They cost a statement or two, so they are read once in a few seconds however often they are asked for. What cannot be
read is left out and counted: a scrape tells of a database that is down, it does not fail with it.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import asyncpg
import structlog
from prometheus_client.metrics_core import GaugeMetricFamily

from ishop.backlog import Waiting, waiting
from ishop.database import DATABASE_LOST
from ishop.jobs import Jobs
from ishop.telemetry.metrics import SCRAPE_ERRORS, family, reading

log = structlog.get_logger(__name__)

KEPT_SECONDS: Final = 5.0
READ_SECONDS: Final = 2.0
OTHER: Final = "other"
"""The topic of what this version does not know: rows of the database must not make series."""

STATES: Final = ("outbox", "queued", "running", "waiting", "stuck", "dead")

BACKLOG: Final = reading(
    "ishop_backlog",
    "What is not done yet: rows of the outbox (100,000 are counted at most), and jobs by state: `queued`, `running`, "
    "`waiting` for a retry, `stuck` with a lost worker, `dead` after every attempt.",
    "topic",
    "state",
)
BACKLOG_OLDEST: Final = reading(
    "ishop_backlog_oldest_seconds", "The age of the oldest of them; 0 where there is none.", "topic", "state"
)
OUTBOX_ROWS: Final = reading("ishop_outbox_rows", "Rows of the outbox, of all topics.")
OUTBOX_OLDEST: Final = reading("ishop_outbox_oldest_seconds", "The age of the oldest row of the outbox.")
SCHEDULE_OVERDUE: Final = reading(
    "ishop_schedule_overdue_seconds", "For how long a schedule should have begun, and has not.", "schedule"
)
INDEX_LAG: Final = reading(
    "ishop_index_lag_seconds",
    "The age of the oldest change that searches do not see yet; what waits for a retry counts, what is dead does not.",
)

_OVERDUE = """
SELECT entrypoint, extract(epoch FROM now() - next_run)::float8 FROM ops.pgqueuer_schedules
WHERE entrypoint = ANY($1) AND status <> 'picked'
"""


class Readings:
    """The figures of the worker's database, read as the worker's role."""

    def __init__(self, dsn: str, jobs: Jobs) -> None:
        self._dsn = dsn
        self._topics = tuple(jobs.topics)
        self._indexing = frozenset(name for name, topic in jobs.topics.items() if topic.indexes)
        self._schedules = tuple(jobs.schedules)
        self._connection: asyncpg.Connection | None = None
        self._reading = asyncio.Lock()
        self._read: list[GaugeMetricFamily] = []
        self._read_at = -KEPT_SECONDS

    async def families(self) -> list[GaugeMetricFamily]:
        """What was read a moment ago; nothing where it cannot be read."""
        async with self._reading:
            if time.monotonic() - self._read_at >= KEPT_SECONDS:
                self._read = await self._look()
                self._read_at = time.monotonic()
        return self._read

    async def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _look(self) -> list[GaugeMetricFamily]:
        try:
            async with asyncio.timeout(READ_SECONDS):
                if self._connection is None:
                    self._connection = await asyncpg.connect(
                        self._dsn, server_settings={"application_name": "ishop-metrics"}
                    )
                left = await waiting(self._connection)
                overdue = await self._connection.fetch(_OVERDUE, self._schedules)
        except (TimeoutError, *DATABASE_LOST) as error:
            SCRAPE_ERRORS.labels("backlog").inc()
            log.warning("the backlog cannot be read for the figures", error=type(error).__name__)
            await self.close()
            return []
        return [*self._backlog(left), *self._lags(left), _schedules(overdue)]

    def _backlog(self, left: Sequence[Waiting]) -> Iterable[GaugeMetricFamily]:
        counts: defaultdict[tuple[str, str], int] = defaultdict(int)
        ages: defaultdict[tuple[str, str], float] = defaultdict(float)
        for row in left:
            key = (row.topic if row.topic in self._topics else OTHER, row.state)
            counts[key] += row.count
            ages[key] = max(ages[key], row.oldest.total_seconds())
        backlog, oldest = family(BACKLOG), family(BACKLOG_OLDEST)
        for topic in (*self._topics, OTHER):
            for state in STATES:
                backlog.add_metric((topic, state), counts[topic, state])
                oldest.add_metric((topic, state), ages[topic, state])
        return backlog, oldest

    def _lags(self, left: Sequence[Waiting]) -> Iterable[GaugeMetricFamily]:
        outbox = [row for row in left if row.state == "outbox"]
        behind = [row for row in left if row.topic in self._indexing and row.state != "dead"]
        rows, oldest, lag = family(OUTBOX_ROWS), family(OUTBOX_OLDEST), family(INDEX_LAG)
        rows.add_metric((), sum(row.count for row in outbox))
        oldest.add_metric((), _oldest(outbox))
        lag.add_metric((), _oldest(behind))
        return rows, oldest, lag


def _oldest(rows: Sequence[Waiting]) -> float:
    return max((row.oldest.total_seconds() for row in rows), default=0.0)


def _schedules(overdue: Sequence[asyncpg.Record]) -> GaugeMetricFamily:
    late = family(SCHEDULE_OVERDUE)
    for schedule, seconds in overdue:
        late.add_metric((schedule,), max(seconds, 0.0))
    return late
