"""How much a proof does: a full run, and a quick one that fits into every run of the checks."""

import os
from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class Plan:
    """The counts of a run."""

    name: str
    order_attempts: int
    """Orders that are tried under contention."""
    retried_requests: int
    """Requests that are sent one to five times with one key."""
    crash_cycles: int
    """How often something is killed and started again."""
    index_changes: int
    """Changes that the search index has to follow."""


FULL: Final = Plan("full", order_attempts=100_000, retried_requests=5_000, crash_cycles=200, index_changes=10_000)
QUICK: Final = Plan("quick", order_attempts=3_000, retried_requests=300, crash_cycles=6, index_changes=300)


def chosen(*, quick: bool) -> Plan:
    """The plan that the command line and the environment ask for: QUICK=1, and CYCLES=1000 for a night of crashes."""
    plan = QUICK if quick or os.environ.get("QUICK", "") not in ("", "0") else FULL
    cycles = os.environ.get("CYCLES", "")
    return replace(plan, crash_cycles=int(cycles)) if cycles else plan
