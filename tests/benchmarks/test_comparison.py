"""What moved beyond noise between two runs, on readings whose truth is known."""

import io
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console

from benchmarks.comparison import Verdict, change, compare, newest, outliers, show
from benchmarks.tables import number

MACHINE = {"processor": "a processor, 2 cores", "memory": "8 GiB", "data on": "ext4", "system": "Linux 6"}
OTHER = MACHINE | {"processor": "another one, 8 cores"}
FIGURES: dict[str, dict[str, str]] = {
    "hello": {"title": "floor: hello", "unit": "req/s", "floor": ""},
    "detail": {"title": "product detail", "unit": "req/s", "floor": "hello"},
    "bulk_sql": {"title": "floor: SQL", "unit": "ms", "floor": ""},
    "bulk": {"title": "bulk order", "unit": "ms", "floor": "bulk_sql"},
}


def run(machine: Mapping[str, str] = MACHINE, memory: float = 200, **readings: Sequence[float]) -> dict[str, Any]:
    """A kept run with these readings, a value a round."""
    floors = {key: FIGURES[key]["floor"] for key in readings}
    return {
        "machine": machine,
        "figures": {key: FIGURES[key] for key in readings},
        "readings": {key: [{"value": value, "notes": {}} for value in values] for key, values in readings.items()},
        "ratios": {
            key: [one / other for one, other in zip(values, readings[floor], strict=True)] if floor else []
            for key, values in readings.items()
            for floor in [floors[key]]
        },
        "memory": {"rss": memory},
    }


def rounds(dice: random.Random, middle: float, sigma: float, count: int = 7) -> list[float]:
    """Readings around a middle, one of which is far off, as on a machine with neighbours."""
    disturbed = dice.randrange(count)
    return [middle * dice.lognormvariate(0, sigma) * (0.7 if number == disturbed else 1) for number in range(count)]


class TestChange:
    @pytest.mark.parametrize("sigma", [0.005, 0.02, 0.05])
    def test_noise_is_not_called_a_change(self, sigma: float) -> None:
        dice = random.Random(1)  # noqa: S311 - these readings are no secret.
        verdicts = [
            change("a", "req/s", rounds(dice, 100, sigma), rounds(dice, 100, sigma)).verdict for _ in range(1000)
        ]
        assert verdicts.count(Verdict.still) >= 960

    @pytest.mark.parametrize(("sigma", "shift"), [(0.005, 1.15), (0.02, 1.2), (0.05, 1.5)])
    def test_shift_is_found_in_noise_that_is_smaller(self, sigma: float, shift: float) -> None:
        dice = random.Random(2)  # noqa: S311 - these readings are no secret.
        for kind, up, down in (("req/s", Verdict.better, Verdict.worse), ("ms", Verdict.worse, Verdict.better)):
            for factor, wanted in ((shift, up), (1 / shift, down)):
                verdicts = [
                    change("a", kind, rounds(dice, 50, sigma), rounds(dice, 50 * factor, sigma)).verdict
                    for _ in range(200)
                ]
                assert verdicts.count(wanted) >= 180
                assert set(verdicts) <= {wanted, Verdict.still}

    def test_small_change_is_none_however_quiet_the_machine(self) -> None:
        assert change("a", "ms", [100.0] * 7, [109.0] * 7).verdict is Verdict.still
        assert change("a", "ms", [100.0] * 7, [111.0] * 7).verdict is Verdict.worse

    def test_floor_only_moves(self) -> None:
        assert change("a", "req/s", [100.0] * 7, [200.0] * 7, floor=True).verdict is Verdict.moved

    def test_too_few_rounds_hide_their_noise(self) -> None:
        assert change("a", "MiB", [200], [220]).verdict is Verdict.still
        found = change("a", "MiB", [200], [240])
        assert found.verdict is Verdict.worse
        assert found.noise == pytest.approx(0.15)

    def test_change_and_noise_are_shares(self) -> None:
        found = change("a", "req/s", [98, 100, 102], [147, 150, 153])
        assert (found.before, found.after, round(found.share, 9)) == (100, 150, 0.5)
        # By hand: the deviations of the logarithms are 0, 0.0202 and 0.0198, twice, so their median is 0.0198; times
        # 1.4826 x sqrt(6 / 4) it is a sigma of 0.0360; times 1.2533 x sqrt(2 / 3) the medians differ by 0.0368
        # by chance, and four times that is 0.147.
        assert found.noise == pytest.approx(0.1586, abs=0.0005)


class TestOutliers:
    def test_far_rounds_are_told(self) -> None:
        assert outliers([100, 101, 99, 60, 100, 102, 98]) == [4]

    def test_rounds_that_agree_have_none(self) -> None:
        assert outliers([100, 100, 100, 100, 101]) == []
        assert outliers([1, 100]) == []


class TestCompare:
    def test_ratios_and_values_on_one_machine(self) -> None:
        before = run(hello=[1000.0] * 5, detail=[100.0] * 5, bulk_sql=[10.0] * 5, bulk=[30.0] * 5)
        after = run(hello=[500.0] * 5, detail=[100.0] * 5, bulk_sql=[10.0] * 5, bulk=[20.0] * 5, memory=260)
        changes = compare(before, after, "then").changes
        assert {one.title: one.readings for one in changes if one.readings} == {
            "product detail": "100 → 100 req/s",
            "bulk order": "30 → 20 ms",
        }
        assert {(one.title, one.kind): one.verdict for one in changes} == {
            ("floor: hello", "req/s"): Verdict.moved,
            ("product detail", "ratio"): Verdict.better,
            ("floor: SQL", "ms"): Verdict.still,
            ("bulk order", "ratio of times"): Verdict.better,
            ("memory of the market", "MiB"): Verdict.worse,
        }

    def test_only_ratios_across_machines(self) -> None:
        before = run(OTHER, hello=[9000.0] * 5, detail=[900.0] * 5)
        found = compare(before, run(hello=[1000.0] * 5, detail=[100.0] * 5), "then")
        assert [(one.title, one.kind, one.verdict, one.readings) for one in found.changes] == [
            ("product detail", "ratio", Verdict.still, "")
        ]
        assert "only ratios are compared" in shown(found)

    def test_new_and_gone_figures_are_said(self) -> None:
        before = run(hello=[1000.0] * 5, detail=[100.0] * 5)
        after = run(hello=[1000.0] * 5, bulk_sql=[10.0] * 5, bulk=[30.0] * 5)
        found = compare(before, after, "then")
        verdicts = {one.title: one.verdict for one in found.changes}
        assert (verdicts["product detail"], verdicts["bulk order"]) == (Verdict.gone, Verdict.new)

    def test_what_moved_stands_in_a_sentence(self) -> None:
        before = run(hello=[1000.0] * 5, detail=[100.0] * 5)
        page = shown(compare(before, run(hello=[1000.0] * 5, detail=[125.0] * 5), "20260101T000000Z-bench-full"))
        assert "Compared with 20260101T000000Z-bench-full." in page
        assert "product detail (ratio) up 25.0%, better, beyond noise" in page
        assert "Nothing moved beyond noise." in shown(compare(before, before, "itself"))


class TestNewest:
    def test_newest_of_the_plan_on_this_machine_else_on_another(self, tmp_path: Path) -> None:
        def kept(name: str, machine: Mapping[str, str]) -> None:
            (tmp_path / f"{name}.json").write_bytes(orjson.dumps({"machine": machine}))

        assert newest("full", MACHINE, tmp_path) is None
        kept("20260103T000000Z-bench-full", OTHER)
        kept("20260104T000000Z-bench-quick", MACHINE)
        kept("20260105T000000Z-faults", MACHINE)
        found = newest("full", MACHINE, tmp_path)
        assert found is not None
        assert found.stem == "20260103T000000Z-bench-full"
        kept("20260101T000000Z-bench-full", MACHINE)
        kept("20260102T000000Z-bench-full", MACHINE | {"commit": "another"})
        found = newest("full", MACHINE, tmp_path)
        assert found is not None
        assert found.stem == "20260102T000000Z-bench-full"


def shown(comparison: Any) -> str:
    """What a reader of the report sees."""
    page = io.StringIO()
    show(comparison, Console(file=page, width=200, color_system=None))
    return page.getvalue()


def test_numbers_have_three_digits_that_mean_something() -> None:
    assert [number(value) for value in (37078.9, 503.2, 15.66, 0.06094)] == ["37,079", "503", "15.7", "0.0609"]
