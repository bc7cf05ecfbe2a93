"""The engine that is always there: text search on the market's own database, in one statement a search.

Every branch gives at most 1,001 products, and ranking, facets and paging look at those only; so a search costs the same
at a million products as at ten thousand, and `total` is exact up to 1,000.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson
from sqlalchemy import text

from ishop.database import Database
from services.catalog.products.filters import CONDITIONS, VISIBLE
from services.catalog.search.index.port import (
    REACHABLE,
    VENDORS_COUNTED,
    EngineAnswer,
    EngineHit,
    EngineQuery,
)
from services.catalog.search.places import EARTH_RADIUS_KM, KM_PER_DEGREE
from services.catalog.search.plan import Branch
from services.catalog.search.schemas import EngineName, Facet, SearchSort

CANDIDATES: Final = str(REACHABLE + 1)

NEARNESS: Final = "point(d.longitude, d.latitude) <-> point(:longitude, :latitude)"
DISTANCE: Final = (
    f"{2 * EARTH_RADIUS_KM} * asin(sqrt(least(1, power(sin(radians(d.latitude - :latitude) / 2), 2)"
    " + cos(radians(:latitude)) * cos(radians(d.latitude)) * power(sin(radians(d.longitude - :longitude) / 2), 2))))"
)
# The box is what the index can look up; the circle inside it is what was asked for.
INSIDE: Final = (
    f"point(d.longitude, d.latitude) <@ box(point(:east, :north), point(:west, :south)) AND {DISTANCE} <= :radius_km"
)

CUT: Final[Mapping[SearchSort, tuple[str, str]]] = {
    SearchSort.relevance: ("d.product_id", "DESC"),
    SearchSort.newest: ("d.product_id", "DESC"),
    SearchSort.price: ("d.price_from", "ASC"),
    SearchSort.price_down: ("d.price_from", "DESC"),
    SearchSort.distance: (NEARNESS, "ASC"),
}
"""Which products a branch gives when it has more than it may: those that come first in the order asked for."""

ORDERS: Final[Mapping[SearchSort, str]] = {
    SearchSort.relevance: "b.weight DESC, b.rank DESC, d.in_stock DESC, d.product_id DESC",
    SearchSort.newest: "d.product_id DESC",
    SearchSort.price: "d.price_from, d.in_stock DESC, d.product_id DESC",
    SearchSort.price_down: "d.price_from DESC, d.in_stock DESC, d.product_id DESC",
    SearchSort.distance: f"{DISTANCE}, d.in_stock DESC, d.product_id DESC",
}

# Of several commodities each gives its first products before any gives its second ones, the heaviest ones before the
# lighter ones; the index that covers the filters answers this without touching the table.
OF_COMMODITIES: Final = """(
    SELECT x.product_id, m.weight * :boost{n} AS weight, 0 AS rank
    FROM unnest(CAST(:slugs{n} AS text[]), CAST(:weights{n} AS double precision[])) m (slug, weight)
    CROSS JOIN LATERAL (
        SELECT d.product_id, {key} AS key, row_number() OVER (ORDER BY {key} {direction}) AS place
        FROM catalog.product_documents d
        WHERE d.commodity_slug = m.slug AND {conditions}
        ORDER BY {key} {direction} LIMIT {candidates}
    ) x
    ORDER BY {across} LIMIT {candidates}
)"""

WITH_WORDS: Final = """(
    SELECT d.product_id, {weight} AS weight, round(ts_rank(d.search_vector, w.query)::numeric, 1) AS rank
    FROM (SELECT to_tsquery('pg_catalog.simple', :words{n}) AS query) w
    CROSS JOIN catalog.product_documents d {meant}
    WHERE d.search_vector @@ w.query AND {conditions} LIMIT {candidates}
)"""
MEANT: Final = (
    "JOIN unnest(CAST(:slugs{n} AS text[]), CAST(:weights{n} AS double precision[])) m (slug, weight)"
    " ON m.slug = d.commodity_slug"
)

OF_ALL: Final = """(
    SELECT d.product_id, CAST(:boost{n} AS double precision) AS weight, 0 AS rank FROM catalog.product_documents d
    WHERE {conditions} ORDER BY {key} {direction} LIMIT {candidates}
)"""

SEARCH: Final = """
WITH found AS MATERIALIZED ({branches}),
best AS MATERIALIZED (
    SELECT f.product_id, max(f.weight) AS weight, max(f.rank) AS rank FROM found f GROUP BY f.product_id
),
ranked AS MATERIALIZED (
    SELECT d.product_id, d.price_from, d.category_slug, d.commodity_slug, d.region_code, d.vendor_id,
           d.certificate_kinds, {distance} AS distance, row_number() OVER (ORDER BY {order}) AS place
    FROM best b JOIN catalog.product_documents d ON d.product_id = b.product_id
    ORDER BY place LIMIT {reachable}
)
SELECT (SELECT count(*) FROM best) AS total, ({facets}) AS facets, page.*
FROM (
    SELECT array_agg(d.{document}::text ORDER BY r.place) AS documents,
           array_agg(r.price_from ORDER BY r.place) AS prices, array_agg(r.distance ORDER BY r.place) AS distances
    FROM ranked r JOIN catalog.product_documents d ON d.product_id = r.product_id
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
        async with self._database.reading() as session:
            row = (await session.execute(text(_statement(query)), values)).one()
        counted = orjson.loads(row.facets)
        distances = row.distances or () if query.near else (None,) * len(row.documents or ())
        hits = zip(row.documents or (), row.prices or (), distances, strict=True)
        return EngineAnswer(
            engine=EngineName.postgres,
            hits=tuple(EngineHit(*hit) for hit in hits),
            total=min(row.total, REACHABLE),
            total_is_exact=row.total <= REACHABLE,
            facets={facet: counted[facet] or {} for facet in query.facets},
        )


def _statement(query: EngineQuery) -> str:
    key, direction = CUT[SearchSort.distance if query.radius_km is not None else query.sort]
    parts = {"key": key, "direction": direction, "candidates": CANDIDATES}
    found = [_fill(*_branch(number, branch, query), parts) for number, branch in enumerate(query.branches)]
    return _fill(
        SEARCH,
        {
            "branches": " UNION ALL ".join(found),
            "distance": DISTANCE if query.near else "NULL",
            "order": ORDERS[query.sort],
            "reachable": str(REACHABLE),
            "facets": _facets(query.facets),
            "document": f"document_{query.language}",
        },
    )


def _branch(number: int, branch: Branch, query: EngineQuery) -> tuple[str, dict[str, str]]:
    own = {"n": str(number), "conditions": " AND ".join(_conditions(number, branch, query))}
    if branch.words:
        weight = "m.weight * :boost{n}" if branch.commodities else "CAST(:boost{n} AS double precision)"
        return WITH_WORDS, {"weight": weight, "meant": MEANT if branch.commodities else "", **own}
    if branch.commodities:
        across = "x.key {direction}" if query.sort is not SearchSort.relevance else "m.weight DESC, x.place"
        return OF_COMMODITIES, {"across": across, **own}
    return OF_ALL, own


def _conditions(number: int, branch: Branch, query: EngineQuery) -> Iterator[str]:
    yield VISIBLE
    yield from (CONDITIONS[name] for name in query.filters.values())
    if branch.regions:
        yield f"d.region_code = ANY (CAST(:regions{number} AS text[]))"
    if branch.certificates:
        yield f"d.certificate_kinds @> CAST(:certificates{number} AS text[])"
    if query.radius_km is not None:
        yield INSIDE


def _values(query: EngineQuery) -> Iterator[tuple[str, Any]]:
    yield "today", query.today
    yield from query.filters.values().items()
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
            yield f"words{number}", _tsquery(branch.words)
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


def _tsquery(words: tuple[str, ...]) -> str:
    """All words, the last one also as a beginning. Words hold letters and digits only; quoting keeps them operands."""
    return " & ".join(f"'{word}'" for word in words) + ":*"


def _facets(facets: tuple[Facet, ...]) -> str:
    counted = [
        _fill(COUNTED, {"facet": facet, "count_by": COUNT_BY[facet], "vendors": str(VENDORS_COUNTED)})
        for facet in facets
    ]
    return f"SELECT json_build_object({', '.join(counted)})::text"


def _fill(template: str, *parts: Mapping[str, str]) -> str:
    """Put constant pieces of SQL into their places; what callers send is bound as parameters, never put here."""
    for names in parts:
        for name, piece in names.items():
            template = template.replace(f"{{{name}}}", piece)
    return template
