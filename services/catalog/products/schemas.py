"""What callers see of a product. The stored documents have this shape already; texts are in the caller's language."""

from datetime import date
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from ishop.schemas import Money, Schema


class Sort(StrEnum):
    """The order of a list; `-price` is the dearest first."""

    newest = "newest"
    price = "price"
    price_down = "-price"


class CommodityOfProduct(Schema):
    """What the product is, whoever makes it."""

    slug: str = Field(examples=["gula-semut"])
    name: str


class VendorOfProduct(Schema):
    """Who makes it."""

    id: UUID
    slug: str
    name: str
    region_code: str = Field(examples=["52.08"])


class TierRead(Schema):
    """The unit price from a quantity up."""

    min_quantity: int = Field(examples=[12])
    price: Money


class SkuRead(Schema):
    """A pack of a product; `price` is for one pack, `order_multiple` and `min_quantity` count packs."""

    id: UUID
    code: str
    name: str = Field(examples=["250 g"])
    price: Money
    tiers: list[TierRead]
    weight_grams: int
    order_multiple: int
    min_quantity: int
    in_stock: bool


class CertificateOfProduct(Schema):
    """A certificate that covers the product today; `valid_until` is its last day, null when it is open-ended."""

    kind: str = Field(examples=["HALAL"])
    number: str
    valid_until: date | None


class ProductSummary(Schema):
    """A product without its packs: what a listing and a page of a product have in common."""

    id: UUID
    slug: str = Field(examples=["gula-semut-aren-kekait"])
    name: str
    description: str
    commodity: CommodityOfProduct
    category: str = Field(examples=["gula_pemanis"])
    vendor: VendorOfProduct
    certificates: list[CertificateOfProduct]


class ProductRead(ProductSummary):
    """A product as lists and hits show it."""

    skus: list[SkuRead]


class SkuDetail(SkuRead):
    """A pack with the number that can be bought now; the number is not part of the ETag."""

    available: int = Field(examples=[40])


class ProductDetail(ProductSummary):
    """A product with what is there now. Nothing is available while a certificate that it needs is not valid."""

    skus: list[SkuDetail]
