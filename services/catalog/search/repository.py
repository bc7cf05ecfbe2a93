"""Reads what the lexicon is built from and what the product index holds, and rebuilds the documents of products."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, TextClause, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from ishop import outbox
from ishop.clock import MARKET_ZONE
from ishop.contracts.events import PRODUCT_CHANGED
from services.catalog.search.domain import CommodityEntry, SynonymGroup
from services.catalog.search.indexed import MARKER, OPEN_ENDED, UNCERTIFIED

COMMODITIES: Final = text(
    "SELECT slug, name_id, name_en, category_slug, synonyms FROM catalog.commodities ORDER BY slug"
)
SYNONYMS: Final = text("SELECT canonical, variants, english, related FROM catalog.synonym_groups ORDER BY canonical")
VENDOR_NAMES: Final = text("SELECT DISTINCT name FROM vendors.vendors_v1 WHERE status = 'active' ORDER BY name")

# The first 52 bits of a UUIDv7 are the time it was made, to a sixteenth of a millisecond; a JSON number holds no more.
DOCUMENT: Final = """
    SELECT d.product_id, d.version, json_build_object(
        'id', d.product_id, 'version', d.version,
        'document_id', d.document_id::text, 'document_en', d.document_en::text,
        'name_id', d.document_id ->> 'name', 'name_en', d.document_en ->> 'name',
        'commodity_texts', ARRAY[c.name_id, c.name_en] || c.synonyms,
        'maker', d.document_id -> 'vendor' ->> 'name', 'place', r.name,
        'description_id', d.document_id ->> 'description', 'description_en', d.document_en ->> 'description',
        'marker', CAST(:marker AS text), 'commodity', d.commodity_slug, 'category', d.category_slug,
        'region', d.region_code, 'certificates', d.certificate_kinds, 'vendor_id', d.vendor_id,
        'vendor', d.document_id -> 'vendor' ->> 'slug', 'price_from', d.price_from, 'in_stock', d.in_stock::integer,
        'certified_until', CASE WHEN d.certified_until IS NULL THEN :uncertified
                                WHEN isfinite(d.certified_until) THEN d.certified_until - date '1970-01-01'
                                ELSE :open_ended END,
        'made', ('x' || left(d.product_id::text, 8) || substr(d.product_id::text, 10, 4)
                 || substr(d.product_id::text, 16, 1))::bit(52)::bigint,
        'turn', uuid_hash(d.product_id),
        '_geo', json_build_object('lat', d.latitude, 'lng', d.longitude)
    )::text
    FROM catalog.product_documents d
    JOIN catalog.commodities c ON c.slug = d.commodity_slug
    JOIN catalog.regions r ON r.code = d.region_code
"""
# A document names the certificates that were valid when it was written. One that began or ended since, at midnight in
# the market, is not in it yet, or is still in it.
OVERTAKEN: Final = text("""
    SELECT DISTINCT d.product_id
    FROM (
        SELECT x.vendor_id, x.product_id, edge.day AT TIME ZONE :zone AS moment
        FROM vendors.certificates_v1 x
        CROSS JOIN LATERAL (VALUES (x.valid_from::timestamp), (x.valid_until + interval '1 day')) edge (day)
    ) e
    JOIN catalog.product_documents d
        ON d.vendor_id = e.vendor_id AND (e.product_id IS NULL OR e.product_id = d.product_id)
    WHERE e.moment BETWEEN (SELECT min(oldest.changed_at) FROM catalog.product_documents oldest) AND now()
        AND d.changed_at < e.moment
""")


def _of(statement: str) -> TextClause:
    return text(statement).bindparams(bindparam("ids", type_=ARRAY(Uuid)))


def _behind(statement: str) -> TextClause:
    return text(statement).bindparams(bindparam("behind", type_=Uuid))


DOCUMENTS_OF: Final = _of(DOCUMENT + "WHERE d.product_id = ANY (:ids)")
NEXT_DOCUMENTS: Final = _behind(DOCUMENT + "WHERE d.product_id > :behind ORDER BY d.product_id LIMIT :limit")
VERSIONS_OF: Final = _of("SELECT product_id, version FROM catalog.product_documents WHERE product_id = ANY (:ids)")
NEXT_VERSIONS: Final = _behind(
    "SELECT product_id, version FROM catalog.product_documents WHERE product_id > :behind"
    " ORDER BY product_id LIMIT :limit"
)
COUNT: Final = text("SELECT count(*) FROM catalog.product_documents")
# A transaction that had not ended at some moment has an id that is not older than the oldest one running then.
OLDEST_UNFINISHED: Final = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::xid::text")
CHANGED_SINCE: Final = text(
    "SELECT d.product_id FROM catalog.product_documents d"
    " WHERE age(d.xmin) <= age(CAST(CAST(:unfinished AS text) AS xid))"
)
TRY_LOCK: Final = text("SELECT pg_try_advisory_lock(:lock)").bindparams(bindparam("lock", type_=BigInteger))
UNLOCK: Final = text("SELECT pg_advisory_unlock(:lock)").bindparams(bindparam("lock", type_=BigInteger))

REFRESH: Final = _of("SELECT catalog.refresh_documents(:ids)")
PRODUCTS_OF_SKUS: Final = _of("SELECT DISTINCT product_id FROM catalog.skus WHERE id = ANY (:ids)")
PRODUCTS_OF_VENDORS: Final = _of("SELECT id FROM catalog.products WHERE vendor_id = ANY (:ids)")


@dataclass(frozen=True, slots=True)
class Words:
    """What the lexicon is built from."""

    commodities: tuple[CommodityEntry, ...]
    synonyms: tuple[SynonymGroup, ...]
    names: tuple[str, ...]


class IndexDocument(NamedTuple):
    """A product as the index holds it: its document in JSON."""

    product_id: UUID
    version: int
    text: str


async def read_words(session: AsyncSession) -> Words:
    """The words of the market as they are now."""
    commodities = await session.execute(COMMODITIES)
    groups = await read_synonyms(session)
    names = await session.execute(VENDOR_NAMES)
    return Words(
        commodities=tuple(
            CommodityEntry(slug, name_id, name_en, category, tuple(synonyms))
            for slug, name_id, name_en, category, synonyms in commodities
        ),
        synonyms=groups,
        names=tuple(names.scalars()),
    )


async def read_synonyms(session: AsyncSession) -> tuple[SynonymGroup, ...]:
    """The groups of words that mean the same."""
    return tuple(
        SynonymGroup(canonical, tuple(variants), tuple(english), tuple(related))
        for canonical, variants, english, related in await session.execute(SYNONYMS)
    )


async def documents_of(session: AsyncSession, product_ids: Iterable[UUID]) -> list[IndexDocument]:
    """The documents of these products; what is not published has none."""
    return await _documents(session, DOCUMENTS_OF, {"ids": list(product_ids)})


async def next_documents(session: AsyncSession, behind: UUID, limit: int) -> list[IndexDocument]:
    """The documents behind the product `behind`, by id."""
    return await _documents(session, NEXT_DOCUMENTS, {"behind": behind, "limit": limit})


async def oldest_unfinished(session: AsyncSession) -> str:
    """The id of the oldest transaction that has not ended; `changed_since` takes it."""
    return str((await session.execute(OLDEST_UNFINISHED)).scalar_one())


async def changed_since(session: AsyncSession, unfinished: str) -> list[UUID]:
    """The products whose document was written by transactions that had not ended when `unfinished` was read."""
    return list((await session.execute(CHANGED_SINCE, {"unfinished": unfinished})).scalars())


async def versions_of(session: AsyncSession, product_ids: Iterable[UUID]) -> dict[UUID, int]:
    """The versions of the documents of these products."""
    rows = await session.execute(VERSIONS_OF, {"ids": list(product_ids)})
    return {row.product_id: row.version for row in rows}


async def next_versions(session: AsyncSession, behind: UUID, limit: int) -> dict[UUID, int]:
    """The versions of the documents behind the product `behind`, by id."""
    rows = await session.execute(NEXT_VERSIONS, {"behind": behind, "limit": limit})
    return {row.product_id: row.version for row in rows}


async def count_documents(session: AsyncSession) -> int:
    """How many products are published."""
    return int((await session.execute(COUNT)).scalar_one())


async def try_lock(session: AsyncSession, lock: int) -> bool:
    """Take an advisory lock for as long as the connection lasts, unless somebody has it."""
    return bool((await session.execute(TRY_LOCK, {"lock": lock})).scalar_one())


async def unlock(session: AsyncSession, lock: int) -> None:
    """Give the advisory lock back."""
    await session.execute(UNLOCK, {"lock": lock})


async def products_of_skus(session: AsyncSession, sku_ids: Iterable[UUID]) -> list[UUID]:
    """The products that these packs are of."""
    return list((await session.execute(PRODUCTS_OF_SKUS, {"ids": list(sku_ids)})).scalars())


async def products_of_vendors(session: AsyncSession, vendor_ids: Iterable[UUID]) -> list[UUID]:
    """The products of these vendors."""
    return list((await session.execute(PRODUCTS_OF_VENDORS, {"ids": list(vendor_ids)})).scalars())


async def overtaken_products(session: AsyncSession) -> list[UUID]:
    """The products whose document was written before one of their certificates began or ended."""
    return list((await session.execute(OVERTAKEN, {"zone": MARKET_ZONE.key})).scalars())


async def refresh(session: AsyncSession, product_ids: Iterable[UUID]) -> int:
    """Rebuild the documents of these products and have the index follow those that changed; return how many did."""
    changed = list((await session.execute(REFRESH, {"ids": list(product_ids)})).scalars())
    await outbox.emit(session, PRODUCT_CHANGED, changed)
    return len(changed)


async def _documents(session: AsyncSession, statement: TextClause, values: dict[str, Any]) -> list[IndexDocument]:
    rows = await session.execute(
        statement, {**values, "marker": MARKER, "uncertified": UNCERTIFIED, "open_ended": OPEN_ENDED}
    )
    return [IndexDocument(*row) for row in rows]
