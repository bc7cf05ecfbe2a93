"""The report of the proofs, as Markdown and as raw JSON."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks import tables
from benchmarks.kept import RESULTS, keep
from benchmarks.prove.outcome import Outcome
from benchmarks.prove.plan import Plan

SHOWN: Final = 20
HELD, BROKE = "held", "BROKEN"


@dataclass(frozen=True, slots=True)
class Results:
    """A whole run."""

    taken_at: datetime
    plan: Plan
    machine: Mapping[str, str]
    outcomes: Sequence[Outcome]

    @property
    def broken(self) -> bool:
        """Whether any promise broke."""
        return any(outcome.broken for outcome in self.outcomes)


def write(results: Results, directory: Path = RESULTS) -> Path:
    """Write the raw values and the Markdown beside each other; the path of the Markdown."""
    show_results = partial(show, results)
    return keep(f"prove-{results.plan.name}", results.taken_at, asdict(results), show_results, directory=directory)


def show(results: Results, console: Console) -> None:
    """Print the report."""
    console.print(f"# Proofs, {results.taken_at:%Y-%m-%d %H:%M} UTC, {results.plan.name} run\n", markup=False)
    console.print(
        tables.table(("promise", "what was done and found", "seconds", "verdict"), map(_row, results.outcomes))
    )
    for outcome in results.outcomes:
        if not outcome.broken:
            continue
        console.print(f"\n## {outcome.name}: {len(outcome.broken)} times broken\n", markup=False)
        for what, times in Counter(outcome.broken).most_common(SHOWN):
            console.print(f"- {times} x {what}", markup=False, soft_wrap=True)
    console.print("\n## Machine\n", markup=False)
    console.print(tables.table(("what", "is"), results.machine.items()))


def _row(outcome: Outcome) -> tuple[str, str, str, str]:
    figures = ", ".join(f"{name} {tables.amount(value)}" for name, value in outcome.figures.items())
    promise = f"{outcome.title} ({outcome.name})"
    return promise, figures, f"{outcome.seconds:.0f}", BROKE if outcome.broken else HELD
