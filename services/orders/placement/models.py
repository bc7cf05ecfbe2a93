"""What placing an order reads besides the catalog: shipping zones and rates and tax rates, each dated and sourced."""

from datetime import date

from sqlalchemy import BigInteger, CheckConstraint, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from ishop.database import Base


class ShippingZone(Base):
    """A region belongs to the zone of the longest prefix of its code."""

    __tablename__ = "shipping_zones"
    __table_args__ = ({"schema": "orders"},)

    region_prefix: Mapped[str] = mapped_column(Text, primary_key=True)
    zone: Mapped[str] = mapped_column(Text)


class ShippingRate(Base):
    """Rupiah per begun kilogram from zone to zone; the pair ('same', 'same') is delivery within one regency or city."""

    __tablename__ = "shipping_rates"
    __table_args__ = (CheckConstraint("price_per_kg >= 0", name="price_per_kg"), {"schema": "orders"})

    origin_zone: Mapped[str] = mapped_column(Text, primary_key=True)
    destination_zone: Mapped[str] = mapped_column(Text, primary_key=True)
    price_per_kg: Mapped[int] = mapped_column(BigInteger)
    days_min: Mapped[int] = mapped_column(Integer)
    days_max: Mapped[int] = mapped_column(Integer)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    valid_until: Mapped[date | None]
    source: Mapped[str] = mapped_column(Text)


class TaxRate(Base):
    """A tax on a base of price x base_numerator / base_denominator, at rate_percent."""

    __tablename__ = "tax_rates"
    __table_args__ = ({"schema": "orders"},)

    code: Mapped[str] = mapped_column(Text, primary_key=True)
    base_numerator: Mapped[int] = mapped_column(Integer)
    base_denominator: Mapped[int] = mapped_column(Integer)
    rate_percent: Mapped[int] = mapped_column(Integer)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    valid_until: Mapped[date | None]
    source: Mapped[str] = mapped_column(Text)
