"""The kinds of requests: for each an endless choice of them, drawn from all that there is to ask for in a market."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import count, product
from typing import Final
from urllib.parse import urlencode
from uuid import uuid4

from benchmarks.load import http_request
from benchmarks.million.markets import Market, Shelf
from benchmarks.orders import order_body, post
from benchmarks.reads import QUERIES
from demo.accounts import CONSUMER, HOTEL, VENDOR

Parameters = Mapping[str, str | int]
Filter = Callable[[Shelf, random.Random], Parameters]

SORTS: Final = ("newest", "price", "-price")
SEARCH_SORTS: Final = ("relevance", *SORTS, "distance")
FACETS: Final = "category,commodity,region,vendor,certificate"
PLACES: Final = ("-8.5833,116.1167", "-8.4944,117.4202", "-8.4673,118.7525", "-8.65,116.3249")
PLAIN_WORDS: Final = ("asli", "pedas", "halal", "premium", "tradisional", "koperasi", "lombok", "sumbawa", "organik")
"""Words of names and texts that no commodity explains: the largest answers that words can have."""

FILTERS: Final[Mapping[str, Filter]] = {
    "no filter": lambda _shelf, _dice: {},
    "category": lambda shelf, dice: {"category": dice.choice(shelf.categories)},
    "commodity": lambda shelf, dice: {"commodity": dice.choice(shelf.commodities)},
    "region": lambda shelf, dice: {"region": dice.choice(shelf.regions)},
    "vendor": lambda shelf, dice: {"vendor": dice.choice(shelf.vendors)},
    "certificate": lambda shelf, dice: {"certificate": dice.choice(shelf.certificates)},
    "prices": lambda _shelf, dice: _prices(dice),
    "in stock": lambda _shelf, _dice: {"in_stock": "true"},
    "sold out": lambda _shelf, _dice: {"in_stock": "false"},
    "category, region": lambda shelf, dice: {
        "category": dice.choice(shelf.categories),
        "region": dice.choice(shelf.regions),
    },
    "commodity, region, prices": lambda shelf, dice: {
        "commodity": dice.choice(shelf.commodities),
        "region": dice.choice(shelf.regions),
        **_prices(dice),
    },
    "category, certificate, in stock": lambda shelf, dice: {
        "category": dice.choice(shelf.categories),
        "certificate": dice.choice(shelf.certificates),
        "in_stock": "true",
    },
}


OWN: Final[tuple[tuple[str, str, str, str, Parameters], ...]] = (
    ("orders of a buyer", CONSUMER, "/v1/orders", "", {"limit": 20}),
    ("orders of a buyer by state", CONSUMER, "/v1/orders", "", {"limit": 20, "status": "completed"}),
    ("an order", CONSUMER, "/v1/orders/{}", "orders", {}),
    ("orders of an organization", HOTEL, "/v1/orders", "", {"limit": 20, "organization_id": "{organization}"}),
    ("vendor orders", VENDOR, "/v1/vendor-orders", "", {"limit": 20}),
    ("vendor orders by state", VENDOR, "/v1/vendor-orders", "", {"limit": 20, "status": "delivered"}),
    ("a vendor order", VENDOR, "/v1/vendor-orders/{}", "vendor_orders", {}),
    ("stock of a vendor", VENDOR, "/v1/stock", "", {"limit": 50}),
    ("movements of a sku", VENDOR, "/v1/stock/{}/movements", "sold_skus", {"limit": 20}),
)
"""What buyers and vendors read of their own: the name, who asks, the path, what of the shelf stands in it, and how."""


def _prices(dice: random.Random) -> Parameters:
    """From narrow to wide, from the cheapest to the dearest."""
    least = int(1_000 * 10 ** dice.uniform(0, 3.7))
    return {"price_min": least, "price_max": int(least * dice.uniform(1.05, 3))}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request; `searches` are held against a time, the others against the small market."""

    name: str
    requests: Callable[[Market, random.Random], Iterator[bytes]]
    expected: HTTPStatus = HTTPStatus.OK
    searches: bool = False


def kinds() -> list[Kind]:
    """All that is measured, in the order of the report."""
    return [*_details(), *_lists(), *_writes(), *_own(), *_searches()]


def _get(path: str, parameters: Parameters | None = None, token: str | None = None) -> bytes:
    return http_request("GET", f"{path}?{urlencode(parameters)}" if parameters else path, token=token)


def _details() -> Iterator[Kind]:
    yield Kind(
        "product by id", lambda m, dice: (_get(f"/v1/products/{dice.choice(m.shelf.products)}") for _ in count())
    )
    yield Kind("product by slug", lambda m, dice: (_get(f"/v1/products/{dice.choice(m.shelf.slugs)}") for _ in count()))


def _lists() -> Iterator[Kind]:
    for (name, choose), sort in product(FILTERS.items(), SORTS):

        def requests(market: Market, dice: random.Random, choose: Filter = choose, sort: str = sort) -> Iterator[bytes]:
            while True:
                yield _get("/v1/products", {**choose(market.shelf, dice), "sort": sort, "limit": 20})

        yield Kind(f"list by {sort}: {name}", requests)
    for sort in SORTS:

        def deep(market: Market, _dice: random.Random, sort: str = sort) -> Iterator[bytes]:
            shelf = market.shelf
            middle = shelf.middle_of_ages if sort == "newest" else shelf.middle_of_prices
            cursor = shelf.cursors.write("products", {"sort": sort}, list(middle))
            while True:
                yield _get("/v1/products", {"sort": sort, "limit": 20, "cursor": cursor})

        yield Kind(f"list by {sort}: from the middle on", deep)


def _writes() -> Iterator[Kind]:
    yield Kind(
        "place an order",
        lambda m, dice: (
            post("/v1/orders", m.tokens[CONSUMER], order_body(dice.choice(m.shelf.offers))) for _ in count()
        ),
        HTTPStatus.CREATED,
    )

    def changes(market: Market, dice: random.Random) -> Iterator[bytes]:
        device = uuid4().hex
        for sequence in count(1):
            body = {"delta": -1 if sequence % 2 else 1, "device_id": device, "sequence": sequence}
            target = f"/v1/stock/{dice.choice(market.shelf.own_skus)}"
            yield http_request("PATCH", target, token=market.tokens[VENDOR], body=body)

    yield Kind("change stock", changes)


def _own() -> Iterator[Kind]:
    """What buyers and vendors read of their own."""
    for name, who, path, things, parameters in OWN:

        def requests(
            market: Market, dice: random.Random, *, who: str = who, path: str = path, things: str = things,
            parameters: Parameters = parameters,
        ) -> Iterator[bytes]:  # fmt: skip
            shelf = market.shelf
            asked = {key: str(value).format(organization=shelf.organization) for key, value in parameters.items()}
            while True:
                thing = dice.choice(getattr(shelf, things)) if things else ""
                yield _get(path.format(thing), asked, market.tokens[who])

        yield Kind(name, requests)


def _searches() -> Iterator[Kind]:
    for sort in SEARCH_SORTS:
        yield _search(f"by {sort}", sort)
    for name, choose in FILTERS.items():
        if name != "no filter":
            yield _search(f"with {name}", "relevance", choose)
            yield _search(f"without words, with {name}, by price", "price", choose, words=False)
            yield _search(f"without words, with {name}, by distance", "distance", choose, words=False)
    for sort in SEARCH_SORTS:
        yield _search(f"near, by {sort}", sort, near=True)
    yield _search("with all facets", "relevance", facets=True)
    yield _search("with category and facets, by price", "price", FILTERS["category"], facets=True)
    yield _search("without words, with facets, by newest", "newest", words=False, facets=True)


def _search(
    name: str,
    sort: str,
    choose: Filter = FILTERS["no filter"],
    *,
    words: bool = True,
    near: bool = False,
    facets: bool = False,
) -> Kind:
    def requests(market: Market, dice: random.Random) -> Iterator[bytes]:
        while True:
            asked = dict(choose(market.shelf, dice)) | {"sort": sort, "per_page": 20}
            if words:
                asked["q"] = dice.choice(QUERIES + PLAIN_WORDS)
            if near or sort == "distance":
                asked["near"] = dice.choice(PLACES)
            if near:
                asked["radius_km"] = dice.choice((2, 10, 50))
            if facets:
                asked["facets"] = FACETS
            yield _get("/v1/search/products", asked)

    return Kind(f"search {name}", requests, searches=True)
