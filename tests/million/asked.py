"""What is asked for to see the plans: lists, pages, searches and orders, and the indexes that each must be found by."""

from dataclasses import dataclass, field
from typing import Final

from demo.accounts import CONSUMER, HOTEL, VENDOR

PREFIX: Final = "ix_product_documents_"
NEWEST, PRICE, DEAREST = "newest", "price", "-price"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request; `who` signs in for it. Of each of `indexes`, names parted by |, its statements must use one in a
    large market; `sorted_by_it` says that no sort may be needed beside."""

    name: str
    path: str
    indexes: frozenset[str]
    who: str | None = None
    parameters: dict[str, str | int] = field(default_factory=dict)
    sorted_by_it: bool = False
    reads: int = 5_000
    """Rows that its statements may look at, in a market of any size."""


FILTERS: Final[tuple[tuple[str, dict[str, str | int], str, str], ...]] = (
    ("no filter", {}, "pk_product_documents", f"{PREFIX}price_from"),
    ("category", {"category": "{category}"}, f"{PREFIX}commodity_slug", f"{PREFIX}commodity_price"),
    ("commodity", {"commodity": "{commodity}"}, f"{PREFIX}commodity_slug", f"{PREFIX}commodity_price"),
    ("region", {"region": "{region}"}, f"{PREFIX}region_code", f"{PREFIX}region_price"),
    ("vendor", {"vendor": "{vendor}"}, f"{PREFIX}vendor_commodity", f"{PREFIX}vendor_commodity"),
    ("certificate", {"certificate": "{certificate}"}, f"{PREFIX}certificates", f"{PREFIX}certificates_price"),
    ("sold out", {"in_stock": "false"}, f"{PREFIX}out_of_stock", f"{PREFIX}out_of_stock"),
    (
        "category and region",
        {"category": "{category}", "region": "{region}"},
        f"{PREFIX}region_commodity",
        f"{PREFIX}region_commodity_price",
    ),
    (
        "commodity and region",
        {"commodity": "{commodity}", "region": "{region}"},
        f"{PREFIX}region_commodity",
        f"{PREFIX}region_commodity_price",
    ),
)
"""The filters that are selective, with the index by age and the one by price."""

LISTS: Final = tuple(
    Asked(
        f"list by {sort}: {name}",
        "/v1/products",
        frozenset({newest if sort == NEWEST else price}),
        parameters={**parameters, "sort": sort},
        sorted_by_it=name not in {"vendor", "sold out"},
        reads=20_000,
    )
    for name, parameters, newest, price in FILTERS
    for sort in (NEWEST, PRICE, DEAREST)
)
PAGES: Final = (
    Asked("product by id", "/v1/products/{product}", frozenset({"pk_product_documents", "pk_stock"}), reads=200),
    Asked("product by slug", "/v1/products/{slug}", frozenset({"uq_product_documents_slug", "pk_stock"}), reads=200),
)
OWN: Final = (
    Asked("orders of a buyer", "/v1/orders", frozenset({"ix_orders_buyer_id|ix_orders_buyer_id_status"}), CONSUMER),
    Asked(
        "orders of a buyer by state",
        "/v1/orders",
        frozenset({"ix_orders_buyer_id_status"}),
        CONSUMER,
        {"status": "completed"},
    ),
    Asked(
        "orders of an organization",
        "/v1/orders",
        frozenset({"ix_orders_organization_id"}),
        HOTEL,
        {"organization_id": "{organization}"},
    ),
    Asked("an order", "/v1/orders/{order}", frozenset({"pk_orders", "uq_order_lines_order_id"}), CONSUMER),
    Asked("vendor orders", "/v1/vendor-orders", frozenset({"ix_vendor_orders_vendor_id"}), VENDOR),
    Asked(
        "vendor orders by state",
        "/v1/vendor-orders",
        frozenset({"ix_vendor_orders_vendor_id_status"}),
        VENDOR,
        {"status": "accepted"},
    ),
    Asked(
        "a vendor order",
        "/v1/vendor-orders/{vendor_order}",
        frozenset({"pk_vendor_orders", "ix_order_lines_vendor_order_id"}),
        VENDOR,
    ),
    Asked("stock of a vendor", "/v1/stock", frozenset({"ix_stock_vendor_id"}), VENDOR),
    Asked("movements of a sku", "/v1/stock/{sold_sku}/movements", frozenset({"ix_stock_movements_sku_id"}), VENDOR),
)


def _searches() -> tuple[Asked, ...]:
    asked: tuple[tuple[str, dict[str, str | int], str], ...] = (
        ("words of a commodity", {"q": "gula aren"}, f"{PREFIX}commodity_slug|{PREFIX}commodity_price"),
        ("words of a commodity by price", {"q": "gula aren", "sort": PRICE}, f"{PREFIX}commodity_price"),
        ("words of names", {"q": "koperasi"}, f"{PREFIX}words"),
        ("words and filters", {"q": "koperasi", "region": "{region}", "certificate": "HALAL"}, f"{PREFIX}words"),
        ("words near", {"q": "gula aren", "near": "-8.58,116.12", "sort": "distance"}, "ix_vendors_place"),
        ("anything near", {"near": "-8.58,116.12", "sort": "distance"}, "ix_vendors_place"),
        ("a category near", {"category": "{category}", "near": "-8.58,116.12", "radius_km": 20}, "ix_vendors_place"),
        ("a category by price", {"category": "{category}", "sort": PRICE}, f"{PREFIX}commodity_price"),
        ("a region by price", {"region": "{region}", "sort": PRICE}, f"{PREFIX}region_price|{PREFIX}price_from"),
        ("a certificate by price", {"certificate": "{certificate}", "sort": DEAREST}, f"{PREFIX}certificates_price"),
        ("facets", {"category": "{category}", "facets": "region,vendor"}, f"{PREFIX}commodity_slug"),
    )  # fmt: skip
    return tuple(
        Asked(f"search: {name}", "/v1/search/products", frozenset({index}), parameters=parameters, reads=100_000)
        for name, parameters, index in asked
    )


SEARCHES: Final = _searches()
EVERYTHING: Final = (*LISTS, *PAGES, *SEARCHES, *OWN)
