"""Tables of stock: what is there now, every change of it, and what open vendor orders hold."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Identity, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from ishop.database import Base


class Stock(Base):
    """One row a sku: what the vendor has, what open orders hold of it, and by how much a count fell below that."""

    __tablename__ = "stock"
    __table_args__ = (
        CheckConstraint("on_hand BETWEEN 0 AND 1000000000", name="on_hand"),
        CheckConstraint("reserved >= 0 AND reserved <= on_hand + shortfall", name="reserved"),
        CheckConstraint("shortfall >= 0", name="shortfall"),
        Index("ix_stock_vendor_id", "vendor_id", "sku_id"),
        # Room on every page, so that an update of the hottest rows stays on it and touches no index.
        {"schema": "vendors", "postgresql_with": {"fillfactor": 70}},
    )

    sku_id: Mapped[UUID] = mapped_column(primary_key=True)
    vendor_id: Mapped[UUID] = mapped_column(ForeignKey("vendors.vendors.id"))
    on_hand: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    reserved: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    shortfall: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    version: Mapped[int] = mapped_column(
        BigInteger,
        server_default=text("1"),
        comment="Moves only when on_hand is changed by the vendor or by shipping, never by a reservation",
    )
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))


class StockMovement(Base):
    """One change of one sku's stock; rows are only ever added."""

    __tablename__ = "stock_movements"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('opening', 'count', 'delta', 'reserve', 'release', 'ship', 'out_of_stock')", name="kind"
        ),
        Index("ix_stock_movements_sku_id", "sku_id", "id"),
        Index(
            "uq_stock_movements_device",
            "vendor_id",
            "device_id",
            "sequence",
            unique=True,
            postgresql_where=text("device_id IS NOT NULL"),
        ),
        Index("ix_stock_movements_actor_id", "actor_id", "id", postgresql_where=text("kind IN ('count', 'delta')")),
        {"schema": "vendors"},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    sku_id: Mapped[UUID] = mapped_column(ForeignKey(Stock.sku_id))
    vendor_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(Text)
    on_hand_change: Mapped[int] = mapped_column(BigInteger)
    reserved_change: Mapped[int] = mapped_column(BigInteger)
    vendor_order_id: Mapped[UUID | None]
    device_id: Mapped[str | None] = mapped_column(Text)
    sequence: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str | None] = mapped_column(Text)
    actor_id: Mapped[UUID | None]
    request_id: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))


class Reservation(Base):
    """What a vendor order holds of a sku, until it is shipped or given back."""

    __tablename__ = "reservations"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("state IN ('held', 'released', 'shipped')", name="state"),
        Index("ix_reservations_sku_id", "sku_id", postgresql_where=text("state = 'held'")),
        {"schema": "vendors"},
    )

    vendor_order_id: Mapped[UUID] = mapped_column(primary_key=True)
    sku_id: Mapped[UUID] = mapped_column(ForeignKey(Stock.sku_id), primary_key=True)
    quantity: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text, server_default=text("'held'"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
