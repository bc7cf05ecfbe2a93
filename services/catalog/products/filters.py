"""The filters that lists and search share, and what they are in SQL on `catalog.product_documents d`."""

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

VISIBLE: Final = "d.certified_until >= :today"
"""A product is shown while every certificate that it needs is valid; null, where one is missing, is not."""

CONDITIONS: Final[Mapping[str, str]] = {
    "category": "d.category_slug = :category",
    "commodity": "d.commodity_slug = :commodity",
    "region": "d.region_code = :region",
    "vendor_id": "d.vendor_id = CAST(:vendor_id AS uuid)",
    "vendor_slug": "d.vendor_id = (SELECT v.id FROM vendors.vendors_v1 v WHERE v.slug = :vendor_slug)",
    "certificate": "d.certificate_kinds @> ARRAY[CAST(:certificate AS text)]",
    "price_min": "d.price_from >= :price_min",
    "price_max": "d.price_from <= :price_max",
}

IN_STOCK: Final[Mapping[bool, str]] = {True: "d.in_stock", False: "NOT d.in_stock"}
"""No parameter, because the index of the few products that are sold out is found by these very words."""

KEPT_TERMS: Final = (
    "(ARRAY['category:' || category_slug, 'commodity:' || commodity_slug, 'region:' || region_code,"
    " (('price:' || left(price_from::text, 1)) || 'e') || length(price_from::text)::text,"
    " (('price:' || left(price_from::text, 2)) || 'e') || length(price_from::text)::text,"
    " 'in_stock:' || in_stock::text, 'part:' || ((uuid_hash(product_id) & 31)::text)] || certificate_kinds)"
)
"""What the index of words holds of a document beside its words, so that it answers both at once."""

TERMS: Final = re.sub(r"(?<!')\b([a-z]+_(slug|code|from|kinds|stock|id))", r"d.\1", KEPT_TERMS)
ONE_PART: Final = "part:0"
"""One of 32 products, whoever sells them and since when."""
MOST_PRICE_TERMS: Final = 9
"""A wider span of prices is no narrower than the words themselves."""

# Skips from one set of certificates to the next in an index that has them in order; there are a few dozen.
CERTIFICATE_SETS: Final = """RECURSIVE kinds (kinds) AS (
    (SELECT d.certificate_kinds FROM catalog.product_documents d ORDER BY d.certificate_kinds LIMIT 1)
    UNION ALL
    SELECT (SELECT d.certificate_kinds FROM catalog.product_documents d WHERE d.certificate_kinds > k.kinds
            ORDER BY d.certificate_kinds LIMIT 1)
    FROM kinds k WHERE k.kinds IS NOT NULL
)"""
HOLDING: Final = "m.kinds @> ARRAY[CAST(:certificate AS text)]"
HELD: Final = """EXISTS (
    WITH {sets} SELECT FROM kinds k WHERE k.kinds @> {certificates} AND (
        SELECT true FROM catalog.product_documents d
        WHERE d.commodity_slug = m.slug AND d.certificate_kinds = k.kinds LIMIT 1
    )
)""".replace("{sets}", CERTIFICATE_SETS)
HELD_BY_COMMODITY: Final = HELD.replace("{certificates}", "ARRAY[CAST(:certificate AS text)]")
"""Whether the commodity `m` has products with the certificate at all; else all of them would be passed over."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def is_id(id_or_slug: str) -> bool:
    """Whether an address names a thing by its id; slugs never look like one."""
    return _UUID.fullmatch(id_or_slug) is not None


@dataclass(frozen=True, slots=True)
class ProductFilters:
    """What a product must be; None does not filter. Prices are in rupiah and compared with the cheapest pack."""

    category: str | None = None
    commodity: str | None = None
    region: str | None = None
    vendor: str | None = None
    certificate: str | None = None
    price_min: int | None = None
    price_max: int | None = None
    in_stock: bool | None = None

    def values(self) -> dict[str, Any]:
        """The filters that are set, under the names of their conditions."""
        return dict(self._named())

    def conditions(self, answered: Container[str] = ()) -> Iterator[str]:
        """The conditions of those that are set, but for the `answered`; their values are parameters of these names."""
        for name, value in self._named():
            if name not in answered:
                yield IN_STOCK[value] if name == "in_stock" else CONDITIONS[name]

    def prices(self) -> Iterator[str]:
        """The conditions on the price alone."""
        return (CONDITIONS[name] for name, _ in self._named() if name.startswith("price"))

    @property
    def of_certificate(self) -> bool:
        """Whether the certificate is the narrowest of these."""
        narrower = (self.category, self.commodity, self.vendor, self.region)
        return self.certificate is not None and narrower == (None,) * len(narrower) and self.in_stock is not False

    @property
    def plan_anew(self) -> bool:
        """Whether the best plan depends on the values: few have some certificates and prices or are sold out, and most
        have others."""
        return (self.certificate, self.price_min, self.price_max) != (None, None, None) or self.in_stock is False

    def terms(self) -> Iterator[str]:
        """The filters as terms of the index of words, but for the prices."""
        for name in ("category", "commodity", "region"):
            if (value := getattr(self, name)) is not None:
                yield f"{name}:{value}"
        if self.certificate is not None:
            yield self.certificate
        if self.in_stock is False:
            yield "in_stock:false"

    def price_terms(self) -> list[str]:
        """One of these has every product within the prices; none where there are too many to look up.

        A term is the first one or two digits of a price, and how many digits it has.
        """
        if self.price_min is None or self.price_max is None:
            return []
        for first in (10, 1):
            digits, many = len(str(first)), 9 * first
            ends = [str(price) for price in (self.price_min, self.price_max)]
            least, most = (many * len(end) + int(end[:digits]) - first for end in ends)
            if self.price_min >= first and most - least < MOST_PRICE_TERMS:
                return [f"price:{number % many + first}e{number // many}" for number in range(least, most + 1)]
        return []

    def _named(self) -> Iterator[tuple[str, Any]]:
        if self.vendor is not None:
            yield "vendor_id" if is_id(self.vendor) else "vendor_slug", self.vendor
        for name in ("category", "commodity", "region", "certificate", "price_min", "price_max", "in_stock"):
            value = getattr(self, name)
            if value is not None:
                yield name, value

    @property
    def of_category(self) -> bool:
        """Whether the category is the narrowest of these, so that its commodities are looked up one by one."""
        return self.category is not None and self.commodity is None and self.vendor is None
