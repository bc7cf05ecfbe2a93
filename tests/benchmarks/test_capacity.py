"""The capacity model: an example by hand, what may only grow or shrink, and the name of what breaks first."""

from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import pytest

from benchmarks.capacity.measured import NotMeasured, measured
from benchmarks.capacity.model import (
    Assumptions,
    Cost,
    Demand,
    Measured,
    bundle,
    capacity,
    effective_cores,
    ladder,
    need,
    requests_per_order,
)
from benchmarks.capacity.report import CORES, MEANINGS, REMEDIES, chapter

MEASURED = Measured(
    cached=Cost(0.1, 0.0), detail=Cost(0.5, 0.1), listing=Cost(1.0, 0.2), search=Cost(1.5, 0.5), order=Cost(2.0, 1.0),
    bulk_line=Cost(0.1, 0.1), stock_row=Cost(0.05, 0.02), sign_in=Cost(120.0, 1.0), market_mib=200, servers_mib=500,
    over_http=2.0, hot_orders=300, product_bytes=10_000, order_bytes=5_000,
)  # fmt: skip
ASSUMED = Assumptions(
    cached_pages=10, details=4, listings=2, searches=2, steps=1, stock_rows=10, sign_ins=0.05, utilisation=0.5,
    contention=0.0, peak_hour=0.1, orders_a_month=3, hot_share=0.1, memory_gib_per_core=1, disk_gb_per_core=100,
    campaign=1, disk_years=0.01,
)  # fmt: skip
PROVINCE = Demand("province", people=3_000_000, producers=1_000, hotel_lines_a_day=36_000, aid_packages=6_000)


class TestByHand:
    def test_bundle_adds_up(self) -> None:
        # 10 x 0.1 + 4 x 0.5 + 2 x 1 + 2 x 1.5 = 8 of pages, 2 x 2 + 10 x 0.05 = 4.5 of writes, 0.05 x 120 = 6 of
        # sign-ins; in PostgreSQL 0.4 + 0.4 + 1 = 1.8, 2 + 0.2 = 2.2, 0.05.
        assert bundle(MEASURED, ASSUMED) == Cost(pytest.approx(18.5), pytest.approx(4.05))  # type: ignore[arg-type] # a float to pytest.
        assert requests_per_order(ASSUMED) == pytest.approx(20.05)

    def test_one_process_on_two_cores(self) -> None:
        found = capacity(MEASURED, ASSUMED, cores=2, processes=1)
        # Two cores at half: 1000 ms a second for bundles of 22.55 ms. One loop at half: 500 ms for 12.5 ms of a bundle.
        assert found.limits["cores"] == pytest.approx(1000 / 22.55)
        assert found.limits["event loops"] == pytest.approx(40)
        assert (found.breaks_first, found.breaks_next) == ("event loops", "cores")
        assert found.orders_a_day == pytest.approx(40 * 3600 / 0.1)
        assert found.buyers == pytest.approx(40 * 36_000 * 30 / 3)
        assert found.requests == pytest.approx(40 * 20.05)
        # 200 GB, of which 40 % hold products of 10 kB; a day of 1.44 million orders of 5 kB fills 7.2 GB.
        assert found.products == pytest.approx(8_000_000)
        assert found.disk_gb_a_year == pytest.approx(7.2 * 365)
        # Another 40 % are for the orders of 3.65 days: 80 GB hold 16 million, in the busiest hour 0.1 of a day's.
        assert found.limits["disk"] == pytest.approx(16_000_000 / 3.65 * 0.1 / 3600)

    def test_need_of_a_province(self) -> None:
        found = need(MEASURED, ASSUMED, PROVINCE)
        # 2 % of three million people order 3 times a month: 6,000 a day, 600 in the busiest hour; 3,600 lines.
        assert found.orders_a_day == pytest.approx(6_000)
        assert found.orders == pytest.approx(1 / 6)
        assert found.reading_cores == pytest.approx(1.8 / 6 / 1000 / 0.5)
        assert found.primary_cores == pytest.approx((2.25 / 6 + 0.1) / 1000 / 0.5)
        assert found.market_cores == pytest.approx((18.5 / 6 + 0.1) / 1000 / 0.5)
        assert found.products_gb == pytest.approx(1_000 * 20 * 10_000 / 1e9)
        assert found.release_core_minutes == pytest.approx(6_000 * 5 * 0.2 / 60_000)

    def test_each_step_lets_more_through(self) -> None:
        steps = {one.what: one.orders for one in ladder(MEASURED, ASSUMED, 8)}
        rates = list(steps.values())
        machines = [one.machines for one in ladder(MEASURED, ASSUMED, 8)]
        # Eight cores at half are 4000 ms a second; a bundle takes 18.5 of the market and 4.05 of PostgreSQL, of which
        # 2.25 for what no replica can do.
        assert rates[0] == pytest.approx(500 / 12.5)
        assert rates[1] == pytest.approx(4000 / 22.55)
        assert rates[2] == pytest.approx(4000 / 18.5)
        assert rates[3] == pytest.approx(4000 / 4.05)
        assert rates[4] == rates[5] == pytest.approx(4000 / 2.25)
        # 18.5 / 4.05 = 4.6 machines of the market; then 8.2, and 0.8 of a replica; over HTTP twice as many as 8.2.
        assert machines == [1, 1, 2, 1 + 5, 1 + 9 + 1, 1 + 17 + 1]

    def test_amdahl(self) -> None:
        assert effective_cores(1, 0.03) == 1
        assert effective_cores(8, 0.0) == 8
        assert effective_cores(32, 0.03) == pytest.approx(32 / 1.93)


class TestMonotone:
    def test_more_cores_never_hold_less(self) -> None:
        held = [capacity(MEASURED, Assumptions(), cores).orders for cores in range(1, 129)]
        assert all(one <= more + 1e-9 for one, more in pairwise(held))
        assert held[7] > held[1]

    @pytest.mark.parametrize("name", ["cached", "detail", "listing", "search", "order", "stock_row", "sign_in"])
    def test_dearer_requests_hold_fewer_orders_and_need_more_cores(self, name: str) -> None:
        dearer = replace(MEASURED, **{name: getattr(MEASURED, name) * 3})
        for cores in CORES:
            assert (
                capacity(dearer, Assumptions(), cores).limits["cores"]
                < capacity(MEASURED, Assumptions(), cores).limits["cores"]
            )
        assert need(dearer, Assumptions(), PROVINCE).market_cores > need(MEASURED, Assumptions(), PROVINCE).market_cores

    def test_nation_needs_what_a_province_needs_times_its_people(self) -> None:
        nation = need(MEASURED, ASSUMED, PROVINCE.scaled("nation", PROVINCE.people * 50))
        province = need(MEASURED, ASSUMED, PROVINCE)
        for name in ("orders", "market_cores", "primary_cores", "reading_cores", "products", "release_core_minutes"):
            assert getattr(nation, name) == pytest.approx(50 * getattr(province, name))


class TestWhatBreaksFirst:
    @pytest.mark.parametrize(
        ("limit", "changes", "assumed", "cores", "processes"),
        [
            ("event loops", {}, {}, 8, 1),
            ("cores", {}, {}, 2, 4),
            ("hot sku", {"hot_orders": 1.0}, {}, 8, None),
            ("memory", {"market_mib": 4_000.0}, {}, 8, 8),
            ("connections", {}, {"max_connections": 68}, 32, None),
            ("disk", {"order_bytes": 50_000}, {"disk_years": 1}, 8, None),
        ],
    )
    def test_lowest_limit_is_named(
        self, limit: str, changes: dict[str, Any], assumed: dict[str, Any], cores: int, processes: int | None
    ) -> None:
        found = capacity(replace(MEASURED, **changes), replace(ASSUMED, **assumed), cores, processes)
        assert found.breaks_first == limit
        assert found.orders == min(found.limits.values())
        assert set(found.limits) == set(REMEDIES)


class TestChapter:
    def test_every_cost_and_assumption_is_shown(self) -> None:
        page = chapter(MEASURED, ASSUMED)
        for one in fields(Assumptions):
            assert f"| `{one.name}` | {getattr(ASSUMED, one.name):g} |" in page
        assert all(title in page for title, _times in MEANINGS.values())
        assert "| 2 | 1 | 802 | 40 | 1,400,000 | 14,000,000 | event loops | cores |" in page

    def test_what_nobody_measured_is_said(self) -> None:
        page = chapter(replace(MEASURED, product_bytes=None, order_bytes=None, hot_orders=None), ASSUMED)
        assert page.count("not measured") >= 2 * len(CORES)


class TestMeasured:
    KEYS = ("detail_cached", "detail", "list", "search_postgres", "order", "bulk_500", "batch", "sign_in")

    def run(self, **notes: Any) -> dict[str, Any]:
        """A run in which every request costs a millisecond of the market and half a one of PostgreSQL."""
        seen = {"server_cpu_ms": 1.0, "postgres_cpu_ms": 0.5}
        readings = {key: [{"value": 1.0, "notes": seen}] for key in self.KEYS}
        return {
            "readings": readings | notes,
            "memory": {"rss": 190.0},
            "beside": {"postgres": 300.0, "meilisearch": 100.0},
        }

    def test_costs_are_medians_and_lines_are_shares(self) -> None:
        notes = [{"value": 1.0, "notes": {"server_cpu_ms": ms, "postgres_cpu_ms": ms / 2}} for ms in (1.0, 9.0, 2.0)]
        found = measured(self.run(order=notes, hot_sku=[{"value": 400.0, "notes": {}}]), None, None)
        assert (found.order, found.bulk_line) == (Cost(2.0, 1.0), Cost(1 / 500, 0.5 / 500))
        assert (found.market_mib, found.servers_mib, found.hot_orders) == (190.0, 400.0, 400.0)
        assert found.product_bytes is None

    def test_bytes_come_from_the_tables_of_a_million(self) -> None:
        relations = [
            {"name": "catalog.products", "rows": 1_000, "table": 3_000, "indexes": 2_000},
            {"name": "vendors.stock", "rows": 1_000, "table": 500, "indexes": 500},
            {"name": "orders.orders", "rows": 10, "table": 60, "indexes": 0},
            {"name": "vendors.stock_movements", "rows": 20, "table": 30, "indexes": 10},
            {"name": "ops.outbox", "rows": 5, "table": 999, "indexes": 999},
        ]
        found = measured(self.run(), {"relations": {"1M": relations}}, None)
        assert (found.product_bytes, found.order_bytes) == (6.0, 10.0)

    def test_services_over_http_cost_a_multiple(self) -> None:
        bench = {**self.run(), "ratios": {"detail": [0.06, 0.09, 0.06]}}
        assert measured(bench, None, {"ratios": {"detail": [0.04, 0.03, 0.04]}}).over_http == pytest.approx(2.5)
        assert measured(bench, None, None).over_http is None

    def test_pages_of_a_run_without_a_cache_cost_what_the_others_do(self) -> None:
        run = self.run()
        del run["readings"]["detail_cached"]
        found = measured(run, None, None)
        assert found.cached == found.detail

    def test_missing_figures_are_named(self) -> None:
        with pytest.raises(NotMeasured, match="no processor time of list, sign_in"):
            measured(self.run(list=[], sign_in=[{"value": 1.0, "notes": {}}]), None, None)
