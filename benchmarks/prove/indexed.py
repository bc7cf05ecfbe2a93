"""What every index should say of every product, and what it says.

What it should say is worked out here from the tables of truth, in SQL and rules of its own, so that a mistake in the
market's own document cannot hide itself: neither its views nor its functions are asked.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import asyncpg
import orjson

ZONE: Final = ZoneInfo("Asia/Makassar")
EPOCH: Final = date(1970, 1, 1)
OPEN: Final = "open"
OPEN_NUMBER, NONE_NUMBER = 2**31 - 1, -1
"""How Meilisearch, which knows no dates, is told of certificates that do not end, and of those that are missing."""
REGISTRATION: Final = "NIB"
"""Every vendor has one; it is not shown as a certificate."""

TRUTH: Final = """
SELECT p.id::text, p.name_id, p.name_en, v.slug AS vendor, v.name AS maker, v.region_code AS region,
    c.slug AS commodity, c.certificate_rules AS rules,
    (SELECT json_agg(json_build_array(s.id, s.price, coalesce(t.on_hand > t.reserved, false)) ORDER BY s.id)
     FROM catalog.skus s LEFT JOIN vendors.stock t ON t.sku_id = s.id WHERE s.product_id = p.id AND s.active) AS skus,
    (SELECT json_agg(json_build_array(x.kind, x.number, x.valid_from, x.valid_until))
     FROM vendors.certificates x WHERE x.vendor_id = p.vendor_id AND x.revoked_at IS NULL
         AND (x.product_id IS NULL OR x.product_id = p.id)) AS certificates
FROM catalog.products p
JOIN vendors.vendors v ON v.id = p.vendor_id
JOIN catalog.commodities c ON c.id = p.commodity_id
WHERE p.status = 'published' AND v.status = 'active' AND ($1::uuid[] IS NULL OR p.id = ANY ($1::uuid[]))
"""
STORED: Final = """
SELECT d.product_id::text AS id, d.document_id ->> 'name' AS name_id, d.document_en ->> 'name' AS name_en,
    d.document_id -> 'vendor' ->> 'slug' AS vendor, d.document_id -> 'vendor' ->> 'name' AS maker,
    d.region_code AS region, d.commodity_slug AS commodity, d.price_from, d.in_stock, d.certificate_kinds AS kinds,
    CASE WHEN isfinite(d.certified_until) THEN d.certified_until::text
         WHEN d.certified_until IS NOT NULL THEN 'open' END AS until,
    d.document_id::text AS document
FROM catalog.product_documents d
"""

Sku = tuple[str, int, bool]
Shown = tuple[str, str | None]
Span = tuple[date, date | None]


@dataclass(frozen=True, slots=True)
class Item:
    """A product as search knows it."""

    name_id: str
    name_en: str
    vendor: str
    maker: str
    region: str
    commodity: str
    price_from: int
    in_stock: bool
    kinds: tuple[str, ...]
    until: str | None
    """The last day on which all certificates that it needs are valid; None where one is missing today."""
    skus: tuple[Sku, ...]
    certificates: tuple[Shown, ...]

    @property
    def visible(self) -> bool:
        """Whether it is shown to anybody."""
        return self.until is not None


Items = Mapping[str, Item]


async def truth(connection: asyncpg.Connection, products: Sequence[str] | None = None) -> dict[str, Item]:
    """What the tables of truth say of these products, or of all; what is not for sale is left out."""
    today = datetime.now(UTC).astimezone(ZONE).date()
    rows = await connection.fetch(TRUTH, products)
    return {row["id"]: _item(row, today) for row in rows if row["skus"] is not None}


async def stored(connection: asyncpg.Connection) -> dict[str, Item]:
    """What the index of the PostgreSQL engine says of every product."""
    return {row["id"]: _indexed(row, row["until"]) for row in await connection.fetch(STORED)}


def documents(found: Iterable[Mapping[str, Any]]) -> dict[str, Item]:
    """What the documents of Meilisearch say of every product."""
    return {
        one["id"]: _indexed({**one, "kinds": one["certificates"], "document": one["document_id"]}, _day(one))
        for one in found
    }


def shown(product: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the API shows of a product that search knows."""
    document = _document(product)
    return (product["name"], product["vendor"]["name"], product["commodity"]["slug"], *document)


def to_be_shown(item: Item) -> tuple[Any, ...]:
    """What the API should show of it."""
    return (item.name_id, item.maker, item.commodity, item.skus, item.certificates)


def differences(where: str, wanted: Items, found: Items) -> Iterator[str]:
    """How an index is not the database, a sentence a product."""
    for product in sorted(wanted.keys() | found.keys()):
        if product not in found:
            yield f"{where} does not have the product {product}"
        elif product not in wanted:
            yield f"{where} has the product {product}, which is not for sale"
        elif names := [
            field.name
            for field in fields(Item)
            if getattr(wanted[product], field.name) != getattr(found[product], field.name)
        ]:
            yield f"{where} has another {', '.join(names)} of the product {product}"


def _item(row: Mapping[str, Any], today: date) -> Item:
    skus = tuple(sorted((sku, price, stocked) for sku, price, stocked in orjson.loads(row["skus"])))
    held = [
        (kind, number, date.fromisoformat(start), end and date.fromisoformat(end))
        for kind, number, start, end in orjson.loads(row["certificates"] or "[]")
    ]
    valid = [
        (kind, number)
        for kind, number, start, end in held
        if kind != REGISTRATION and start <= today and (end is None or end >= today)
    ]
    ends = [
        covered_until([(start, end) for kind, _, start, end in held if kind in rule.split("|")], today)
        for rule in row["rules"]
    ]
    until = None if None in ends else min((end for end in ends if end is not None), default=OPEN)
    return Item(
        row["name_id"], row["name_en"], row["vendor"], row["maker"], row["region"], row["commodity"],
        min(price for _, price, _ in skus), any(stocked for _, _, stocked in skus),
        tuple(sorted({kind for kind, _ in valid})), until, skus, tuple(sorted(valid)),
    )  # fmt: skip


def covered_until(spans: Iterable[Span], today: date) -> str | None:
    """The last day of the days without a gap that `today` is among: OPEN where they do not end, None where it is not.

    Both are texts, and every day sorts before OPEN.
    """
    last: date | None = None
    for start, end in sorted(spans, key=lambda span: span[0]):
        if start > (today if last is None else last + timedelta(days=1)):
            break
        if end is None:
            return OPEN
        if end >= today:
            last = end if last is None else max(last, end)
    return None if last is None else f"{last}"


def _indexed(row: Mapping[str, Any], until: str | None) -> Item:
    skus, certificates = _document(orjson.loads(row["document"]))
    return Item(
        row["name_id"], row["name_en"], row["vendor"], row["maker"], row["region"], row["commodity"],
        row["price_from"], bool(row["in_stock"]), tuple(sorted(row["kinds"])), until, skus, certificates,
    )  # fmt: skip


def _document(document: Mapping[str, Any]) -> tuple[tuple[Sku, ...], tuple[Shown, ...]]:
    skus = sorted((sku["id"], sku["price"]["amount"], sku["in_stock"]) for sku in document["skus"])
    return tuple(skus), tuple(sorted((one["kind"], one["number"]) for one in document["certificates"]))


def _day(document: Mapping[str, Any]) -> str | None:
    number = document["certified_until"]
    named = {OPEN_NUMBER: OPEN, NONE_NUMBER: None}
    return named[number] if number in named else f"{EPOCH + timedelta(days=number)}"
