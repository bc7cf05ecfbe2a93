"""The tables of what is for sale, and the stored document of every published product."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    Sequence,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from ishop.database import Base
from services.catalog.products.filters import KEPT_TERMS

SLUG = "slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND slug !~ '^[0-9a-f]{8}-'"
ONE_OF_STATUSES = "status IN ('draft', 'in_review', 'published', 'suspended', 'archived')"
COVERED = (
    "certified_until", "price_from", "in_stock", "category_slug", "commodity_slug", "region_code", "vendor_id",
    "certificate_kinds", "latitude", "longitude",
)  # fmt: skip
"""What search filters, sorts and counts by, in the indexes that it reads instead of the table."""


def _covering(name: str, *columns: str) -> Index:
    """An index with all of `COVERED` in it."""
    more = [column for column in COVERED if column not in columns]
    return Index(f"ix_product_documents_{name}", *columns, postgresql_include=more)


document_versions = Sequence("document_versions", schema="catalog", metadata=Base.metadata, data_type=BigInteger)


class Product(Base):
    """One vendor's listing of a commodity; the vendor lives in another service."""

    __tablename__ = "products"
    __table_args__ = (
        CheckConstraint(SLUG, name="slug"),
        CheckConstraint(ONE_OF_STATUSES, name="status"),
        Index("ix_products_vendor_id", "vendor_id", "id"),
        Index("ix_products_commodity_id", "commodity_id"),
        {"schema": "catalog"},
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=text("uuidv7()"))
    slug: Mapped[str] = mapped_column(Text, unique=True)
    vendor_id: Mapped[UUID] = mapped_column(Uuid)
    commodity_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("catalog.commodities.id"))
    name_id: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    description_id: Mapped[str] = mapped_column(Text)
    description_en: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))


class Sku(Base):
    """A pack of a product; the price is in rupiah for one pack."""

    __tablename__ = "skus"
    __table_args__ = (
        CheckConstraint("price BETWEEN 1 AND 1000000000", name="price"),
        CheckConstraint("weight_grams > 0", name="weight_grams"),
        CheckConstraint("base_quantity > 0", name="base_quantity"),
        CheckConstraint("order_multiple BETWEEN 1 AND 1000000", name="order_multiple"),
        CheckConstraint("min_quantity BETWEEN 1 AND 1000000", name="min_quantity"),
        Index("ix_skus_product_id", "product_id", "position"),
        {"schema": "catalog"},
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=text("uuidv7()"))
    product_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("catalog.products.id"))
    code: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    price: Mapped[int] = mapped_column(BigInteger)
    weight_grams: Mapped[int] = mapped_column(Integer)
    base_quantity: Mapped[Decimal] = mapped_column(
        Numeric(14, 4), comment="Content of one pack in the base unit of the commodity"
    )
    order_multiple: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    min_quantity: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    position: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    active: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))


class PriceTier(Base):
    """The unit price from a quantity up."""

    __tablename__ = "price_tiers"
    __table_args__ = (
        CheckConstraint("min_quantity > 1", name="min_quantity"),
        CheckConstraint("price BETWEEN 1 AND 1000000000", name="price"),
        {"schema": "catalog"},
    )

    sku_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("catalog.skus.id", ondelete="CASCADE"), primary_key=True)
    min_quantity: Mapped[int] = mapped_column(Integer, primary_key=True)
    price: Mapped[int] = mapped_column(BigInteger)


class ProductDocument(Base):
    """What list, detail and both search engines show of a published product; written by catalog.refresh_documents."""

    __tablename__ = "product_documents"
    __table_args__ = (
        _covering("vendor_commodity", "vendor_id", "commodity_slug", "product_id"),
        _covering("commodity_slug", "commodity_slug", "product_id"),
        _covering("commodity_price", "commodity_slug", "price_from", "product_id"),
        _covering("region_commodity", "region_code", "commodity_slug", "product_id"),
        _covering("region_commodity_price", "region_code", "commodity_slug", "price_from", "product_id"),
        _covering("certificates", "certificate_kinds", "product_id"),
        _covering("certificates_price", "certificate_kinds", "price_from", "product_id"),
        _covering("region_code", "region_code", "product_id"),
        _covering("region_price", "region_code", "price_from", "product_id"),
        _covering("price_from", "price_from", "product_id"),
        Index("ix_product_documents_commodity_certificates", "commodity_slug", "certificate_kinds"),
        Index("ix_product_documents_out_of_stock", "product_id", postgresql_where=text("NOT in_stock")),
        Index("ix_product_documents_words", "search_vector", text(KEPT_TERMS), postgresql_using="gin"),
        {
            "schema": "catalog",
            "comment": "What list, detail and both search engines show of a published product; "
            "derived, rebuilt by refresh_documents",
        },
    )

    product_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("catalog.products.id", ondelete="CASCADE"), primary_key=True
    )
    slug: Mapped[str] = mapped_column(Text, unique=True)
    version: Mapped[int] = mapped_column(BigInteger)
    vendor_id: Mapped[UUID] = mapped_column(Uuid)
    commodity_slug: Mapped[str] = mapped_column(Text)
    category_slug: Mapped[str] = mapped_column(Text)
    region_code: Mapped[str] = mapped_column(Text)
    certificate_kinds: Mapped[list[str]] = mapped_column(ARRAY(Text))
    certified_until: Mapped[date | None] = mapped_column(Date)
    price_from: Mapped[int] = mapped_column(BigInteger)
    in_stock: Mapped[bool] = mapped_column(Boolean)
    latitude: Mapped[float] = mapped_column(Double)
    longitude: Mapped[float] = mapped_column(Double)
    search_vector: Mapped[str] = mapped_column(TSVECTOR)
    document_id: Mapped[dict[str, Any]] = mapped_column(JSON)
    document_en: Mapped[dict[str, Any]] = mapped_column(JSON)
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
