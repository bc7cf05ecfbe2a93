"""The requests of a reader: product pages, lists and searches, each with an address that no cache has seen lately."""

import random
from collections.abc import Iterator, Sequence
from itertools import count, cycle
from typing import Final
from urllib.parse import urlencode

from benchmarks.load import http_request

QUERIES: Final = (
    "gula aren", "gula arn", "palm sugar", "gule abang", "gula semut", "minyak kelapa", "coconut oil", "vco",
    "minyak goreng", "minyak cengkeh", "clove oil", "minyak kayu putih", "cajuput", "teh kelor", "merunggai",
    "moringa tea", "kelor", "susu kedelai", "soy milk", "serbat jahe", "ginger drink", "jahe instan", "kopi sembalun",
    "kopi tambora", "coffee", "madu sumbawa", "honey", "madu", "tas ketak", "rattan bag", "tas", "tenun", "songket",
    "kain tenun lombok", "rumput laut", "seaweed", "dodol", "kerupuk", "sambal", "garam", "abon ikan", "terasi",
    "mutiara", "gerabah", "oleh oleh halal", "gula halal lombok timur", "minyak untuk pijat", "pemanis alami",
)  # fmt: skip
"""What people type: Indonesian and English, dialect, typos, affixes, what it is for, place and certificate words."""

DEAREST: Final = 1_000_000_000
"""Above every price. A `price_max` from here up excludes nothing, and makes an address that was not asked for yet."""


def details(products: Sequence[str], seed: int = 1) -> Iterator[bytes]:
    """Every product once in random order, then again: as long as possible between two requests for the same."""
    shuffled = random.Random(seed).sample(products, len(products))  # noqa: S311 - which page is read is no secret.
    return cycle([http_request("GET", f"/v1/products/{product}") for product in shuffled])


def lists() -> Iterator[bytes]:
    """The first page of 20."""
    return (http_request("GET", f"/v1/products?limit=20&price_max={DEAREST + number}") for number in count())


def searches(queries: Sequence[str] = QUERIES) -> Iterator[bytes]:
    """The mix of queries, 20 hits each."""
    words = cycle(queries)
    return (http_request("GET", search_target(next(words), DEAREST + number)) for number in count())


def search_target(query: str, price_max: int = DEAREST) -> str:
    """The address of one search."""
    return f"/v1/search/products?{urlencode({'q': query, 'per_page': 20, 'price_max': price_max})}"
