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

CANDIDATES: Final = REACHABLE + 1
PREFERRED: Final = 250
"""How many products a branch may move forward that is a part of another one."""

DISTANCE: Final = (
    f"{2 * EARTH_RADIUS_KM} * asin(sqrt(least(1, power(sin(radians(d.latitude - :latitude) / 2), 2)"
    " + cos(radians(:latitude)) * cos(radians(d.latitude)) * power(sin(radians(d.longitude - :longitude) / 2), 2))))"
)
INSIDE: Final = (
    f"d.latitude BETWEEN :south AND :north AND d.longitude BETWEEN :west AND :east AND {DISTANCE} <= :radius_km"
)
# What the index of places can look up. It is for searches for any product only: the planner believes that a box holds
# next to nothing, and would prefer it to the index of words or commodities.
IN_THE_BOX: Final = "point(d.longitude, d.latitude) <@ box(point(:east, :north), point(:west, :south))"
NEAREST: Final = "point(d.longitude, d.latitude) <-> point(:longitude, :latitude)"
NEAR_ENOUGH: Final = "power(d.latitude - :latitude, 2) + power(d.longitude - :longitude, 2)"

BY_AGE: Final = "d.product_id"

CUT: Final[Mapping[SearchSort, tuple[str, str]]] = {
    SearchSort.relevance: (BY_AGE, "DESC"),
    SearchSort.newest: (BY_AGE, "DESC"),
    SearchSort.price: ("d.price_from", "ASC"),
    SearchSort.price_down: ("d.price_from", "DESC"),
}
"""Which products a branch gives when it has more than it may: those that come first in the order asked for."""

# Equals come in an order that is always the same and that no vendor can choose.
EQUALS: Final = "d.in_stock DESC, uuid_hash(d.product_id), d.product_id"

ORDERS: Final[Mapping[SearchSort, str]] = {
    SearchSort.relevance: f"d.weight DESC, {EQUALS}",
    SearchSort.newest: "d.product_id DESC",
    SearchSort.price: f"d.price_from, {EQUALS}",
    SearchSort.price_down: f"d.price_from DESC, {EQUALS}",
    SearchSort.distance: f"{DISTANCE}, {EQUALS}",
}

COLUMNS: Final = (
    "d.product_id, d.price_from, d.in_stock, d.category_slug, d.commodity_slug, d.region_code, d.vendor_id,"
    " d.certificate_kinds, d.latitude, d.longitude"
)

# All about the products of a commodity comes from indexes that cover it. By relevance each of several commodities gives
# its first product before any gives its second one, the heaviest commodities before the lighter ones.
OF_COMMODITIES: Final = """(
    SELECT {columns}, m.weight * :boost{n} AS weight
    FROM unnest(CAST(:slugs{n} AS text[]), CAST(:weights{n} AS double precision[])) m (slug, weight)
    CROSS JOIN LATERAL (
        SELECT {columns}, {key} AS key {turn} FROM catalog.product_documents d
        WHERE d.commodity_slug = m.slug AND {conditions}
        ORDER BY {key} {direction} LIMIT {candidates}
    ) d
    ORDER BY {across} LIMIT {candidates}
)"""
TURN: Final = ", row_number() OVER (ORDER BY {key} {direction}) AS turn"

# Materialized, so that the planner does not see the limit: it would rather read the table from its beginning, where
# every row tested means fetching and unpacking its words. The commodities are words of the index, too.
WITH_WORDS: Final = """(
    WITH matching AS MATERIALIZED (
        SELECT {columns}, {weight} AS weight FROM catalog.product_documents d
        WHERE d.search_vector @@ CAST(:query{n} AS tsquery) AND {conditions}
    )
    SELECT * FROM matching LIMIT {candidates}
)"""
OF_COMMODITY: Final = (
    "(CAST(:weights{n} AS double precision[]))[array_position(CAST(:slugs{n} AS text[]), d.commodity_slug)] * :boost{n}"
)

# One region after the other, because the index of regions has the newest products of each in order.
OF_REGIONS: Final = """(
    SELECT {columns}, CAST(:boost{n} AS double precision) AS weight
    FROM unnest(CAST(:regions{n} AS text[])) m (code)
    CROSS JOIN LATERAL (
        SELECT {columns}, {key} AS key FROM catalog.product_documents d
        WHERE d.region_code = m.code AND {conditions}
        ORDER BY {key} {direction} LIMIT {candidates}
    ) d
    ORDER BY d.key {direction} LIMIT {candidates}
)"""

OF_ALL: Final = """(
    SELECT {columns}, CAST(:boost{n} AS double precision) AS weight FROM catalog.product_documents d
    WHERE {conditions} ORDER BY {key} {direction} LIMIT {candidates}
)"""

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

_COMMODITY: Final = "'commodity:{}'"

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
        columns = (row.documents, row.prices, row.distances, row.commodities, row.stocked, row.scores)
        return EngineAnswer(
            engine=EngineName.postgres,
            hits=tuple(EngineHit(*hit) for hit in zip(*columns, strict=True)) if row.documents else (),
            total=min(row.total, REACHABLE),
            total_is_exact=row.total <= REACHABLE,
            facets={facet: counted[facet] or {} for facet in query.facets},
        )


def _statement(query: EngineQuery) -> str:
    found = [_branch(number, branch, query) for number, branch in enumerate(query.branches)]
    # What is only related comes last, and is not looked for where there are candidates enough without it.
    before = sum(_candidates(branch) for branch in query.branches if branch.words or branch.boost > 1)
    return _fill(
        SEARCH,
        {
            "branches": " UNION ALL ".join(found),
            "enough": str(before + CANDIDATES),
            "distance": DISTANCE if query.near else "NULL::double precision",
            "order": ORDERS[query.sort],
            "reachable": str(REACHABLE),
            "facets": _facets(query.facets),
            "document": f"document_{query.language}",
        },
    )


def _branch(number: int, branch: Branch, query: EngineQuery) -> str:
    by_distance = query.sort is SearchSort.distance or query.radius_km is not None
    by_relevance = query.sort is SearchSort.relevance
    key, direction = (NEAR_ENOUGH, "ASC") if by_distance else CUT[query.sort]
    by_region = branch.regions and not branch.words and not branch.commodities and key == BY_AGE
    conditions = list(_conditions(branch, query))
    if branch.regions and not by_region:
        conditions.append("d.region_code = ANY (CAST(:regions{n} AS text[]))")
    pieces: dict[str, str] = {}
    if branch.words:
        template = WITH_WORDS
        pieces["weight"] = OF_COMMODITY if branch.commodities else "CAST(:boost{n} AS double precision)"
    elif branch.commodities:
        template = OF_COMMODITIES
        pieces["turn"] = TURN if by_relevance else ""
        pieces["across"] = "m.weight DESC, d.turn" if by_relevance else "d.key {direction}"
    elif by_region:
        template = OF_REGIONS
    else:
        template = OF_ALL
        key = NEAREST if by_distance else key
        if query.radius_km is not None:
            conditions.append(IN_THE_BOX)
    common = {"columns": COLUMNS, "key": key, "direction": direction, "n": str(number)}
    pieces["candidates"] = str(_candidates(branch))
    return _fill(template, pieces, {"conditions": " AND ".join(conditions)}, common)


def _candidates(branch: Branch) -> int:
    return PREFERRED if branch.boost > 1 else CANDIDATES


def _conditions(branch: Branch, query: EngineQuery) -> Iterator[str]:
    yield VISIBLE
    yield from (CONDITIONS[name] for name in query.filters.values())
    if branch.certificates:
        yield "d.certificate_kinds @> CAST(:certificates{n} AS text[])"
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
            yield f"query{number}", _tsquery(branch)
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
    """All words, of one of the commodities. Where none is set, the last word may still be typed. Words are letters and
    digits; quoting keeps them operands."""
    field = "name:" if branch.only_names else ""
    words = " & ".join(f"'{field}{word}'" for word in branch.words)
    if not branch.commodities:
        return f"{words}:*"
    return f"{words} & ({' | '.join(_COMMODITY.format(slug) for slug, _ in branch.commodities)})"


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
