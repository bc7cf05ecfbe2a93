"""The report: each figure as a ratio to its floor, against its bound, as Markdown and as raw JSON."""

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from itertools import zip_longest
from pathlib import Path
from statistics import median
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks import comparison, tables
from benchmarks.comparison import Comparison, outliers
from benchmarks.kept import RESULTS, keep, read
from benchmarks.processes import Memory
from benchmarks.profile import Profile
from benchmarks.rounds import Plan, Readings
from benchmarks.server_time import StatementTime
from benchmarks.supplies import SignIns

WIDTH: Final = 160
SHOWN: Final = 14
SMALLEST_SHARE: Final = 0.01
PASSED, MISSED = "pass", "MISSED"


@dataclass(frozen=True, slots=True)
class Bound:
    """What a ratio (or the memory) must hold."""

    sign: str
    limit: float

    def holds(self, value: float) -> bool:
        """Whether `value` is on the right side."""
        return bool({"≥": operator.ge, "≤": operator.le}[self.sign](value, self.limit))

    def __str__(self) -> str:
        return f"{self.sign} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of the table. A figure without a floor is a floor."""

    key: str
    title: str
    unit: str
    floor: str | None = None
    bound: Bound | None = None


FIGURES: Final = (
    Figure("hello", "floor: uvicorn, an empty application", "req/s"),
    Figure("detail_cached", "product detail, cached", "req/s", "hello", Bound("≥", 0.40)),
    Figure("list_cached", "list of 20 products, cached", "req/s", "hello", Bound("≥", 0.40)),
    Figure("detail", "product detail, uncached", "req/s", "hello", Bound("≥", 0.06)),
    Figure("list", "list of 20 products, uncached", "req/s", "hello", Bound("≥", 0.03)),
    Figure("postgres_direct", "floor: the SQL of searches", "req/s"),
    Figure("search_postgres", "search, PostgreSQL engine", "req/s", "postgres_direct", Bound("≥", 0.5)),
    Figure("meilisearch_direct", "floor: Meilisearch itself", "req/s"),
    Figure("search_meilisearch", "search, Meilisearch engine", "req/s", "meilisearch_direct", Bound("≥", 0.5)),
    Figure("pgbench", "floor: pgbench, the order's transaction", "tx/s"),
    Figure("order", "order of one line, 16 buyers", "orders/s", "pgbench", Bound("≥", 0.25)),
    Figure("hot_pgbench", "floor: pgbench, all of one sku", "tx/s"),
    Figure("hot_sku", "order of one hot sku, 64 buyers", "orders/s", "hot_pgbench", Bound("≥", 0.5)),
    Figure("bulk_100_sql", "floor: SQL of 100 lines", "ms"),
    Figure("bulk_100", "bulk order of 100 lines", "ms", "bulk_100_sql", Bound("≤", 3)),
    Figure("bulk_500_sql", "floor: SQL of 500 lines", "ms"),
    Figure("bulk_500", "bulk order of 500 lines", "ms", "bulk_500_sql", Bound("≤", 3)),
    Figure("bulk_1000_sql", "floor: SQL of 1,000 lines", "ms"),
    Figure("bulk_1000", "bulk order of 1,000 lines", "ms", "bulk_1000_sql", Bound("≤", 3)),
    Figure("batch_sql", "floor: SQL of 10,000 rows", "ms"),
    Figure("batch", "stock batch of 10,000 rows", "ms", "batch_sql", Bound("≤", 2)),
    Figure("argon2", "floor: argon2id, one check", "ms"),
    Figure("sign_in", "sign-in, when nobody else does", "ms", "argon2"),
)
MEMORY: Final = Bound("≤", 300)
"""MiB of the market's process, the most while 64 people sign in at once; it holds gateway, services and worker."""


@dataclass(frozen=True, slots=True)
class WhereTimeGoes:
    """Of one kind of request: the profile under load, or why there is none, and PostgreSQL's side of it."""

    profile: Profile | str
    statements: Sequence[StatementTime]
    alone_ms: float
    """Of one request when nobody else calls, as the caller sees it."""

    @property
    def server_ms(self) -> float:
        """What PostgreSQL works for one request."""
        return sum(one.ms for one in self.statements)


@dataclass(frozen=True, slots=True)
class Results:
    """A whole run."""

    taken_at: datetime
    plan: Plan
    machine: Mapping[str, str]
    readings: Readings
    memory: Memory
    beside: Mapping[str, float]
    """MiB of the servers beside the market, with all their processes."""
    open_seconds: float
    detail: WhereTimeGoes
    order: WhereTimeGoes
    signed_in: SignIns
    """Those who signed in while the memory was looked at."""

    def ratios(self, figure: Figure) -> list[float]:
        """The ratio of each round; none for a floor."""
        if figure.floor is None:
            return []
        pairs = zip(self.readings[figure.key], self.readings[figure.floor], strict=True)
        return [one.value / floor.value for one, floor in pairs]

    def missed(self) -> list[str]:
        """The bounds that do not hold."""
        found = [
            f"{figure.title}: {median(self.ratios(figure)):.3g} is not {figure.bound}"
            for figure in FIGURES
            if figure.bound is not None
            and figure.key in self.readings
            and not figure.bound.holds(median(self.ratios(figure)))
        ]
        if not MEMORY.holds(self.memory.rss):
            found.append(f"memory: {self.memory.rss:.0f} MiB is not {MEMORY}")
        return found


def document(results: Results) -> dict[str, Any]:
    """Everything that is kept of a run, in a form that needs no code of today to be understood."""
    return {
        **asdict(results),
        "figures": {
            figure.key: {
                "title": figure.title,
                "unit": figure.unit,
                "floor": figure.floor,
                "bound": _text(figure.bound),
            }
            for figure in FIGURES
            if figure.key in results.readings
        },
        "ratios": {figure.key: results.ratios(figure) for figure in FIGURES if figure.key in results.readings},
        "missed": results.missed(),
    }


def compared(results: Results, directory: Path = RESULTS) -> Comparison | None:
    """This run beside the last one that was kept; None where there is none to compare with."""
    last = comparison.newest(results.plan.name, results.machine, directory)
    if last is None:
        return None
    return comparison.compare(read(last), document(results), last.stem)


def write(results: Results, against: Comparison | None, directory: Path = RESULTS) -> Path:
    """Write the raw values and the Markdown beside each other; the path of the Markdown."""
    kind = f"bench-{results.plan.name}"
    shown = partial(show, results, against)
    return keep(kind, results.taken_at, document(results), shown, directory=directory)


def show(results: Results, against: Comparison | None, console: Console) -> None:
    """Print the report."""

    def section(title: str, table: Table | None, *sentences: str) -> None:
        console.print(f"\n## {title}\n", markup=False)
        for sentence in sentences:
            console.print(sentence, markup=False, soft_wrap=True)
        if table is not None:
            console.print(table)

    console.print(f"# Benchmarks, {results.taken_at:%Y-%m-%d %H:%M} UTC, {results.plan.name} run", markup=False)
    section("Figures", _figures(results), *_verdict(results))
    console.print("\n## Against the last kept run\n", markup=False)
    if against is None:
        console.print(f"There is no kept {results.plan.name} run to compare with.", markup=False)
    else:
        comparison.show(against, console)
    section("One request", _single(results), *_generator(results))
    for title, where in (("product detail", results.detail), ("order of one line", results.order)):
        section(f"Where the time goes: {title}", *_profile(where.profile))
        section(f"PostgreSQL's part: {title}", _statements(where), *_alone(where))
    section("Machine", tables.table(("what", "is"), results.machine.items()))


def _figures(results: Results) -> Table:
    rows = []
    for figure in FIGURES:
        if figure.key not in results.readings:
            continue
        ratios = results.ratios(figure)
        verdict = "" if figure.bound is None else PASSED if figure.bound.holds(median(ratios)) else MISSED
        values = [reading.value for reading in results.readings[figure.key]]
        rows.append(
            (figure.title, tables.spread(values), figure.unit, tables.spread(ratios), str(figure.bound or ""), verdict)
        )
    memory = results.memory
    verdict = PASSED if MEMORY.holds(memory.rss) else MISSED
    rows.append(
        ("memory of the market after all this, while 64 sign in", f"{memory.rss:.0f}", "MiB", "", str(MEMORY), verdict)
    )
    return tables.table(("figure", "median (least to most)", "unit", "ratio to its floor", "bound", "holds"), rows)


def _verdict(results: Results) -> Iterable[str]:
    missed = results.missed()
    yield "All bounds hold.\n" if not missed else f"Missed: {'; '.join(missed)}.\n"
    beside = ", ".join(f"{name} {size:.0f} MiB" for name, size in results.beside.items())
    yield (
        f"From an empty home to the first answer: {results.open_seconds:.1f} s. Market process: "
        f"PSS {results.memory.pss:.0f} MiB, peak {results.memory.peak:.0f} MiB. Beside it (PSS): {beside}.\n"
        f"While the memory was looked at, {results.signed_in}.\n"
    )
    unmeasured = [figure.title for figure in FIGURES if figure.key not in results.readings]
    if unmeasured:
        yield f"Not measured here: {'; '.join(unmeasured)}.\n"
    for figure in FIGURES:
        values = [reading.value for reading in results.readings.get(figure.key, ())]
        far = ", ".join(f"{number} ({tables.number(values[number - 1])})" for number in outliers(values))
        if far:
            yield f"Outlying, and kept in the figures: {figure.title}, round {far}.\n"


def _single(results: Results) -> Table:
    names = ("median_ms", "p95_ms", "server_cpu_ms", "postgres_cpu_ms")
    rows = []
    for figure in FIGURES:
        notes = [reading.notes for reading in results.readings.get(figure.key, ())]
        if notes and notes[0]:
            seen = ([note[name] for note in notes if name in note] for name in names)
            rows.append((figure.title, *map(tables.spread, seen)))
    header = ("figure", "median ms", "95 % within ms", "processor ms of the server", "processor ms of PostgreSQL")
    return tables.table(header, rows)


def _generator(results: Results) -> Iterable[str]:
    hello = [reading.notes for reading in results.readings["hello"]]
    generator = median(note["generator_share"] for note in hello)
    server = median(note["server_share"] for note in hello)
    limit = "the server was the limit" if server > generator else "THE GENERATOR WAS THE LIMIT"
    yield (
        f"At the hello floor the load generator used {generator:.0%} of one core and the server {server:.0%}, "
        f"so {limit}. The server is the market, or what stands for it as a floor; its processor time includes what its "
        "worker did meanwhile. Generator, market and PostgreSQL share the cores of this machine.\n"
    )


def _profile(profile: Profile | str) -> tuple[Table | None, str]:
    if isinstance(profile, str):
        return None, f"No profile: py-spy could not look into the process. {profile}"
    columns = [
        [(name, f"{share:.1%}") for name, share in shares if share >= SMALLEST_SHARE][:SHOWN]
        for shares in (profile.by_package, profile.by_function, profile.by_our_function)
    ]
    rows = [tuple(cell for pair in cells for cell in pair) for cells in zip_longest(*columns, fillvalue=("", ""))]
    header = ("package at work", "share", "function at work", "share", "for our function", "share")
    return tables.table(header, rows), f"The main thread worked {profile.busy:.0%} of the time.\n"


def _statements(where: WhereTimeGoes) -> Table:
    rows = [
        (one.name, f"{one.sent:.1f}", f"{one.planning_ms:.3f}", f"{one.executing_ms:.3f}", f"{one.ms:.3f}")
        for one in where.statements
    ]
    return tables.table(("statement", "sent for a request", "planning ms", "executing ms", "together ms"), rows)


def _alone(where: WhereTimeGoes) -> Iterable[str]:
    yield (
        f"When nobody else calls, the answer comes after {where.alone_ms:.2f} ms, "
        f"of which PostgreSQL works {where.server_ms:.2f} ms.\n"
    )


def _text(bound: Bound | None) -> str | None:
    return None if bound is None else str(bound)
