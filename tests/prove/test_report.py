"""The report: what was done, what was found, and a verdict that cannot be overlooked."""

import io
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from benchmarks.prove import plan as plans
from benchmarks.prove import report
from benchmarks.prove.outcome import Outcome
from benchmarks.prove.plan import FULL, QUICK
from benchmarks.prove.report import Results

HELD = Outcome(
    "contention", "Nothing is oversold", 12.3, {"attempts": 100_000, "oversold units": 0, "p95 ms": 41.27}, []
)
BROKEN = Outcome("retries", "Every write counts once", 4.0, {"requests": 3}, ["order 7 is there twice"] * 2)
MOMENT = datetime(2026, 11, 25, 1, 2, 3, tzinfo=UTC)


def results(*outcomes: Outcome) -> Results:
    return Results(MOMENT, FULL, {"commit": "abc"}, outcomes)


def shown(*outcomes: Outcome) -> str:
    page = io.StringIO()
    report.show(results(*outcomes), Console(file=page, width=1000, color_system=None))
    return page.getvalue()


class TestShow:
    def test_what_was_done_and_found_stands_beside_the_promise(self) -> None:
        (line,) = (line for line in shown(HELD).splitlines() if "contention" in line)
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells == [
            "Nothing is oversold (contention)", "attempts 100,000, oversold units 0, p95 ms 41.3", "12", "held",
        ]  # fmt: skip

    def test_what_broke_is_named_and_counted(self) -> None:
        page = shown(HELD, BROKEN)
        assert "BROKEN" in page
        assert "## retries: 2 times broken" in page
        assert "- 2 x order 7 is there twice" in page
        assert "contention: " not in page


class TestWrite:
    def test_the_files_are_named_by_moment_and_length(self, tmp_path: Path) -> None:
        markdown = report.write(results(HELD, BROKEN), tmp_path / "results")
        assert markdown.name == "20261125T010203Z-prove-full.md"
        raw = orjson.loads(markdown.with_suffix(".json").read_bytes())
        assert raw["outcomes"][1]["broken"] == BROKEN.broken
        assert raw["machine"] == {"commit": "abc"}

    def test_broken_is_the_whole_when_one_promise_is(self) -> None:
        assert results(HELD, BROKEN).broken
        assert not results(HELD).broken


class TestPlan:
    def test_the_environment_decides_like_the_command_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CYCLES", raising=False)
        monkeypatch.setenv("QUICK", "0")
        assert plans.chosen(quick=False) == FULL
        assert plans.chosen(quick=True) == QUICK
        monkeypatch.setenv("QUICK", "1")
        assert plans.chosen(quick=False) == QUICK

    def test_a_night_of_crashes_is_asked_for_by_their_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("QUICK", raising=False)
        monkeypatch.setenv("CYCLES", "1000")
        assert plans.chosen(quick=False).crash_cycles == 1000
