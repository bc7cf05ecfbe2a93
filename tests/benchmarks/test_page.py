"""The page of results: made from kept runs alone, and in git exactly as they make it."""

import subprocess
from pathlib import Path
from typing import Any

import orjson
import pytest

from benchmarks.kept import RESULTS
from benchmarks.page import BLOCKS, PAGE, linked, newest, rendered

MACHINE = {"commit": "abc", "processor": "2 cores"}
EMPTY = "".join(f"# {name}\n\n<!-- figures: {name} -->\n<!-- end -->\n" for name in BLOCKS)


def bench(detail: float, order: float) -> dict[str, Any]:
    """A kept run with two figures, one of which misses its bound."""
    figures = {
        "hello": {"title": "floor: hello", "unit": "req/s", "floor": None, "bound": None},
        "detail": {"title": "product detail", "unit": "req/s", "floor": "hello", "bound": "≥ 0.06"},
        "order": {"title": "order", "unit": "orders/s", "floor": "hello", "bound": "≥ 0.06"},
    }
    values = {"hello": 1000.0, "detail": detail, "order": order}
    return {
        "machine": MACHINE,
        "figures": figures,
        "readings": {key: [{"value": value, "notes": {}}] * 3 for key, value in values.items()},
        "ratios": {key: [value / 1000] * 3 if key != "hello" else [] for key, value in values.items()},
        "missed": ["order: 0.05 is not ≥ 0.06"],
        "memory": {"rss": 180.0},
        "beside": {"postgres": 300.0},
    }


def proofs(*outcomes: str, broken: tuple[str, ...] = ()) -> dict[str, Any]:
    """A kept run of the proofs of these names."""
    return {
        "machine": MACHINE,
        "outcomes": [
            {"name": name, "title": f"promise of {name}", "seconds": 12.3, "figures": {"orders": 1234, "p95_ms": 1.234},
             "broken": list(broken)} for name in outcomes
        ],
    }  # fmt: skip


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A place with two runs of the benchmarks and some of the proofs."""

    def keep(name: str, run: dict[str, Any]) -> None:
        (tmp_path / f"{name}.json").write_bytes(orjson.dumps(run))

    keep("20260101T000000Z-bench-full", bench(detail=50, order=50))
    keep("20260102T000000Z-bench-full", bench(detail=70, order=50))
    keep("20260103T000000Z-bench-full", bench(detail=100, order=51))
    keep("20260104T000000Z-bench-quick", bench(detail=1, order=1))
    keep("20260101T000000Z-prove-full", proofs("contention", "crashes"))
    keep("20260102T000000Z-prove-full", proofs("crashes", broken=("an order was lost", "an order was lost")))
    keep("20260103T000000Z-prove-quick", proofs("contention"))
    return tmp_path


class TestPageInGit:
    def test_page_is_what_its_files_make(self) -> None:
        page = PAGE.read_text()
        names = linked(page)
        assert rendered(page, names) == page, "Run .venv/bin/python -m benchmarks.page"
        assert {found for found in BLOCKS if f"<!-- figures: {found} -->" in page} == set(BLOCKS)

    def test_files_of_the_page_are_kept_in_git(self) -> None:
        files = [f"{name}{suffix}" for name in linked(PAGE.read_text()) for suffix in (".json", ".md")]
        listed = subprocess.run(  # noqa: S603 - the names are those of files.
            ["git", "-C", str(RESULTS), "ls-files", "--error-unmatch", *files],  # noqa: S607 - git as the shell finds it.
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert listed.returncode == 0, listed.stderr

    def test_changed_figure_is_noticed(self) -> None:
        page = PAGE.read_text()
        changed = page.replace("<!-- end -->", "| made up | 1.00 |\n<!-- end -->")
        assert changed != page
        assert rendered(changed, linked(page)) == page


class TestSources:
    def test_newest_of_each_kind_and_the_oldest_benchmarks(self, results: Path) -> None:
        assert newest(results) == [
            "20260101T000000Z-bench-full", "20260101T000000Z-prove-full", "20260102T000000Z-prove-full",
            "20260103T000000Z-bench-full",
        ]  # fmt: skip

    def test_page_names_its_files(self, results: Path) -> None:
        names = newest(results)
        page = rendered(EMPTY, names, results)
        assert linked(page) == names
        assert rendered(page, linked(page), results) == page


class TestBlocks:
    def test_figures_stand_beside_their_floors(self, results: Path) -> None:
        page = rendered(EMPTY, newest(results), results)
        assert (
            "| product detail | 100 (100 to 100) req/s | 1,000 req/s, hello | 0.1 (0.1 to 0.1) | ≥ 0.06 | yes |" in page
        )
        assert (
            "| order | 51 (51 to 51) orders/s | 1,000 req/s, hello | 0.051 (0.051 to 0.051) | ≥ 0.06 | **no** |" in page
        )
        assert "- order: 0.05 is not ≥ 0.06" in page

    def test_processes_stand_beside_the_market_in_one(self, results: Path) -> None:
        run = {
            "machine": MACHINE,
            "rates": {"hello": [1000.0], "detail": [60.0, 50.0, 70.0]},
            "ratios": {"detail": [0.06, 0.05, 0.07]},
            "resting": {"gateway": {"rss": 90.0, "pss": 70.0}},
            "crowded": {"gateway": {"rss": 220.0, "pss": 200.0}},
        }
        (results / "20260105T000000Z-apart.json").write_bytes(orjson.dumps(run))
        page = rendered(EMPTY, newest(results), results)
        assert "| product detail | 60 (50 to 70) | 0.06 (0.05 to 0.07) | 0.1 |" in page
        assert "| gateway | 90 | 70 | 220 |" in page

    def test_what_moved_is_told_from_the_oldest_to_the_newest(self, results: Path) -> None:
        page = rendered(EMPTY, newest(results), results)
        assert "| product detail | ratio | 0.05 | 0.1 | +100% | better, beyond noise | 50 → 100 req/s |" in page
        assert "| order | ratio |" not in page

    def test_newest_outcome_of_each_proof_counts(self, results: Path) -> None:
        page = rendered(EMPTY, newest(results), results)
        assert "| promise of contention | orders 1,234, p95_ms 1.23 | 12 s | held |" in page
        assert "| promise of crashes | orders 1,234, p95_ms 1.23 | 12 s | **broken 2 times** |" in page

    def test_what_is_not_there_is_said(self, tmp_path: Path) -> None:
        page = rendered(EMPTY, [], tmp_path)
        for command in ("make bench", "make prove", "make faults", "make million"):
            assert f"`{command}` is kept yet." in page


class TestMillion:
    def test_kinds_beyond_their_bound_and_the_disk_are_told(self, tmp_path: Path) -> None:
        run = {
            "machine": MACHINE,
            "bounds": {"flat": 1.3, "search_ms": 20.0},
            "flat": {
                "product by id": {"p50": 1.02, "least": 0.9, "most": 1.1, "p99": 1.1},
                "place an order": {"p50": 1.1, "least": 1.0, "most": 1.2, "p99": 1.4},
            },
            "latencies_ms": {
                "product by id": {"10k": [[1.0, 1.0]], "1M": [[1.02, 1.02]]},
                "place an order": {"10k": [[5.0, 5.0]], "1M": [[5.5, 5.5]]},
                "search by relevance": {"1M": [[7.0, 9.0]]},
            },
            "relations": {"1M": [
                {"name": "catalog.products", "rows": 1_000_000, "table": 2**30, "indexes": 2**29},
                {"name": "orders.orders", "rows": 500_000, "table": 2**28, "indexes": 0},
                {"name": "vendors.stock_movements", "rows": 500_000, "table": 2**28, "indexes": 0},
            ]},
            "seed_seconds": {"1M": {"products": 321.4}},
            "index_rate": {"documents": 100_000, "seconds": 50.0},
        }  # fmt: skip
        (tmp_path / "20260101T000000Z-million.json").write_bytes(orjson.dumps(run))
        page = rendered(EMPTY, newest(tmp_path), tmp_path)
        assert (
            "| 2 kinds of requests: p50, times the small market | 1.06 (1.02 to 1.1) | ≤ 1.3 | **1 do not** |" in page
        )
        assert "| 1 kinds of searches in PostgreSQL: p95, ms | 8.9 (8.9 to 8.9) | ≤ 20 | yes |" in page
        assert "Beyond their bound: place an order." in page
        assert "| catalog.products | 1,000,000 | 1,024 | 512 |" in page
        assert (
            "`ishop seed`, products of the market of 1M: 321 s. Filling Meilisearch: 100,000 documents in 50 s." in page
        )
