"""The figures of this process: declared here or by the part that they are about, shown at `/metrics`.

A figure is made once, at import, and its label values come from our own code: a service, a route template, a topic.
Nothing that a caller writes ever becomes one, or the number of series would be theirs to choose. What is counted for
every request is bound to its label values once, so that counting is one look-up and one addition.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar
from weakref import WeakSet

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import GaugeMetricFamily

# When a series began is of no use to us, and more samples.
disable_created_metrics()  # type: ignore[no-untyped-call] # The library's function has no types.

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
WAIT_SECONDS: Final = (0.0005, 0.005, 0.05, 0.5, 5.0)
JOB_BUCKETS: Final = (0.01, 0.1, 1.0, 10.0, 60.0, 300.0)

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED: Final = "unmatched"
"""The route of a request that no route fits: its path is the caller's own invention."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What `docs/metrics.md` says about one figure."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


FIGURES: Final[list[Figure]] = []

_Metric = TypeVar("_Metric", bound=MetricWrapperBase)


def counter(name: str, text: str, *labels: str) -> Counter:
    """A figure that only grows; `name` ends in `_total`."""
    return _declared(Counter(name, text, labels, registry=REGISTRY), name, "counter", labels, text)


def gauge(name: str, text: str, *labels: str) -> Gauge:
    """A figure that goes up and down."""
    return _declared(Gauge(name, text, labels, registry=REGISTRY), name, "gauge", labels, text)


def histogram(name: str, text: str, *labels: str, buckets: Sequence[float] = SECONDS) -> Histogram:
    """How long something took, in seconds."""
    return _declared(Histogram(name, text, labels, registry=REGISTRY, buckets=buckets), name, "histogram", labels, text)


def reading(name: str, text: str, *labels: str) -> Figure:
    """A gauge that is read when it is asked for; `family` makes it of what was read."""
    figure = Figure(name, "gauge", labels, text)
    FIGURES.append(figure)
    return figure


def family(figure: Figure) -> GaugeMetricFamily:
    """An empty family of a reading, to be filled by `add_metric`."""
    return GaugeMetricFamily(figure.name, figure.text, labels=figure.labels)


def _declared(metric: _Metric, name: str, kind: str, labels: tuple[str, ...], text: str) -> _Metric:
    FIGURES.append(Figure(name, kind, labels, text))
    return metric


_BY_ROUTE = ("service", "method", "route", "status")
REQUEST_SECONDS: Final = histogram(
    "ishop_request_seconds",
    "From a request's arrival at the gateway to the end of its answer. `service` is who answered, `status` the class.",
    *_BY_ROUTE,
)
SERVICE_REQUEST_SECONDS: Final = histogram(
    "ishop_service_request_seconds",
    "The same, measured by a service in a process of its own: what is missing to the gateway's is the way.",
    *_BY_ROUTE,
)
IDEMPOTENCY: Final = counter(
    "ishop_idempotency_total",
    "Requests whose Idempotency-Key was known: `replayed` the answer, refused as `reused`, or still `in_flight`.",
    "service",
    "outcome",
)
POOL_WAIT_SECONDS: Final = histogram(
    "ishop_database_pool_wait_seconds",
    "How long it took to get a connection out of a pool, connecting included.",
    "service",
    "pool",
    buckets=WAIT_SECONDS,
)
POOL_SIZE: Final = reading("ishop_database_pool_size", "The most connections that a pool may hold.", "service", "pool")
POOL_OPEN: Final = reading("ishop_database_pool_open", "Connections that a pool holds now.", "service", "pool")
POOL_IN_USE: Final = reading("ishop_database_pool_in_use", "Connections that are lent out.", "service", "pool")
POOL_WAITING: Final = reading(
    "ishop_database_pool_waiting", "Who waits for a connection out of a pool.", "service", "pool"
)
JOBS: Final = counter(
    "ishop_jobs_total",
    "Runs of jobs by how they ended: `done`, `retried` later, `dead` for some of its keys, or `interrupted`.",
    "topic",
    "outcome",
)
JOB_FAILURES: Final = counter("ishop_job_failures_total", "Calls of a job's handler that failed.", "topic")
JOB_SECONDS: Final = histogram("ishop_job_seconds", "How long a run of a job took.", "topic", buckets=JOB_BUCKETS)
SCHEDULE_RUNS: Final = counter(
    "ishop_schedule_runs_total", "Runs of schedules by how they ended: `done` or `failed`.", "schedule", "outcome"
)
SCHEDULE_SECONDS: Final = histogram(
    "ishop_schedule_seconds", "How long a run of a schedule took.", "schedule", buckets=JOB_BUCKETS
)
SCRAPE_ERRORS: Final = counter(
    "ishop_scrape_errors_total", "Readings that failed, so that their figures are absent from a scrape.", "reading"
)


def known_method(method: str) -> str:
    """A method of HTTP, or `other`: callers may invent their own."""
    return method if method in METHODS else "other"


class Requests:
    """Counts the requests of one door."""

    def __init__(self, seconds: Histogram) -> None:
        self._seconds = seconds
        self._bound: dict[tuple[str, str, str | None, int | None], Histogram] = {}

    def count(self, service: str, method: str, route: str | None, status: int | None, seconds: float) -> None:
        """Count one that is over; `route` is a template of ours, never a path, and None where none fits."""
        key = (service, known_method(method), route, status)
        bound = self._bound.get(key)
        if bound is None:
            status_class = f"{status // 100}xx" if status else "none"
            bound = self._bound[key] = self._seconds.labels(service, key[1], route or UNMATCHED, status_class)
        bound.observe(seconds)


class PoolWait:
    """Who waits for a connection of one pool, and how long it took them."""

    __slots__ = ("seconds", "waiting")

    def __init__(self, service: str, pool: str) -> None:
        self.seconds = POOL_WAIT_SECONDS.labels(service, pool)
        self.waiting = 0

    def measured(self) -> "Waiting":
        """Around getting a connection."""
        return Waiting(self)


class Waiting:
    """One who waits for a connection; a class, because what is done for every statement must cost little."""

    __slots__ = ("_began", "_pool")

    def __init__(self, pool: PoolWait) -> None:
        self._pool = pool
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()
        self._pool.waiting += 1

    def __exit__(self, *_: object) -> None:
        self._pool.waiting -= 1
        self._pool.seconds.observe(time.perf_counter() - self._began)


@dataclass(frozen=True, slots=True)
class PoolState:
    """One pool at this moment."""

    pool: str
    size: int
    open: int
    in_use: int
    waiting: int


class HasPools(Protocol):
    """A database as the figures see it."""

    service: str

    def pools(self) -> Sequence[PoolState]:
        """The state of its pools."""


_databases: WeakSet[HasPools] = WeakSet()


def watch(database: HasPools) -> None:
    """Show the pools of `database` for as long as it lives."""
    _databases.add(database)


def pool_families() -> list[GaugeMetricFamily]:
    """The pools of all databases of this process; those of one service are added up."""
    totals: dict[tuple[str, str], list[int]] = {}
    for database in _databases:
        for state in database.pools():
            total = totals.setdefault((database.service, state.pool), [0, 0, 0, 0])
            for place, value in enumerate((state.size, state.open, state.in_use, state.waiting)):
                total[place] += value
    families = [family(figure) for figure in (POOL_SIZE, POOL_OPEN, POOL_IN_USE, POOL_WAITING)]
    for labels, values in totals.items():
        for made, value in zip(families, values, strict=True):
            made.add_metric(labels, value)
    return families
