"""Orders, their vendor orders and lines, every transition of either, and what is due back to buyers."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from ishop.database import Base


class Order(Base):
    """One purchase by one buyer: one payment, one vendor order per producer."""

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint("status IN ('awaiting_payment', 'confirmed', 'completed', 'cancelled', 'expired')", "status"),
        CheckConstraint("payment_method IN ('cod', 'terms', 'manual_transfer')", "payment_method"),
        CheckConstraint("total = subtotal + shipping + tax AND subtotal >= 0 AND shipping >= 0 AND tax >= 0", "total"),
        CheckConstraint("total <= original_total AND original_total <= 9007199254740991", "original_total"),
        CheckConstraint("NOT bulk OR (organization_id IS NOT NULL AND po_number IS NOT NULL)", "bulk"),
        Index(None, "buyer_id", "id"),
        Index("ix_orders_buyer_id_status", "buyer_id", "status", "id"),
        Index(None, "organization_id", "id", postgresql_where=text("organization_id IS NOT NULL")),
        Index(
            "ix_orders_organization_id_status",
            "organization_id",
            "status",
            "id",
            postgresql_where=text("organization_id IS NOT NULL"),
        ),
        Index(None, "expires_at", postgresql_where=text("status = 'awaiting_payment'")),
        {"schema": "orders"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    number: Mapped[str] = mapped_column(Text, unique=True)
    buyer_id: Mapped[UUID]
    organization_id: Mapped[UUID | None] = mapped_column(ForeignKey("orders.organizations.id"))
    bulk: Mapped[bool] = mapped_column(Boolean)
    po_number: Mapped[str | None] = mapped_column(Text)
    deliver_on: Mapped[date | None]
    status: Mapped[str] = mapped_column(Text)
    payment_method: Mapped[str] = mapped_column(Text)
    ship_to: Mapped[dict[str, Any]] = mapped_column(JSONB)
    subtotal: Mapped[int] = mapped_column(BigInteger)
    shipping: Mapped[int] = mapped_column(BigInteger)
    tax: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    original_total: Mapped[int] = mapped_column(BigInteger)
    paid: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))


class VendorOrder(Base):
    """The part of an order that one producer fills, with a state of its own."""

    __tablename__ = "vendor_orders"
    __table_args__ = (
        CheckConstraint(
            "status IN ('placed', 'accepted', 'shipped', 'delivered', 'rejected', 'cancelled')", name="status"
        ),
        CheckConstraint("total = subtotal + shipping + tax AND subtotal >= 0 AND shipping >= 0 AND tax >= 0", "total"),
        UniqueConstraint("order_id", "vendor_id"),
        Index(None, "vendor_id", "id"),
        Index("ix_vendor_orders_vendor_id_status", "vendor_id", "status", "id"),
        Index(None, "accept_by", postgresql_where=text("status = 'placed'")),
        {"schema": "orders"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.orders.id"))
    vendor_id: Mapped[UUID]
    vendor_name: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    subtotal: Mapped[int] = mapped_column(BigInteger)
    shipping: Mapped[int] = mapped_column(BigInteger)
    tax: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    weight_grams: Mapped[int] = mapped_column(BigInteger)
    accept_by: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="Set when the order is confirmed: 48 h later an unanswered one is rejected"
    )
    tracking_number: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))


class OrderLine(Base):
    """One sku of an order, with name, price and tax as they were when it was placed."""

    __tablename__ = "order_lines"
    __table_args__ = (
        CheckConstraint("quantity BETWEEN 1 AND 1000000", name="quantity"),
        CheckConstraint("total = quantity * unit_price AND tax >= 0", name="total"),
        UniqueConstraint("order_id", "position"),
        {"schema": "orders"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.orders.id"))
    vendor_order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.vendor_orders.id"), index=True)
    position: Mapped[int] = mapped_column(Integer)
    sku_id: Mapped[UUID]
    product_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(Text)
    unit: Mapped[str] = mapped_column(Text)
    quantity: Mapped[int] = mapped_column(Integer)
    unit_price: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    tax: Mapped[int] = mapped_column(BigInteger)


class Transition(Base):
    """One step of an order, or of one vendor order of it; written once."""

    __tablename__ = "transitions"
    __table_args__ = (
        Index(None, "order_id", "id"),
        Index(None, "created_at", postgresql_using="brin"),
        Index(
            "ix_transitions_vendor_order_id",
            "vendor_order_id",
            "id",
            postgresql_where=text("vendor_order_id IS NOT NULL"),
        ),
        {
            "schema": "orders",
            "comment": "Who moved an order (or one vendor order of it) when and why; actor null is the system",
        },
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.orders.id"))
    vendor_order_id: Mapped[UUID | None] = mapped_column(ForeignKey("orders.vendor_orders.id"))
    from_status: Mapped[str | None] = mapped_column(Text)
    to_status: Mapped[str] = mapped_column(Text)
    actor_id: Mapped[UUID | None]
    reason: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))


class Refund(Base):
    """Money that is due back to the buyer."""

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("status IN ('due', 'paid')", name="status"),
        {"schema": "orders"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.orders.id"), index=True)
    amount: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text, server_default=text("'due'"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
