"""The report: ratios within a round, their medians, and the bounds."""

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
from rich.console import Console

from benchmarks.processes import Memory
from benchmarks.report import FIGURES, Results, WhereTimeGoes, compared, show, write
from benchmarks.rounds import QUICK, Measure, Reading, run_rounds
from benchmarks.server_time import StatementTime
from benchmarks.supplies import SignIns

NOTES = {
    "median_ms": 1.0, "p95_ms": 2.0, "generator_share": 0.4, "server_share": 0.9,
    "server_cpu_ms": 2.0, "postgres_cpu_ms": 1.0,
}  # fmt: skip
VALUES = {
    "hello": (10_000, 20_000, 10_000), "detail": (700, 1200, 800), "list": (300, 300, 300),
    "pgbench": (1000, 1000, 2000), "order": (200, 110, 100), "bulk_500_sql": (10, 10, 20), "bulk_500": (30, 50, 60),
}  # fmt: skip
WHERE = WhereTimeGoes("ptrace is forbidden", (StatementTime("ops.claim_v1", 1.0, 0.1, 0.2),), 3.0)


def results(**changes: object) -> Results:
    """A small run."""
    made = Results(
        taken_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        plan=QUICK,
        machine={"commit": "abc"},
        readings={key: [Reading(value, NOTES) for value in values] for key, values in VALUES.items()},
        memory=Memory(200.0, 180.0, 250.0),
        beside={"postgres": 300.0},
        open_seconds=5.0,
        detail=WHERE,
        order=WHERE,
        signed_in=SignIns(64, 40, 30, 12.5),
    )
    return replace(made, **changes)  # type: ignore[arg-type] # the fields are named by the test.


def figure(key: str) -> list[float]:
    """The ratios of one figure."""
    return results().ratios(next(figure for figure in FIGURES if figure.key == key))


class TestRatios:
    def test_each_round_is_divided_by_its_own_floor(self) -> None:
        assert figure("detail") == [0.07, 0.06, 0.08]
        assert figure("order") == [0.2, 0.11, 0.05]
        assert figure("bulk_500") == [3.0, 5.0, 3.0]
        assert figure("hello") == []


class TestBounds:
    def test_median_decides(self) -> None:
        assert results().missed() == ["order of one line, 16 buyers: 0.11 is not ≥ 0.25"]

    def test_memory_is_bounded_too(self) -> None:
        assert results(memory=Memory(301.0, 290.0, 310.0)).missed()[-1] == "memory: 301 MiB is not ≤ 300"


class TestWrite:
    def test_markdown_and_raw_values_stand_side_by_side(self, tmp_path: Path) -> None:
        markdown = write(results(), None, tmp_path / "results")
        assert markdown.name == "20260102T030405Z-bench-quick.md"
        page = markdown.read_text()
        row = next(line for line in page.splitlines() if line.startswith("| order of one line, 16 buyers"))
        assert [cell.strip() for cell in row.strip("|").split("|")][1:] == [
            "110 (100 to 200)", "orders/s", "0.11 (0.05 to 0.2)", "≥ 0.25", "MISSED",
        ]  # fmt: skip
        assert "py-spy could not look into the process. ptrace is forbidden" in page
        raw = orjson.loads(markdown.with_suffix(".json").read_bytes())
        assert raw["ratios"]["detail"] == [0.07, 0.06, 0.08]
        assert raw["readings"]["order"][1]["value"] == 110
        assert raw["machine"] == {"commit": "abc"}
        assert raw["figures"]["order"] == {
            "title": "order of one line, 16 buyers", "unit": "orders/s", "floor": "pgbench", "bound": "≥ 0.25",
        }  # fmt: skip
        assert "There is no kept quick run to compare with." in page

    def test_report_says_what_moved_since_the_last_kept_run(self, tmp_path: Path) -> None:
        write(results(), None, tmp_path)
        slower = {key: [Reading(value / 8, NOTES) for value in values] for key, values in VALUES.items()}
        now = results(readings={**results().readings, "detail": slower["detail"]})
        page = write(now, compared(now, tmp_path), tmp_path).read_text()
        assert "Compared with 20260102T030405Z-bench-quick." in page
        assert "product detail, uncached (ratio) down 87.5%, worse, beyond noise" in page

    def test_outlying_round_is_told_and_kept(self) -> None:
        hello = [Reading(value, NOTES) for value in (10_000, 10_100, 4_000, 9_900, 10_000)]
        page = io.StringIO()
        show(results(readings={"hello": hello}), None, Console(file=page, width=200))
        assert (
            "Outlying, and kept in the figures: floor: uvicorn, an empty application, round 3 (4,000)."
            in page.getvalue()
        )


class TestRounds:
    async def test_every_second_round_runs_backwards_and_the_warm_up_does_not_count(self) -> None:
        order: list[str] = []

        def measure(key: str) -> Measure:
            async def take() -> Reading:
                order.append(key)
                return Reading(len(order))

            return take

        taken = await run_rounds({key: measure(key) for key in "abc"}, 2, lambda *_: None)
        assert "".join(order) == "abcabccba"
        assert [reading.value for reading in taken["a"]] == [4, 9]
