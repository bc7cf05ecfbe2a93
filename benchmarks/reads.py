"""The requests of a reader: product pages, lists and searches, each with an address that no cache has seen lately."""

import random
import re
from collections.abc import Iterator, Sequence
from itertools import count, cycle, repeat
from typing import Final
from urllib.parse import urlencode

import httpx

from benchmarks.load import http_request
from ishop.child_process import LOOPBACK

QUERIES: Final = (
    "gula aren", "gula arn", "palm sugar", "gule abang", "gula semut", "minyak kelapa", "coconut oil", "vco",
    "minyak goreng", "minyak cengkeh", "clove oil", "minyak kayu putih", "cajuput", "teh kelor", "merunggai",
    "moringa tea", "kelor", "susu kedelai", "soy milk", "serbat jahe", "ginger drink", "jahe instan", "kopi sembalun",
    "kopi tambora", "coffee", "madu sumbawa", "honey", "madu", "tas ketak", "rattan bag", "tas", "tenun", "songket",
    "kain tenun lombok", "rumput laut", "seaweed", "dodol", "kerupuk", "sambal", "garam", "abon ikan", "terasi",
    "mutiara", "gerabah", "oleh oleh halal", "gula halal lombok timur", "minyak untuk pijat", "pemanis alami",
)  # fmt: skip
"""What people type: Indonesian and English, dialect, typos, affixes, what it is for, place and certificate words."""

HITS: Final = re.compile(r'^ishop_public_cache_total\{outcome="hit"\} ([0-9.e+]+)$', re.MULTILINE)
DEAREST: Final = 1_000_000_000
"""Above every price. A `price_max` from here up excludes nothing, and makes an address that was not asked for yet."""


def details(products: Sequence[str], seed: int = 1) -> Iterator[bytes]:
    """Every address of every product in random order, then again; `products` are ids and slugs.

    With two languages these are four answers for each product, so that the gateway has forgotten one (after 0.9 s) long
    before it is asked for again. `hits` tells whether that was so.
    """
    shuffled = random.Random(seed).sample(products, len(products))  # noqa: S311 - which page is read is no secret.
    languages = [{"Accept-Language": language} for language in ("id", "en")]
    return cycle(
        [
            http_request("GET", f"/v1/products/{product}", headers=headers)
            for headers in languages
            for product in shuffled
        ]
    )


def detail(product: str) -> Iterator[bytes]:
    """One product's page, again and again."""
    return repeat(http_request("GET", f"/v1/products/{product}"))


def first_page() -> Iterator[bytes]:
    """The list that a front end opens with, again and again."""
    return repeat(http_request("GET", "/v1/products?limit=20"))


def lists() -> Iterator[bytes]:
    """The first page of 20, each at an address that nobody asked for before."""
    return (http_request("GET", f"/v1/products?limit=20&price_max={DEAREST + number}") for number in count())


def searches(queries: Sequence[str] = QUERIES) -> Iterator[bytes]:
    """The mix of queries, 20 hits each."""
    words = cycle(queries)
    return (http_request("GET", search_target(next(words), DEAREST + number)) for number in count())


def search_target(query: str, price_max: int = DEAREST) -> str:
    """The address of one search."""
    return f"/v1/search/products?{urlencode({'q': query, 'per_page': 20, 'price_max': price_max})}"


async def hits(port: int, metrics_port: int) -> float:
    """How many public reads a gateway answered out of its memory since its start, as its figures say.

    It counts what it remembered when it has to ask the next time, so it is made to ask once.
    """
    unheard = DEAREST + random.SystemRandom().getrandbits(48)
    async with httpx.AsyncClient(trust_env=False) as client:
        asked = await client.get(f"http://{LOOPBACK}:{port}/v1/products", params={"limit": 1, "price_max": unheard})
        asked.raise_for_status()
        page = (await client.get(f"http://{LOOPBACK}:{metrics_port}/metrics")).raise_for_status().text
    found = HITS.search(page)
    return float(found[1]) if found is not None else 0.0
