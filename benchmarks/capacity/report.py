"""The capacity model in words and tables, with every formula and every assumption beside what follows from them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Final

from benchmarks.capacity.model import (
    Assumptions,
    Capacity,
    Cost,
    Demand,
    Measured,
    Need,
    Step,
    bundle,
    capacity,
    effective_cores,
    ladder,
    need,
    requests_per_order,
)
from benchmarks.tables import markdown, number

CORES: Final = (2, 8, 32)
LADDER: Final = 8
PROVINCE: Final = Demand(
    "NTB, a province", people=5_320_000, producers=4_673, hotel_lines_a_day=90 * 200 + 983 * 20, aid_packages=120_000
)
NATION: Final = PROVINCE.scaled("Indonesia", people=270_200_000)
SCENARIOS: Final = (PROVINCE, NATION)

REMEDIES: Final = {
    "event loops": "more processes of gateway and services (`ishop serve market`) behind one address, limits in Valkey",
    "cores": "PostgreSQL on a machine of its own, then read replicas for public reads, then Meilisearch for searches",
    "connections": "`max_connections` up (some 10 MiB each), or a smaller `ISHOP_DATABASE_POOL`, or PgBouncer",
    "hot sku": "no hardware: one transaction at a time changes a row; spread the campaign over several skus",
    "memory": "more of it, or fewer processes",
    "disk": "more of it, or an archive of old orders",
}
ONE_MACHINE: Final = (
    "**Computed: what one machine holds in its busiest hour.** First as `make up` starts it, in one process; then with "
    "as many processes as it can use."
)
REGIONS: Final = (
    "**Computed: a province and a nation.** Cores are those of a campaign's busiest hour at the assumed utilisation, "
    "with every search in PostgreSQL; the primary's are those that no replica can take over."
)
FORMULAS: Final = """\
- cores: `n / (1 + contention × (n − 1)) × utilisation × 1000 / together`;
- event loops: `processes × utilisation × 1000 / (market ms without sign-ins)`, as one process has one loop;
- connections: `⌊(max_connections − kept_connections) / (pools × least_pool)⌋` processes;
- hot sku: `measured orders a second of one sku × utilisation / hot_share`, whatever the machine;
- memory: as many processes as find room beside the servers;
- disk: `cores × disk_gb_per_core × disk_for_orders / (bytes of an order × 365 × disk_years)` orders a day.

A day is `peak × 3600 / peak_hour`, buyers are `a day × 30 / orders_a_month`, disk is `bytes × number`. A region's
peak is `a day × peak_hour / 3600 × campaign`, its need in cores `milliseconds a second / 1000 / utilisation`."""
MEANINGS: Final[Mapping[str, tuple[str, Callable[[Assumptions], float]]]] = {
    "cached": ("public page from the gateway's cache", lambda assumed: assumed.cached_pages),
    "detail": ("product page, uncached", lambda assumed: assumed.details),
    "listing": ("list of 20, uncached", lambda assumed: assumed.listings),
    "search": ("search, PostgreSQL engine", lambda assumed: assumed.searches),
    "order": ("order of one line, and its further steps", lambda assumed: 1 + assumed.steps),
    "bulk_line": ("line of a bulk order", lambda _assumed: 0),
    "stock_row": ("row of a stock batch", lambda assumed: assumed.stock_rows),
    "sign_in": ("sign-in (argon2id)", lambda assumed: assumed.sign_ins),
}


def chapter(measured: Measured, assumed: Assumptions) -> str:
    """The whole chapter as Markdown."""
    return "\n\n".join(
        [
            "Measured, in processor milliseconds of one request:",
            _costs(measured, assumed),
            "Assumed, and nobody's measurement (`benchmarks/capacity/model.py`; change one and run the command again):",
            _assumptions(assumed),
            *_formulas(measured, assumed),
            ONE_MACHINE,
            _machines(_held(measured, assumed)),
            "**Computed: what breaks first, and what to do then.**",
            markdown(("limit", "where it is the first", "what to do"), _remedies(measured, assumed)),
            f"**Computed: what to split off next**, on machines of {LADDER} cores, by processor time alone:",
            _steps(ladder(measured, assumed, LADDER)),
            REGIONS,
            _needs([need(measured, assumed, demand) for demand in SCENARIOS]),
            *_verdicts(measured, assumed),
        ]
    )


def _costs(measured: Measured, assumed: Assumptions) -> str:
    whole = bundle(measured, assumed)
    together = whole.market + whole.database
    rows = []
    for name, (title, times) in MEANINGS.items():
        cost: Cost = getattr(measured, name)
        asked = times(assumed)
        share = (cost.market + cost.database) * asked / together
        rows.append((title, number(cost.market), number(cost.database), f"{asked:g}", f"{share:.0%}"))
    rows.append(("**computed:** one order", number(whole.market), number(whole.database), "", number(together) + " ms"))
    header = ("request", "of the market's process", "of PostgreSQL", "assumed times per order", "computed share")
    return markdown(header, rows)


def _assumptions(assumed: Assumptions) -> str:
    rows = [(f"`{one.name}`", f"{getattr(assumed, one.name):g}") for one in fields(assumed)]
    return markdown(("assumption", "value"), rows)


def _formulas(measured: Measured, assumed: Assumptions) -> Iterator[str]:
    whole = bundle(measured, assumed)
    together = whole.market + whole.database
    yield (
        "Computed, per order: `together = Σ requests × (market ms + PostgreSQL ms)`, here "
        f"{number(together)} ms for {requests_per_order(assumed):g} requests. Limits in orders a second:"
    )
    yield FORMULAS


def _machines(held: Sequence[Capacity]) -> str:
    header = (
        "cores", "processes", "requests/s", "orders/s", "orders a day", "buyers", "breaks first", "then",
        "memory", "products that fit", "orders' disk a year",
    )  # fmt: skip
    rows = [
        (
            one.cores,
            one.processes,
            number(one.requests),
            number(one.orders),
            _round(one.orders_a_day),
            _round(one.buyers),
            one.breaks_first,
            one.breaks_next,
            f"{number(one.memory_gib)} GiB",
            _round(one.products),
            _unit(one.disk_gb_a_year, "GB"),
        )
        for one in held
    ]
    return markdown(header, rows)


def _held(measured: Measured, assumed: Assumptions) -> list[Capacity]:
    """Each machine with one process, and with as many as it can use where these are more."""
    both = [[capacity(measured, assumed, cores, many) for many in (1, None)] for cores in CORES]
    return [one for pair in both for one in (pair if pair[1].processes > 1 else pair[:1])]


def _steps(steps: Sequence[Step]) -> str:
    rows = [
        (one.what, one.machines, number(one.orders), f"{one.orders / steps[0].orders:.1f}", one.breaks_first)
        for one in steps
    ]
    return markdown(("with", "machines", "orders/s", "times the first", "breaks first"), rows)


def _remedies(measured: Measured, assumed: Assumptions) -> Iterator[tuple[str, str, str]]:
    held = _held(measured, assumed)
    for limit, remedy in REMEDIES.items():
        where = [f"{one.cores} cores in {one.processes}" for one in held if one.breaks_first == limit]
        yield limit, ", ".join(dict.fromkeys(where)) or "nowhere here", remedy


def _needs(needs: Sequence[Need]) -> str:
    header = ("computed", *(one.demand.name for one in needs))
    rows = [
        ("people (census 2020)", *(_round(one.demand.people) for one in needs)),
        ("producers", *(_round(one.demand.producers) for one in needs)),
        ("products", *(_round(one.products) for one in needs)),
        ("orders a day", *(_round(one.orders_a_day) for one in needs)),
        ("orders/s in a campaign's busiest hour", *(number(one.orders) for one in needs)),
        ("requests/s then", *(number(one.requests) for one in needs)),
        ("lines of hotels a day", *(_round(one.demand.hotel_lines_a_day) for one in needs)),
        ("cores: gateway and services", *(number(one.market_cores) for one in needs)),
        ("cores: PostgreSQL, the primary's", *(number(one.primary_cores) for one in needs)),
        ("cores: PostgreSQL, public reads", *(number(one.reading_cores) for one in needs)),
        ("products on disk", *(_unit(one.products_gb, "GB") for one in needs)),
        ("orders on disk, a year", *(_unit(one.orders_gb_a_year, "GB") for one in needs)),
        ("one release of aid packages", *(f"{number(one.release_core_minutes)} core minutes" for one in needs)),
    ]
    return markdown(header, rows)


def _verdicts(measured: Measured, assumed: Assumptions) -> Iterator[str]:
    for demand in SCENARIOS:
        wanted = need(measured, assumed, demand)
        cores = wanted.market_cores + wanted.primary_cores + wanted.reading_cores
        # The utilisation is in both already, so cores are compared with cores.
        fitting = next((size for size in CORES if effective_cores(size, assumed.contention) >= cores), None)
        if fitting is not None:
            yield f"{demand.name} fits on one machine of {fitting} cores, computed at {number(cores)} cores."
            continue
        primary = next(
            (size for size in CORES if effective_cores(size, assumed.contention) >= wanted.primary_cores), None
        )
        database = (
            f"its primary fits on {primary} cores, with replicas for the public reads"
            if primary is not None
            else "its writes need more than one primary: a market for each province or shards by vendor"
        )
        yield f"{demand.name} needs {number(cores)} cores and so several machines; {database}."


def _round(value: float | None) -> str:
    """A computed number with no more digits than it deserves."""
    if value is None:
        return "not measured"
    digits = len(str(int(value)))
    return f"{round(value, 2 - digits):,.0f}" if digits > 2 else number(value)


def _unit(value: float | None, unit: str) -> str:
    return "not measured" if value is None else f"{number(value)} {unit}"
