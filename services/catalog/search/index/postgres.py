"""The engine that is always there: text search on the market's own database, in one statement a search.

Every branch gives at most 1,001 products, and ranking, facets and paging look at those only; so a search costs the same
at a million products as at ten thousand, and `total` is exact up to 1,000.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from ishop.database import Database
from services.catalog.search.index import ways
from services.catalog.search.index.port import (
    REACHABLE,
    VENDORS_COUNTED,
    EngineAnswer,
    EngineHit,
    EngineQuery,
)
from services.catalog.search.places import KM_PER_DEGREE
from services.catalog.search.plan import Branch
from services.catalog.search.schemas import EngineName, Facet, SearchSort

# Equals come in an order that is always the same and that no vendor can choose.
EQUALS: Final = "d.in_stock DESC, uuid_hash(d.product_id), d.product_id"

ORDERS: Final[Mapping[SearchSort, str]] = {
    SearchSort.relevance: f"d.weight DESC, {EQUALS}",
    SearchSort.newest: "d.product_id DESC",
    SearchSort.price: f"d.price_from, {EQUALS}",
    SearchSort.price_down: f"d.price_from DESC, {EQUALS}",
    SearchSort.distance: f"{ways.DISTANCE}, {EQUALS}",
}

SEARCH: Final = """
WITH found AS MATERIALIZED (SELECT * FROM ({branches}) every LIMIT {enough}),
best AS MATERIALIZED (
    SELECT DISTINCT ON (f.product_id) f.* FROM found f ORDER BY f.product_id, f.weight DESC
),
ranked AS MATERIALIZED (
    SELECT * FROM (
        SELECT d.*, {distance} AS distance, row_number() OVER (ORDER BY {order}) AS place FROM best d
    ) placed WHERE placed.place <= {reachable}
)
SELECT (SELECT count(*) FROM best) AS total, ({facets}) AS facets, page.*
FROM (
    SELECT array_agg(p.{document}::text ORDER BY r.place) AS documents,
           array_agg(r.price_from ORDER BY r.place) AS prices, array_agg(r.distance ORDER BY r.place) AS distances,
           array_agg(r.commodity_slug ORDER BY r.place) AS commodities,
           array_agg(r.in_stock ORDER BY r.place) AS stocked, array_agg(r.weight ORDER BY r.place) AS scores
    FROM ranked r JOIN catalog.product_documents p ON p.product_id = r.product_id
    WHERE r.place > :skip AND r.place <= :until
) page
"""

COUNT_BY: Final[Mapping[Facet, str]] = {
    Facet.category: "SELECT r.category_slug AS value, count(*) AS hits FROM ranked r GROUP BY 1",
    Facet.commodity: "SELECT r.commodity_slug AS value, count(*) AS hits FROM ranked r GROUP BY 1",
    Facet.region: "SELECT r.region_code AS value, count(*) AS hits FROM ranked r GROUP BY 1",
    Facet.vendor: (
        "SELECT v.slug AS value, c.hits FROM (SELECT r.vendor_id, count(*) AS hits FROM ranked r GROUP BY 1"
        " ORDER BY 2 DESC, 1 LIMIT {vendors}) c JOIN vendors.vendors_v1 v ON v.id = c.vendor_id"
    ),
    Facet.certificate: (
        "SELECT k.kind AS value, count(*) AS hits FROM ranked r CROSS JOIN unnest(r.certificate_kinds) k (kind)"
        " GROUP BY 1"
    ),
}


COUNTED: Final = (
    "'{facet}', (SELECT json_object_agg(f.value, f.hits ORDER BY f.hits DESC, f.value) FROM ({count_by}) f)"
)


class PostgresEngine:
    """Searches `catalog.product_documents`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def search(self, query: EngineQuery) -> EngineAnswer:
        """Answer one query."""
        if not query.branches:
            return EngineAnswer(EngineName.postgres, (), 0, True, {facet: {} for facet in query.facets})
        values = dict(_values(query))
        plan_anew = query.filters.plan_anew or any(branch.certificates for branch in query.branches)
        (row,) = await self._database.fetch_named(_statement(query), values, plan_anew=plan_anew)
        total, facets, *columns = row
        counted = orjson.loads(facets)
        return EngineAnswer(
            engine=EngineName.postgres,
            hits=tuple(EngineHit(*hit) for hit in zip(*columns, strict=True)) if columns[0] else (),
            total=min(total, REACHABLE),
            total_is_exact=total <= REACHABLE,
            facets={facet: counted[facet] or {} for facet in query.facets},
        )


def _statement(query: EngineQuery) -> str:
    found = [ways.way(number, branch, query) for number, branch in enumerate(query.branches)]
    # What weighs less comes later, and is not looked for where there are candidates enough without it; only names do
    # not come behind the commodities that they may weigh more than.
    mixed = any(branch.commodities for branch in query.branches)
    before = sum(ways.candidates(branch) for branch in query.branches if branch.boost > 1 or (mixed and branch.words))
    return ways.fill(
        SEARCH,
        {
            "branches": " UNION ALL ".join(found),
            "enough": str(before + ways.CANDIDATES),
            "distance": ways.DISTANCE if query.near else "NULL::double precision",
            "order": ORDERS[query.sort],
            "reachable": str(REACHABLE),
            "facets": _facets(query.facets),
            "document": f"document_{query.language}",
        },
    )


def _values(query: EngineQuery) -> Iterator[tuple[str, Any]]:
    yield "today", query.today
    yield from query.filters.values().items()
    yield "price_terms", query.filters.price_terms()
    yield "skip", (query.page - 1) * query.per_page
    yield "until", query.page * query.per_page
    if query.near is not None:
        yield from _near(query.near.latitude, query.near.longitude, query.radius_km)
    for number, branch in enumerate(query.branches):
        yield f"boost{number}", branch.boost
        if branch.commodities:
            yield f"slugs{number}", [slug for slug, _ in branch.commodities]
            yield f"weights{number}", [weight for _, weight in branch.commodities]
        if branch.words:
            yield f"query{number}", _tsquery(branch)
            yield f"terms{number}", list(ways.terms_of(branch, query.filters))
            yield f"region_terms{number}", [f"region:{code}" for code in branch.regions]
        if branch.regions:
            yield f"regions{number}", list(branch.regions)
        if branch.certificates:
            yield f"certificates{number}", list(branch.certificates)


def _near(latitude: float, longitude: float, radius_km: float | None) -> Iterator[tuple[str, float]]:
    yield from (("latitude", latitude), ("longitude", longitude))
    if radius_km is not None:
        height = radius_km / KM_PER_DEGREE
        width = height / max(0.01, math.cos(math.radians(latitude)))
        yield from (("radius_km", radius_km), ("north", latitude + height), ("south", latitude - height))
        yield from (("east", longitude + width), ("west", longitude - width))


def _tsquery(branch: Branch) -> str:
    """All words, and a place for the slug of a commodity. Words are letters and digits; quoting keeps them operands."""
    field = "name:" if branch.only_names else ""
    words = " & ".join(f"'{field}{word}'" for word in branch.words)
    return f"{words} & 'commodity:%s'" if branch.commodities else words


def _facets(facets: tuple[Facet, ...]) -> str:
    counted = [
        ways.fill(COUNTED, {"facet": facet, "count_by": COUNT_BY[facet], "vendors": str(VENDORS_COUNTED)})
        for facet in facets
    ]
    return f"SELECT json_build_object({', '.join(counted)})::text"
