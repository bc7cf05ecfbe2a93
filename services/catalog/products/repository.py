"""Reads the stored documents of products: one statement a request, and no object between database and answer."""

from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

import orjson

from ishop.database import Database
from ishop.errors import Language, NotFound
from services.catalog.products.filters import (
    CERTIFICATE_SETS,
    HELD_BY_COMMODITY,
    HOLDING,
    VISIBLE,
    ProductFilters,
    is_id,
)
from services.catalog.products.schemas import Sort


@dataclass(frozen=True, slots=True)
class _Order:
    by: str
    behind: str


ORDERS: Final = {
    Sort.newest: _Order("d.product_id DESC", "d.product_id < CAST(:last_id AS uuid)"),
    Sort.price: _Order(
        "d.price_from, d.product_id", "(d.price_from, d.product_id) > (:last_price, CAST(:last_id AS uuid))"
    ),
    Sort.price_down: _Order(
        "d.price_from DESC, d.product_id DESC",
        "(d.price_from, d.product_id) < (:last_price, CAST(:last_id AS uuid))",
    ),
}

DOCUMENT: Final = {"id": "d.document_id::text AS document", "en": "d.document_en::text AS document"}
LISTED: Final = {"id": "p.document_id::text", "en": "p.document_en::text"}

# The page is found in indexes before any document is fetched. The indexes have the products of a commodity in every
# order, so those of a category are the first of each of its commodities.
PAGE: Final = """
    SELECT d.product_id, d.price_from FROM catalog.product_documents d
    WHERE {conditions} ORDER BY {by} LIMIT :limit
"""
PAGE_OF_CATEGORY: Final = """
    SELECT d.product_id, d.price_from FROM catalog.commodities m
    CROSS JOIN LATERAL (
        SELECT d.product_id, d.price_from FROM catalog.product_documents d
        WHERE d.commodity_slug = m.slug AND {conditions} ORDER BY {by} LIMIT :limit
    ) d
    WHERE m.category_slug = :category AND {held} ORDER BY {by} LIMIT :limit
"""
PAGE_OF_CERTIFICATE: Final = """
    WITH {kinds}
    SELECT d.product_id, d.price_from FROM kinds m
    CROSS JOIN LATERAL (
        SELECT d.product_id, d.price_from FROM catalog.product_documents d
        WHERE d.certificate_kinds = m.kinds AND {conditions} ORDER BY {by} LIMIT :limit
    ) d
    WHERE {holding} ORDER BY {by} LIMIT :limit
"""
LIST: Final = """
    SELECT (SELECT {document} FROM catalog.product_documents p WHERE p.product_id = d.product_id),
           d.product_id, d.price_from
    FROM ({page}) d ORDER BY {by}
"""

# The stock is read from the vendors' published view with the document, so that the page tells what is there now.
DETAIL: Final = """
    SELECT {document}, d.version, d.certified_until >= $2 AS certified, s.stock
    FROM catalog.product_documents d
    CROSS JOIN LATERAL (
        SELECT json_object_agg(k.id, t.available)::text AS stock
        FROM catalog.skus k JOIN vendors.stock_v1 t ON t.sku_id = k.id
        WHERE k.product_id = d.product_id
    ) s
    WHERE {key}
"""
DETAILS: Final = {
    (language, key): DETAIL.replace("{document}", document).replace("{key}", condition)
    for language, document in DOCUMENT.items()
    for key, condition in (("id", "d.product_id = CAST($1::text AS uuid)"), ("slug", "d.slug = $1"))
}


@dataclass(frozen=True, slots=True)
class StoredProduct:
    """A document as JSON text, its version, and what of each sku can be bought now."""

    document: str
    version: int
    certified: bool
    available: dict[str, int]


async def get_product(database: Database, id_or_slug: str, language: Language, today: date) -> StoredProduct:
    """The product, whether its certificates are valid or not; NotFound where none is published under that name."""
    statement = DETAILS[language, "id" if is_id(id_or_slug) else "slug"]
    row = await database.fetch_row(statement, id_or_slug, today)
    if row is None:
        raise NotFound
    document, version, certified, stock = row
    return StoredProduct(document, version, bool(certified), orjson.loads(stock) if stock else {})


async def list_products(
    database: Database,
    filters: ProductFilters,
    sort: Sort,
    language: Language,
    *,
    behind: list[Any] | None,
    limit: int,
    today: date,
) -> list[tuple[str, UUID, int]]:
    """Documents as JSON text with the id and the lowest price, at most `limit`, behind the (price, id) `behind`."""
    order, wanted = ORDERS[sort], filters.values()
    values = {**wanted, "today": today, "limit": limit}
    page, answered = PAGE, ""
    if filters.of_category:
        page, answered = PAGE_OF_CATEGORY, "category"
    elif filters.of_certificate:
        page, answered = PAGE_OF_CERTIFICATE, "certificate"
    conditions = [VISIBLE, *filters.conditions({answered})]
    if behind is not None:
        conditions.append(order.behind)
        values |= {"last_price": behind[0], "last_id": behind[1]}
    statement = LIST.replace("{page}", page).format(
        document=LISTED[language],
        conditions=" AND ".join(conditions),
        by=order.by,
        kinds=CERTIFICATE_SETS,
        holding=HOLDING,
        held=HELD_BY_COMMODITY if filters.certificate else "true",
    )
    rows = await database.fetch_named(statement, values, plan_anew=filters.plan_anew)
    return [(document, product_id, price) for document, product_id, price in rows]
