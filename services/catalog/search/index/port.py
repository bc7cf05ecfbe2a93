"""The one port of search: what is asked of an engine, whichever it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from ishop.errors import Language
from services.catalog.products.filters import ProductFilters
from services.catalog.search.places import Place
from services.catalog.search.plan import Branch
from services.catalog.search.schemas import EngineName, Facet, SearchSort

REACHABLE: Final = 1000
"""Hits that can be paged through; beyond, a narrower search is the answer."""

VENDORS_COUNTED: Final = 20


class EngineDown(Exception):
    """The engine does not answer, or not in time; another one may."""


@dataclass(frozen=True, slots=True)
class EngineQuery:
    """What to find: products that answer one of `branches` and pass all `filters`, certified on the day `today`.

    By relevance the weight of the branch comes first; what is in stock goes before its equals.
    `near` is where distances are measured from; only what is within `radius_km` of it is found.
    """

    branches: tuple[Branch, ...]
    filters: ProductFilters
    sort: SearchSort
    near: Place | None
    radius_km: float | None
    facets: tuple[Facet, ...]
    page: int
    per_page: int
    language: Language
    today: date


@dataclass(frozen=True, slots=True)
class EngineHit:
    """A stored document as JSON text, the lowest price in rupiah, and the distance where `near` was given; `score` says
    how well the product answers, and is comparable within one answer only."""

    document: str
    price_from: int
    distance_km: float | None
    commodity: str
    in_stock: bool
    score: float


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    """One page of hits; `facets` count all hits, or the first `REACHABLE` where `total_is_exact` is false."""

    engine: EngineName
    hits: tuple[EngineHit, ...]
    total: int
    total_is_exact: bool
    facets: Mapping[Facet, Mapping[str, int]]


class Engine(Protocol):
    """Finds products."""

    async def search(self, query: EngineQuery) -> EngineAnswer:
        """Answer one query; EngineDown when that is not possible now."""
