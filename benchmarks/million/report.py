"""What was measured, and the report: ratios of the large market to the small one, searches, disk and seconds."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median, quantiles
from typing import Any, Final

from rich.console import Console

from benchmarks.million.index_rate import IndexRate
from benchmarks.million.kinds import Kind
from benchmarks.million.markets import LARGE, SMALL, Relation, Size
from benchmarks.tables import table

WIDTH: Final = 140
FLAT: Final = 1.3
"""The large market may take so many times what the small one takes, in the middle and at the 99th of a hundred."""
SEARCH_MS: Final = 20.0
"""What 95 of 100 searches of any kind may take at most, with all that is around the engine."""
FLAT_HEADER: Final = (
    "ms", f"p50 {SMALL.name}", f"p50 {LARGE.name}", "ratio (of rounds)", f"p99 {SMALL.name}", f"p99 {LARGE.name}",
    "ratio", f"≤ {FLAT:g}",
)  # fmt: skip
SEARCH_HEADER: Final = (f"ms, PostgreSQL engine, {LARGE.name}", "p50", "p95", "p99", f"p95 ≤ {SEARCH_MS:g}")
SHOWN_RELATIONS: Final = 12
MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Plan:
    """How often all is asked: so many requests of each kind, to each market, in each round.

    `warm_up` requests of each kind come first and are not counted: what a session of PostgreSQL reads for the first
    time it takes into its view of the memory page by page, which takes longer in a large market and happens once.
    """

    name: str
    rounds: int
    warm_up: int
    requests: int
    searches: int

    def count(self, kind: Kind) -> int:
        """Requests of this kind in a round."""
        return self.searches if kind.searches else self.requests


@dataclass(slots=True)
class Results:
    """All that a run found. `latencies` are milliseconds, a list a round, by kind and by size."""

    plan: Plan
    kinds: Sequence[Kind]
    seconds: dict[str, dict[str, float]]
    """What seeding took, by size and by what was seeded."""
    index_rate: IndexRate | None
    latencies: dict[str, dict[str, list[list[float]]]] = field(default_factory=dict)
    relations: dict[str, list[Relation]] = field(default_factory=dict)
    measured_in: float = 0.0

    def add(self, kind: Kind, size: Size, latencies: Iterable[float]) -> None:
        """Note a round."""
        rounds = self.latencies.setdefault(kind.name, {}).setdefault(size.name, [])
        rounds.append([round(latency * 1000, 3) for latency in latencies])

    def document(self, described: dict[str, str]) -> dict[str, Any]:
        """Everything as JSON."""
        return {
            "plan": asdict(self.plan),
            "machine": described,
            "seed_seconds": self.seconds,
            "index_rate": asdict(self.index_rate) if self.index_rate else None,
            "bounds": {"flat": FLAT, "search_ms": SEARCH_MS},
            "flat": {kind.name: asdict(_ratio(self, kind)) for kind in self.kinds if not kind.searches},
            "relations": {size: [asdict(one) for one in found] for size, found in self.relations.items()},
            "latencies_ms": self.latencies,
        }


@dataclass(frozen=True, slots=True)
class Ratio:
    """The large market over the small one: the medians, with the least and the most of the rounds, and the p99s.

    Of the p99s of the rounds the median counts, so that what else the machine did in one of them does not.
    """

    p50: float
    least: float
    most: float
    p99: float

    @property
    def holds(self) -> bool:
        """Whether both are within the bound."""
        return self.p50 <= FLAT and self.p99 <= FLAT


def missed(results: Results) -> list[str]:
    """The kinds that are beyond their bound."""
    return [
        kind.name
        for kind in results.kinds
        if not (_percentile(results, kind, LARGE, 95) <= SEARCH_MS if kind.searches else _ratio(results, kind).holds)
    ]


def show(results: Results, described: dict[str, str], console: Console) -> None:
    """Print the report."""
    plan, beyond = results.plan, missed(results)
    console.print(
        f"A market of {LARGE.products:,} products of {LARGE.vendors:,} vendors with {LARGE.orders:,} orders beside one "
        f"of {SMALL.products:,} products and {SMALL.orders:,} orders, in one run. One caller; {plan.rounds} rounds of "
        f"{plan.requests} requests of each kind to each market, in turns, with what is asked for drawn anew each time, "
        f"and of {plan.searches} searches of each kind, after {plan.warm_up} of each that are not counted; a p99 is "
        f"the median of those of the rounds. The gateway's memory of public answers is off. Measured in "
        f"{results.measured_in:.0f} s.",
        soft_wrap=True,
    )
    flat = [kind for kind in results.kinds if not kind.searches]
    if flat:
        console.print(table(FLAT_HEADER, (_flat_row(results, kind) for kind in flat)))
    searches = [kind for kind in results.kinds if kind.searches]
    if searches:
        console.print(table(SEARCH_HEADER, (_search_row(results, kind) for kind in searches)))
    console.print(table(("on disk, MiB", "rows", "table", "indexes"), _disk_rows(results)))
    console.print(f"{len(results.kinds)} kinds, {len(beyond)} beyond their bound.", soft_wrap=True)
    for size, seconds in results.seconds.items():
        for what, taken in seconds.items():
            console.print(f"ishop seed, {what} of the market of {size}: {taken:.0f} s", soft_wrap=True)
    if results.index_rate:
        rate = results.index_rate
        console.print(
            f"Filling Meilisearch (ishop reindex): {rate.documents:,} documents in {rate.seconds:.0f} s, "
            f"{rate.rate:,.0f} a second",
            soft_wrap=True,
        )
    for name, value in described.items():
        console.print(f"{name}: {value}", markup=False, soft_wrap=True)


def _flat_row(results: Results, kind: Kind) -> tuple[str, ...]:
    ratio = _ratio(results, kind)
    p50s = [_percentile(results, kind, size, 50) for size in (SMALL, LARGE)]
    p99s = [_p99(results, kind, size) for size in (SMALL, LARGE)]
    return (
        kind.name,
        *(f"{value:.2f}" for value in p50s),
        f"{ratio.p50:.2f} ({ratio.least:.2f} to {ratio.most:.2f})",
        *(f"{value:.2f}" for value in p99s),
        f"{ratio.p99:.2f}",
        "pass" if ratio.holds else "MISSED",
    )


def _search_row(results: Results, kind: Kind) -> tuple[str, ...]:
    values = [_percentile(results, kind, LARGE, at) for at in (50, 95, 99)]
    return kind.name, *(f"{value:.2f}" for value in values), "pass" if values[1] <= SEARCH_MS else "MISSED"


def _disk_rows(results: Results) -> Iterator[tuple[str, ...]]:
    for one in results.relations.get(LARGE.name, [])[:SHOWN_RELATIONS]:
        yield one.name, f"{one.rows:,}", f"{one.table / MIB:,.0f}", f"{one.indexes / MIB:,.0f}"
    for size, relations in results.relations.items():
        tables, indexes = sum(one.table for one in relations), sum(one.indexes for one in relations)
        yield f"all tables, {size}", "", f"{tables / MIB:,.0f}", f"{indexes / MIB:,.0f}"


def _ratio(results: Results, kind: Kind) -> Ratio:
    rounds = [results.latencies[kind.name][size.name] for size in (SMALL, LARGE)]
    of_rounds = [median(many) / median(few) for few, many in zip(*rounds, strict=True)]
    p50 = _percentile(results, kind, LARGE, 50) / _percentile(results, kind, SMALL, 50)
    p99 = _p99(results, kind, LARGE) / _p99(results, kind, SMALL)
    return Ratio(p50, min(of_rounds), max(of_rounds), p99)


def _p99(results: Results, kind: Kind, size: Size) -> float:
    rounds = results.latencies[kind.name][size.name]
    return median(quantiles(one, n=100, method="inclusive")[98] for one in rounds)


def _percentile(results: Results, kind: Kind, size: Size, at: int) -> float:
    values = [latency for one in results.latencies[kind.name][size.name] for latency in one]
    return quantiles(values, n=100, method="inclusive")[at - 1]
