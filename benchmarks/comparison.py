"""Two runs side by side: what moved beyond noise, and what only looks so.

A figure is the median of its rounds. Its noise is taken from how far the rounds lie apart, by the median absolute
deviation, which a few outliers do not change; everything is done with logarithms, where twice as fast and half as fast
are as far away. Of two medians of n and m rounds, whose single rounds deviate by s, the difference deviates by about
1.2533 s sqrt(1/n + 1/m). A figure moved when its median changed by more than four times that and by more than 10 %:
two runs of one state of the code differ as a whole, which the rounds within a run cannot show. Where there are fewer
than three rounds nothing is known of the noise, and only a change beyond 15 % is called one.

A figure is judged by its ratio to its floor alone. What was read stands beside it, without a verdict: one state of the
code, measured twice on one machine with neighbours within an hour, read 8 to 25 % less in everything, floors included,
while seven of eight ratios stayed within 9 %.

    python -m benchmarks.comparison BEFORE.json AFTER.json    # of runs that were kept
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from statistics import median
from typing import Annotated, Final

import typer
from rich.console import Console

from benchmarks import tables
from benchmarks.kept import RESULTS, Run, kept, read

DEVIATIONS: Final = 4.0
LEAST: Final = math.log(1.1)
LEAST_WITHOUT_NOISE: Final = math.log(1.15)
FEWEST_ROUNDS: Final = 3
OF_A_MEDIAN: Final = 1.2533
"""The standard error of a median, where that of a mean is 1."""
TO_SIGMA: Final = 1.4826
"""The standard deviation of normal values, where their median absolute deviation is 1."""
OUTLYING: Final = 3.5
"""Deviations from the median, after Iglewicz and Hoaglin."""
SMALLER_IS_BETTER: Final = ("ms", "MiB")
SAME_MACHINE: Final = ("processor", "memory", "data on", "system")


class Verdict(StrEnum):
    """What became of a figure."""

    better = "better, beyond noise"
    worse = "worse, beyond noise"
    moved = "moved beyond noise"
    """Of a floor, which says something about the machine and nothing about the code."""
    still = "within noise"
    new = "new"
    gone = "gone"


@dataclass(frozen=True, slots=True)
class Change:
    """One figure before and after, as a ratio to its floor or as it was read."""

    title: str
    kind: str
    """`ratio` or the unit."""
    before: float | None
    after: float | None
    noise: float | None
    """A change up to this share is called noise; None where there is nothing to compare."""
    verdict: Verdict
    readings: str = ""
    """What a ratio was taken of, then and now, on one machine."""

    @property
    def share(self) -> float:
        """By how much it changed: 0.1 is 10 % more."""
        return self.after / self.before - 1 if self.before and self.after else 0.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """With what a run was compared, and what came of it."""

    against: str
    same_machine: bool
    changes: Sequence[Change]


def newest(plan: str, machine: Mapping[str, str], directory: Path = RESULTS) -> Path | None:
    """The kept run to compare with: the newest of this plan on this machine, else the newest of this plan on any."""
    found = kept(f"bench-{plan}", directory)
    here = (path for path in found if same_machine(read(path)["machine"], machine))
    return next(here, found[0] if found else None)


def same_machine(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether absolute values can be compared."""
    return all(one.get(name) == other.get(name) for name in SAME_MACHINE)


def compare(before: Run, after: Run, against: str) -> Comparison:
    """Every figure of both runs; only ratios where the machines differ."""
    same = same_machine(before["machine"], after["machine"])
    changes = list(_changes(before, after, values=same))
    if same:
        memory = [(run["memory"]["rss"],) for run in (before, after)]
        changes.append(change("memory of the market", "MiB", *memory))
    return Comparison(against, same, changes)


def change(title: str, kind: str, before: Sequence[float], after: Sequence[float], *, floor: bool = False) -> Change:
    """What became of one figure, by its readings a round; none are no readings of then or of now."""
    old, new = (median(values) if values else None for values in (before, after))
    if old is None or new is None:
        return Change(title, kind, old, new, None, Verdict.new if old is None else Verdict.gone)
    noise, shift = _noise(before, after), math.log(new / old)
    verdict = Verdict.still
    if abs(shift) > noise:
        better = (shift < 0) == _smaller_is_better(kind)
        verdict = Verdict.moved if floor else Verdict.better if better else Verdict.worse
    return Change(title, kind, old, new, math.expm1(noise), verdict)


def outliers(values: Sequence[float]) -> list[int]:
    """The rounds, from 1, whose reading lies far from the others: the median hardly feels them, but a reader should."""
    if len(values) < FEWEST_ROUNDS:
        return []
    logs = [math.log(value) for value in values]
    middle = median(logs)
    # Where most rounds agree to the digit, every other would be far away; below the least change nothing is called far.
    far = max(OUTLYING * TO_SIGMA * median(abs(one - middle) for one in logs), LEAST)
    return [number for number, one in enumerate(logs, 1) if abs(one - middle) > far]


def show(comparison: Comparison, console: Console) -> None:
    """Print it: the table, and what moved in words."""
    console.print(f"Compared with {comparison.against}.", markup=False, soft_wrap=True)
    if not comparison.same_machine:
        sentence = "It was taken on another machine, so only ratios are compared."
        console.print(sentence, soft_wrap=True)
    moved = [one for one in comparison.changes if one.verdict not in (Verdict.still, Verdict.new, Verdict.gone)]
    sentence = "; ".join(f"{one.title} ({one.kind}) {_percent(one.share)}, {one.verdict}" for one in moved)
    console.print(f"{sentence or 'Nothing moved beyond noise'}.\n", markup=False, soft_wrap=True)
    header = ("figure", "as", "then", "now", "change", "noise", "verdict", "readings")
    console.print(tables.table(header, map(_row, comparison.changes)))


def _changes(before: Run, after: Run, *, values: bool) -> Iterator[Change]:
    """In the order of the new run; what is gone comes last."""
    figures = {**before.get("figures", {}), **after.get("figures", {})}
    keys = [*after["readings"], *(key for key in before["readings"] if key not in after["readings"])]
    for key in keys:
        about = figures.get(key, {"title": key, "unit": ""})
        readings = [[one["value"] for one in run["readings"].get(key, ())] for run in (before, after)]
        if not all(readings):
            yield change(about["title"], about["unit"], *readings)
            continue
        ratios = [run["ratios"].get(key, ()) for run in (before, after)]
        if all(ratios):
            then, now = (tables.number(median(one)) for one in readings)
            read_as = f"{then} → {now} {about['unit']}" if values else ""
            yield replace(change(about["title"], _ratio_of(about["unit"]), *ratios), readings=read_as)
        elif values:
            yield change(about["title"], about["unit"], *readings, floor=True)


def _noise(before: Sequence[float], after: Sequence[float]) -> float:
    """By how much the logarithms of the medians may differ before it is called a change."""
    if min(len(before), len(after)) < FEWEST_ROUNDS:
        return LEAST_WITHOUT_NOISE
    deviations = []
    for values in (before, after):
        logs = [math.log(value) for value in values]
        middle = median(logs)
        deviations += [abs(one - middle) for one in logs]
    # Each run's own median was taken away, which makes the rounds look a little closer than they are.
    count = len(deviations)
    sigma = TO_SIGMA * median(deviations) * math.sqrt(count / (count - 2))
    return max(LEAST, DEVIATIONS * OF_A_MEDIAN * sigma * math.sqrt(1 / len(before) + 1 / len(after)))


def _ratio_of(unit: str) -> str:
    return "ratio of times" if unit == "ms" else "ratio"


def _smaller_is_better(kind: str) -> bool:
    return kind in (*SMALLER_IS_BETTER, _ratio_of("ms"))


def _row(one: Change) -> tuple[str, ...]:
    then, now = ("" if value is None else tables.number(value) for value in (one.before, one.after))
    compared = () if one.noise is None else (_percent(one.share), f"± {one.noise:.1%}")
    return (one.title, one.kind, then, now, *(compared or ("", "")), one.verdict, one.readings)


def _percent(share: float) -> str:
    return f"{'up' if share > 0 else 'down'} {abs(share):.1%}"


def main(
    before: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    after: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
) -> None:
    """Say what moved beyond noise between two kept runs of `make bench`."""
    show(compare(read(before), read(after), before.name), Console(width=160))


if __name__ == "__main__":
    typer.run(main)
