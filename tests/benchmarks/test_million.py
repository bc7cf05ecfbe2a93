"""The report of `make million`: what is beyond its bound is said, and what is within is not."""

import io

from rich.console import Console

from benchmarks.million.kinds import kinds
from benchmarks.million.markets import LARGE, SMALL
from benchmarks.million.report import Plan, Results, missed, show

BY_ID = next(kind for kind in kinds() if kind.name == "product by id")
SEARCH = next(kind for kind in kinds() if kind.searches)


def results(*, times: float, search_ms: float) -> Results:
    """Two rounds, in which the large market takes `times` the milliseconds of the small one."""
    plan = Plan("full", rounds=2, warm_up=4, requests=4, searches=4)
    found = Results(plan, [BY_ID, SEARCH], {"1M": {"products": 250.0}}, None)
    for _ in range(2):
        small = [0.001, 0.002, 0.002, 0.003]
        found.add(BY_ID, SMALL, small)
        found.add(BY_ID, LARGE, [latency * times for latency in small])
        found.add(SEARCH, LARGE, [search_ms / 1000] * 4)
    return found


def printed(found: Results) -> str:
    page = io.StringIO()
    show(found, {"commit": "abc"}, Console(file=page, width=300))
    return page.getvalue()


def test_what_is_as_quick_passes() -> None:
    found = results(times=1.2, search_ms=19.0)
    assert missed(found) == []
    assert "MISSED" not in printed(found)
    assert found.document({})["flat"][BY_ID.name]["p50"] == 1.2


def test_what_is_slower_is_named() -> None:
    found = results(times=1.4, search_ms=21.0)
    assert missed(found) == [BY_ID.name, SEARCH.name]
    lines = [line for line in printed(found).splitlines() if "MISSED" in line]
    assert len(lines) == 2


def test_one_bad_round_does_not_count() -> None:
    found = results(times=1.0, search_ms=19.0)
    found.add(BY_ID, SMALL, [0.001, 0.002, 0.002, 0.003])
    found.add(BY_ID, LARGE, [0.001, 0.002, 0.002, 0.300])
    assert missed(found) == []


def test_every_kind_has_a_name_of_its_own() -> None:
    names = [kind.name for kind in kinds()]
    assert len(names) == len(set(names))
