"""The block of docs/results/README.md about a million products: as quick as ten thousand or not, and the disk."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median, quantiles
from typing import Any, Final

from benchmarks.blocks import absent, latest
from benchmarks.kept import Run
from benchmarks.tables import markdown, number, spread

SMALL, LARGE = "10k", "1M"
MIB: Final = 2**20
SHOWN_RELATIONS: Final = 10


def million(runs: Mapping[str, Run]) -> str:
    """The newest run of `make million`."""
    run = latest(runs, "million")
    if run is None:
        return absent("million")
    return "\n\n".join([*_summary(run), *_details(run), *_disk(run)])


def _summary(run: Run) -> Iterator[str]:
    flat, limit = run["flat"], run["bounds"]["flat"]
    beyond = [kind for kind, ratio in flat.items() if ratio["p50"] > limit or ratio["p99"] > limit]
    p50s, p99s = ([ratio[at] for ratio in flat.values()] for at in ("p50", "p99"))
    searches = {kind: _percentile(run, kind, LARGE, 95) for kind in run["latencies_ms"] if kind not in flat}
    slow = [kind for kind, ms in searches.items() if ms > run["bounds"]["search_ms"]]
    rows = [
        (f"{len(flat)} kinds of requests: p50, times the small market", spread(p50s), f"≤ {limit:g}", _held(beyond)),
        (f"{len(flat)} kinds of requests: p99, times the small market", spread(p99s), f"≤ {limit:g}", ""),
        (
            f"{len(searches)} kinds of searches in PostgreSQL: p95, ms",
            spread(list(searches.values())),
            f"≤ {run['bounds']['search_ms']:g}",
            _held(slow),
        ),
    ]
    yield markdown(("at a million products and orders", "median of the kinds (least to most)", "bound", "holds"), rows)
    if beyond or slow:
        yield "Beyond their bound: " + "; ".join([*beyond, *slow]) + "."


def _details(run: Run) -> Iterator[str]:
    rows = [
        (
            kind,
            number(_percentile(run, kind, SMALL, 50)),
            number(_percentile(run, kind, LARGE, 50)),
            f"{ratio['p50']:.2f} ({ratio['least']:.2f} to {ratio['most']:.2f})",
            number(_p99(run, kind, SMALL)),
            number(_p99(run, kind, LARGE)),
            f"{ratio['p99']:.2f}",
        )
        for kind, ratio in run["flat"].items()
    ]
    header = ("ms", "p50 10k", "p50 1M", "ratio (of rounds)", "p99 10k (median of rounds)", "p99 1M", "ratio")
    yield f"<details><summary>Every kind</summary>\n\n{markdown(header, rows)}\n\n</details>"


def _disk(run: Run) -> Iterator[str]:
    relations = run["relations"].get(LARGE, [])
    rows = [
        (one["name"], f"{one['rows']:,}", f"{one['table'] / MIB:,.0f}", f"{one['indexes'] / MIB:,.0f}")
        for one in relations[:SHOWN_RELATIONS]
    ]
    whole = [sum(one[part] for one in relations) / MIB for part in ("table", "indexes")]
    rows.append(("**all tables**", "", f"{whole[0]:,.0f}", f"{whole[1]:,.0f}"))
    yield markdown(("on disk at a million, MiB", "rows", "table", "indexes"), rows)
    said = [
        f"`ishop seed`, {what} of the market of {size}: {seconds:.0f} s."
        for size, parts in run["seed_seconds"].items()
        for what, seconds in parts.items()
    ]
    if run["index_rate"]:
        rate = run["index_rate"]
        said.append(f"Filling Meilisearch: {rate['documents']:,} documents in {rate['seconds']:.0f} s.")
    if said:
        yield " ".join(said)


def _held(beyond: Sequence[str]) -> str:
    return f"**{len(beyond)} do not**" if beyond else "yes"


def _p99(run: Mapping[str, Any], kind: str, size: str) -> float:
    rounds: list[list[float]] = run["latencies_ms"][kind][size]
    return median(quantiles(one, n=100, method="inclusive")[98] for one in rounds)


def _percentile(run: Mapping[str, Any], kind: str, size: str, at: int) -> float:
    values: list[float] = [latency for one in run["latencies_ms"][kind][size] for latency in one]
    return quantiles(values, n=100, method="inclusive")[at - 1]
