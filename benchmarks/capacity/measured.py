"""The costs that kept runs measured, as the capacity model wants them."""

from statistics import median
from typing import Final

from benchmarks.capacity.model import Cost, Measured
from benchmarks.kept import Run

BULK_SIZES: Final = (1000, 500, 100)
BATCH_ROWS: Final = 10_000
LARGE: Final = "1M"


class NotMeasured(Exception):
    """A run lacks what the model needs; the message says which figures."""


def measured(bench: Run, million: Run | None, apart: Run | None) -> Measured:
    """From a full run of `make bench` and, where there are such, of `make million` and of the market as processes.

    Raises NotMeasured.
    """
    lines = next((size for size in BULK_SIZES if f"bulk_{size}" in bench["readings"]), BULK_SIZES[0])
    # A run from before the cache answered nothing out of it: every page is then taken to cost what the others do.
    cached_by = "detail_cached" if "detail_cached" in bench["readings"] else "detail"
    wanted = (cached_by, "detail", "list", "search_postgres", "order", f"bulk_{lines}", "batch", "sign_in")
    missing = [key for key in wanted if _cost(bench, key) is None]
    if missing:
        raise NotMeasured(f"The run has no processor time of {', '.join(missing)}.")
    cached, detail, listing, searching, order, bulk, batch, sign_in = (
        _cost(bench, key) or Cost(0, 0) for key in wanted
    )
    hot = bench["readings"].get("hot_sku")
    return Measured(
        cached=cached,
        detail=detail,
        listing=listing,
        search=searching,
        order=order,
        bulk_line=bulk * (1 / lines),
        stock_row=batch * (1 / BATCH_ROWS),
        sign_in=sign_in,
        market_mib=bench["memory"]["rss"],
        servers_mib=sum(bench["beside"].values()),
        over_http=_over_http(bench, apart),
        hot_orders=median(one["value"] for one in hot) if hot else None,
        product_bytes=_bytes(million, "catalog.products", ("catalog.",), ("vendors.stock",)),
        order_bytes=_bytes(million, "orders.orders", ("orders.",), ("vendors.stock_movements",)),
    )


def _over_http(bench: Run, apart: Run | None) -> float | None:
    """At most so many times the work of one process, with the services as processes of their own.

    A gateway's process then serves fewer pages than one process that does everything; that is measured. The service
    beside it is taken to work as much as that one process did, which is too much.
    """
    return None if apart is None else 1 + median(bench["ratios"]["detail"]) / median(apart["ratios"]["detail"])


def _bytes(million: Run | None, counted: str, schemas: tuple[str, ...], tables: tuple[str, ...]) -> float | None:
    """On disk with indexes, for one row of the table that is counted; a movement of stock belongs to its order."""
    if million is None:
        return None
    relations = million["relations"].get(LARGE, [])
    rows = sum(one["rows"] for one in relations if one["name"] == counted)
    size = sum(
        one["table"] + one["indexes"] for one in relations if one["name"].startswith(schemas) or one["name"] in tables
    )
    return size / rows if rows else None


def _cost(bench: Run, key: str) -> Cost | None:
    notes = [one["notes"] for one in bench["readings"].get(key, ()) if "server_cpu_ms" in one["notes"]]
    if not notes:
        return None
    return Cost(median(note["server_cpu_ms"] for note in notes), median(note["postgres_cpu_ms"] for note in notes))
