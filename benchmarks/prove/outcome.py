"""What a proof found."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.prove.plan import Plan

Say = Callable[[str], None]
"""Tells what is going on, a line at a time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One promise put to the proof. It held where nothing is `broken`."""

    name: str
    title: str
    """The promise, as a reader knows it."""
    seconds: float
    figures: Mapping[str, int | float | str]
    """What was done and what was found, in the words of the table."""
    broken: list[str]
    """Every way in which the promise did not hold, in words."""


Proof = Callable[[Plan, Path, Say], Awaitable[Outcome]]
"""Opens a market in the home that it is given, which is removed afterwards."""
