"""The judges use nothing of what they judge: the market's code is started and stopped by the proofs, not asked."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
JUDGES = (
    "faults/verdict.py", "prove/contention.py", "prove/crashes.py", "prove/crowd.py", "prove/effects.py",
    "prove/indexed.py", "prove/ledger.py", "prove/repeats.py", "prove/retries.py",
)  # fmt: skip
"""They say what must be true, and whether it is."""


def imported(path: Path) -> Iterator[str]:
    """The first names of the packages that a module imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("judge", JUDGES)
def test_a_judge_imports_nothing_of_the_market(judge: str) -> None:
    assert not {"gateway", "ishop", "services"} & set(imported(BENCHMARKS / judge))


@pytest.mark.parametrize("folder", ["faults", "prove"])
def test_no_proof_imports_a_service_or_the_gateway(folder: str) -> None:
    for module in (BENCHMARKS / folder).glob("*.py"):
        assert not {"gateway", "services"} & set(imported(module)), module
