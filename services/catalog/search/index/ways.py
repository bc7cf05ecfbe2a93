"""The ways to look for the products of one branch in PostgreSQL, each reading as little as the indexes allow.

A way gives at most `CANDIDATES` products, those that come first in the order asked for, and stops when it has them.
What it reads follows from how many it passes over, so every filter that is selective by itself has a way of its own.
"""

from collections.abc import Container, Iterator, Mapping
from itertools import chain
from typing import Final

from services.catalog.products.filters import (
    CERTIFICATE_SETS,
    HELD,
    HELD_BY_COMMODITY,
    HOLDING,
    ONE_PART,
    TERMS,
    VISIBLE,
    ProductFilters,
)
from services.catalog.search.index.port import REACHABLE, EngineQuery
from services.catalog.search.places import EARTH_RADIUS_KM
from services.catalog.search.plan import Branch
from services.catalog.search.schemas import SearchSort

CANDIDATES: Final = REACHABLE + 1
RARE: Final = 20
"""A word that fewer products of one part have may be the beginning of another."""
FEW: Final = 12_001
"""More than so many products of some prices are found near any place by going from vendor to vendor."""
PREFERRED: Final = 250
"""How many products a branch may move forward that is a part of another one."""

DISTANCE: Final = (
    f"{2 * EARTH_RADIUS_KM} * asin(sqrt(least(1, power(sin(radians(d.latitude - :latitude) / 2), 2)"
    " + cos(radians(:latitude)) * cos(radians(d.latitude)) * power(sin(radians(d.longitude - :longitude) / 2), 2))))"
)
INSIDE: Final = (
    f"d.latitude BETWEEN :south AND :north AND d.longitude BETWEEN :west AND :east AND {DISTANCE} <= :radius_km"
)
NEAR_ENOUGH: Final = "power(d.latitude - :latitude, 2) + power(d.longitude - :longitude, 2)"

BY_AGE: Final = "d.product_id"

CUT: Final[Mapping[SearchSort, tuple[str, str]]] = {
    SearchSort.relevance: (BY_AGE, "DESC"),
    SearchSort.newest: (BY_AGE, "DESC"),
    SearchSort.price: ("d.price_from", "ASC"),
    SearchSort.price_down: ("d.price_from", "DESC"),
}
"""Which products a branch gives when it has more than it may: those that come first in the order asked for."""

COLUMNS: Final = (
    "d.product_id, d.price_from, d.in_stock, d.category_slug, d.commodity_slug, d.region_code, d.vendor_id,"
    " d.certificate_kinds, d.latitude, d.longitude"
)

OF_COMMODITY: Final = (
    "(CAST(:weights{n} AS double precision[]))[array_position(CAST(:slugs{n} AS text[]), d.commodity_slug)] * :boost{n}"
)

# All about the products of a commodity comes from indexes that cover it. The heaviest commodities come first, so that
# lighter ones are read only where those have too few; by relevance each of one weight gives its first product before
# any gives its second one.
OF_COMMODITIES: Final = """(
    SELECT {columns}, g.weight * :boost{n} AS weight
    FROM (
        SELECT m.weight, array_agg(m.slug) AS slugs
        FROM unnest(CAST(:slugs{n} AS text[]), CAST(:weights{n} AS double precision[])) m (slug, weight)
        WHERE {only} GROUP BY m.weight ORDER BY m.weight DESC
    ) g
    CROSS JOIN LATERAL (
        SELECT d.* FROM unnest(g.slugs) m (slug)
        CROSS JOIN LATERAL (
            SELECT {columns}, {key} AS key {turn} FROM catalog.product_documents d
            WHERE d.commodity_slug = m.slug AND {conditions}
            ORDER BY {key} {direction} LIMIT {candidates}
        ) d
        ORDER BY {across} LIMIT {candidates}
    ) d
    LIMIT {candidates}
)"""
TURN: Final = ", row_number() OVER (ORDER BY {key} {direction}) AS turn"

# Materialized, so that the planner does not see the limit: it would rather read the table from its beginning, where
# every row tested means fetching and unpacking its words. The filters that the terms of the index hold are looked up
# with the words, and so is each commodity, the heaviest first, until there are enough.
#
# The index gives the places of all that have a word before the first can be fetched, which for a word of half of all
# products takes longer than all else. So a part of the products is looked through first, which for such a word is
# enough; and the last word is taken for the beginning of others only where it is rare by itself.
WITH_WORDS: Final = """(
    WITH of_a_part AS MATERIALIZED (
        SELECT {columns}, {weight} AS weight FROM catalog.product_documents d
        WHERE d.search_vector @@ CAST(CAST(:query{n} AS text) AS tsquery) AND {terms} @> ARRAY['{part}']
        AND {conditions}
    ),
    whole AS MATERIALIZED (
        SELECT {columns}, {weight} AS weight FROM catalog.product_documents d
        WHERE d.search_vector @@ CAST(CAST(:query{n} AS text) AS tsquery) AND {conditions}
        AND (SELECT count(*) FROM (SELECT FROM of_a_part LIMIT {candidates}) f) < {candidates}
    ),
    known AS MATERIALIZED (
        SELECT FROM catalog.product_documents d
        WHERE d.search_vector @@ CAST(CAST(:query{n} AS text) AS tsquery) AND {terms} @> ARRAY['{part}']
    ),
    begun AS MATERIALIZED (
        SELECT {columns}, {weight} AS weight FROM catalog.product_documents d
        WHERE d.search_vector @@ CAST(CAST(:query{n} AS text) || ':*' AS tsquery) AND {conditions}
        AND (SELECT count(*) FROM (SELECT FROM of_a_part LIMIT {rare}) f) < {rare}
        AND (SELECT count(*) FROM (SELECT FROM known LIMIT {rare}) f) < {rare}
    )
    SELECT * FROM of_a_part WHERE NOT EXISTS (SELECT FROM whole)
    UNION ALL SELECT * FROM whole WHERE NOT EXISTS (SELECT FROM begun)
    UNION ALL SELECT * FROM begun
    LIMIT {candidates}
)"""
WITH_WORDS_OF_COMMODITIES: Final = """(
    SELECT {columns}, m.weight * :boost{n} AS weight
    FROM unnest(CAST(:slugs{n} AS text[]), CAST(:weights{n} AS double precision[])) m (slug, weight)
    CROSS JOIN LATERAL (
        WITH matching AS MATERIALIZED (
            SELECT {columns} FROM catalog.product_documents d
            WHERE d.search_vector @@ CAST(format(CAST(:query{n} AS text), m.slug) AS tsquery) AND {conditions}
        )
        SELECT * FROM matching LIMIT {candidates}
    ) d
    WHERE {only} LIMIT {candidates}
)"""

# One region, or one commodity of a category, after the other, because the indexes have the products of each in order.
OF_REGIONS: Final = """(
    SELECT {columns}, {weight} AS weight
    FROM unnest(CAST(:regions{n} AS text[])) m (code)
    CROSS JOIN LATERAL (
        SELECT {columns}, {key} AS key FROM catalog.product_documents d
        WHERE d.region_code = m.code AND {conditions}
        ORDER BY {key} {direction} LIMIT {candidates}
    ) d
    ORDER BY d.key {direction} LIMIT {candidates}
)"""
OF_CATEGORY: Final = """(
    SELECT {columns}, {weight} AS weight
    FROM catalog.commodities m
    CROSS JOIN LATERAL (
        SELECT {columns}, {key} AS key FROM catalog.product_documents d
        WHERE d.commodity_slug = m.slug AND {conditions}
        ORDER BY {key} {direction} LIMIT {candidates}
    ) d
    WHERE m.category_slug = :category AND {held}
    ORDER BY d.key {direction} LIMIT {candidates}
)"""

# There are few sets of certificates, which the index gives by skipping from each to the next; it has the products of
# each set in order.
OF_CERTIFICATES: Final = """(
    WITH {sets}
    SELECT {columns}, {weight} AS weight
    FROM kinds m
    CROSS JOIN LATERAL (
        SELECT {columns}, {key} AS key FROM catalog.product_documents d
        WHERE d.certificate_kinds = m.kinds AND {conditions}
        ORDER BY {key} {direction} LIMIT {candidates}
    ) d
    WHERE {holding}
    ORDER BY d.key {direction} LIMIT {candidates}
)"""

# Products are where their vendors are, and there are few vendors: from the nearest on, until there are enough. The
# index passes over a vendor that has none of the commodities in one step. The limit of each vendor keeps them in order:
# without it the planner may join all at once.
BY_VENDORS: Final = """(
    SELECT {columns}, {weight} AS weight
    FROM (
        SELECT v.id FROM vendors.vendors_v1 v WHERE {vendors}
        ORDER BY point(v.longitude, v.latitude) <-> point(:longitude, :latitude)
    ) v
    CROSS JOIN LATERAL (
        SELECT {columns} FROM catalog.product_documents d WHERE d.vendor_id = v.id {inside} AND {conditions}
        LIMIT {candidates}
    ) d
    WHERE {holds} LIMIT {candidates}
)"""
# Where there are few of such prices all of them are looked at: no vendor near may have one.
BY_PRICES_OR_VENDORS: Final = """(
    WITH few AS MATERIALIZED (
        SELECT d.certified_until, {columns} FROM catalog.product_documents d
        WHERE {prices} ORDER BY d.price_from LIMIT {few}
    )
    (
        SELECT {columns}, {weight} AS weight FROM few d
        WHERE (SELECT count(*) FROM few) < {few} AND {conditions} {inside}
        ORDER BY {key} {direction} LIMIT {candidates}
    )
    UNION ALL {by_vendors}
)""".replace("{by_vendors}", BY_VENDORS)
ARE_MANY: Final = "(SELECT count(*) FROM few) = {few}"
IN_THE_BOX: Final = "point(v.longitude, v.latitude) <@ box(point(:east, :north), point(:west, :south))"
REGIONS_AROUND: Final = (
    "ARRAY(SELECT DISTINCT 'region:' || v.region_code FROM vendors.vendors_v1 v"
    " WHERE point(v.longitude, v.latitude) <@ box(point(:east, :north), point(:west, :south)))"
)
"""So that of a word that half of all have only those are fetched that may be near."""
HOLDS: Final = "(SELECT true FROM vendors.certificates_v1 x WHERE x.vendor_id = v.id AND x.kind = {kind} LIMIT 1)"
COMMODITIES: Final = "SELECT m.slug FROM catalog.commodities m WHERE {only}"

OF_ALL: Final = """(
    SELECT {columns}, {weight} AS weight FROM catalog.product_documents d
    WHERE {conditions} ORDER BY {key} {direction} LIMIT {candidates}
)"""


def way(number: int, branch: Branch, query: EngineQuery) -> str:
    """The SQL of one branch: by the way that reads least, given what narrows it most."""
    by_distance = query.sort is SearchSort.distance or query.radius_km is not None
    by_relevance = query.sort is SearchSort.relevance
    filters = query.filters
    key, direction = (NEAR_ENOUGH, "ASC") if by_distance else CUT[query.sort]
    pieces = {"weight": OF_COMMODITY if branch.commodities else "CAST(:boost{n} AS double precision)"}
    answered: set[str] = set()
    if branch.words:
        template = WITH_WORDS_OF_COMMODITIES if branch.commodities else WITH_WORDS
        # A certificate that a caller names is looked at again: it might be called as another term is.
        answered = {"category", "commodity", "region", "commodities", "regions", "certificates"}
    elif filters.vendor is not None:
        template = OF_ALL
    elif branch.commodities and (by_relevance or not by_distance):
        template = OF_COMMODITIES
        pieces["turn"] = TURN if by_relevance else ""
        pieces["across"] = "d.turn" if by_relevance else "d.key {direction}"
        answered = {"commodities", "commodity", "category"}
    elif by_distance and filters.in_stock is not False and filters.commodity is None:
        pieces |= _nearest(branch, query)
        template = BY_PRICES_OR_VENDORS if pieces["prices"] else BY_VENDORS
        answered = {"category"}
    elif by_distance:
        template = OF_ALL
    elif filters.of_category:
        template = OF_CATEGORY
        pieces["held"] = HELD_BY_COMMODITY if filters.certificate else "true"
        answered = {"category"}
    elif filters.in_stock is False:
        template = OF_ALL
    elif branch.regions:
        template = OF_REGIONS
        answered = {"regions"}
    elif filters.of_certificate or (branch.certificates and filters.commodity is None and filters.region is None):
        template = OF_CERTIFICATES
        pieces["holding"] = " AND ".join(_sets(branch, filters))
        answered = {"certificate", "certificates"}
    else:
        template = OF_ALL
    pieces |= {"terms": TERMS, "part": ONE_PART, "rare": str(RARE), "few": str(FEW)}
    pieces["only"] = " AND ".join(_commodities(branch, filters)) or "true"
    pieces["conditions"] = " AND ".join(_conditions(branch, query, answered))
    common = {"columns": COLUMNS, "sets": CERTIFICATE_SETS, "key": key, "direction": direction, "n": str(number)}
    return fill(template, pieces, {"candidates": str(candidates(branch))}, common)


def _nearest(branch: Branch, query: EngineQuery) -> dict[str, str]:
    """The pieces of the ways that go from vendor to vendor."""
    filters = query.filters
    prices = " AND ".join(filters.prices())
    narrowed = any(_commodities(branch, filters))
    return {
        "prices": prices,
        "vendors": " AND ".join(chain(_vendors(branch, query), [ARE_MANY] if prices else ())),
        "holds": " AND ".join(_certificates(branch, filters)) or "true",
        "inside": f"AND d.commodity_slug = ANY (ARRAY({COMMODITIES}))" if narrowed else "",
    }


def candidates(branch: Branch) -> int:
    """How many products the branch gives at most."""
    return PREFERRED if branch.boost > 1 else CANDIDATES


def _conditions(branch: Branch, query: EngineQuery, answered: Container[str]) -> Iterator[str]:
    """What a product must be, but for what the way of looking has `answered` already."""
    yield VISIBLE
    yield from query.filters.conditions(answered)
    if branch.words:
        if any(terms_of(branch, query.filters)):
            yield f"{TERMS} @> CAST(:terms{{n}} AS text[])"
        if query.filters.price_terms():
            yield f"{TERMS} && CAST(:price_terms AS text[])"
        if branch.regions:
            yield f"{TERMS} && CAST(:region_terms{{n}} AS text[])"
        if query.radius_km is not None:
            yield f"{TERMS} && {REGIONS_AROUND}"
    if branch.commodities and not branch.words and "commodities" not in answered:
        yield "d.commodity_slug = ANY (CAST(:slugs{n} AS text[]))"
    if branch.regions and "regions" not in answered:
        yield "d.region_code = ANY (CAST(:regions{n} AS text[]))"
    if branch.certificates and "certificates" not in answered:
        yield "d.certificate_kinds @> CAST(:certificates{n} AS text[])"
    if query.radius_km is not None:
        yield INSIDE


def _commodities(branch: Branch, filters: ProductFilters) -> Iterator[str]:
    """Which of the commodities of a branch are looked for."""
    if filters.commodity is not None:
        yield "m.slug = :commodity"
    if filters.category is not None:
        yield "m.slug IN (SELECT c.slug FROM catalog.commodities c WHERE c.category_slug = :category)"
    if filters.certificate is not None:
        yield HELD_BY_COMMODITY
    if branch.certificates:
        yield HELD.replace("{certificates}", "CAST(:certificates{n} AS text[])")


def _sets(branch: Branch, filters: ProductFilters) -> Iterator[str]:
    """Which sets of certificates are looked for."""
    if filters.certificate is not None:
        yield HOLDING
    if branch.certificates:
        yield "m.kinds @> CAST(:certificates{n} AS text[])"


def _vendors(branch: Branch, query: EngineQuery) -> Iterator[str]:
    """Which vendors may have such products; none where there are none."""
    yield "v.status = 'active'"
    if any(_commodities(branch, query.filters)):
        yield f"EXISTS ({COMMODITIES})"
    if query.filters.region is not None:
        yield "v.region_code = :region"
    if branch.regions:
        yield "v.region_code = ANY (CAST(:regions{n} AS text[]))"
    if query.radius_km is not None:
        yield IN_THE_BOX


def _certificates(branch: Branch, filters: ProductFilters) -> Iterator[str]:
    """Which of these vendors do: asked of one after the other, as most are never come to."""
    if filters.certificate is not None:
        yield HOLDS.replace("{kind}", ":certificate")
    if branch.certificates:
        yield HOLDS.replace("{kind}", "ANY (CAST(:certificates{n} AS text[]))")


def terms_of(branch: Branch, filters: ProductFilters) -> Iterator[str]:
    """What a product must be, as the terms of the index of words."""
    yield from filters.terms()
    yield from branch.certificates


def fill(template: str, *parts: Mapping[str, str]) -> str:
    """Put constant pieces of SQL into their places; what callers send is bound as parameters, never put here."""
    for names in parts:
        for name, piece in names.items():
            template = template.replace(f"{{{name}}}", piece)
    return template
