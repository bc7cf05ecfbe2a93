"""The filters that lists and search share, and what they are in SQL on `catalog.product_documents d`."""

import re
from collections.abc import Iterator, Mapping
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
    "in_stock": "d.in_stock = :in_stock",
}

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

    def _named(self) -> Iterator[tuple[str, Any]]:
        if self.vendor is not None:
            yield "vendor_id" if is_id(self.vendor) else "vendor_slug", self.vendor
        for name in ("category", "commodity", "region", "certificate", "price_min", "price_max", "in_stock"):
            value = getattr(self, name)
            if value is not None:
                yield name, value
