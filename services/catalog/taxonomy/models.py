"""The tables of what things are called and where they come from."""

from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Double, ForeignKey, Index, Integer, Text, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from ishop.database import Base

ONE_OF_KINDS = "kind IN ('province', 'regency', 'city')"
ONE_OF_UNITS = "base_unit IN ('kg', 'l', 'pcs')"


class Category(Base):
    """A shelf of the market."""

    __tablename__ = "categories"
    __table_args__ = ({"schema": "catalog"},)

    slug: Mapped[str] = mapped_column(Text, primary_key=True)
    name_id: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    position: Mapped[int] = mapped_column(Integer)


class Region(Base):
    """A province, regency or city by its Kemendagri code, with the coordinates of its middle in degrees."""

    __tablename__ = "regions"
    __table_args__ = (CheckConstraint(ONE_OF_KINDS, name="kind"), {"schema": "catalog"})

    code: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    island: Mapped[str] = mapped_column(Text)
    capital: Mapped[str] = mapped_column(Text)
    latitude: Mapped[float] = mapped_column(Double)
    longitude: Mapped[float] = mapped_column(Double)
    timezone: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)


class Commodity(Base):
    """A kind of goods, whoever makes it."""

    __tablename__ = "commodities"
    __table_args__ = (
        CheckConstraint(ONE_OF_UNITS, name="base_unit"),
        Index("ix_commodities_category_slug", "category_slug"),
        {"schema": "catalog"},
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=text("uuidv7()"))
    slug: Mapped[str] = mapped_column(Text, unique=True)
    category_slug: Mapped[str] = mapped_column(Text, ForeignKey("catalog.categories.slug"))
    name_id: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    description_id: Mapped[str] = mapped_column(Text)
    description_en: Mapped[str] = mapped_column(Text)
    base_unit: Mapped[str] = mapped_column(Text)
    synonyms: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    certificate_rules: Mapped[list[str]] = mapped_column(
        ARRAY(Text),
        server_default=text("'{}'"),
        comment="Every rule must be met at the promised delivery date; PIRT|BPOM_MD is met by either kind",
    )
    shelf_life_days: Mapped[int | None] = mapped_column(Integer)
    shipping_flags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    kbli_2020: Mapped[str | None] = mapped_column(Text)
    hs_heading: Mapped[str | None] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
