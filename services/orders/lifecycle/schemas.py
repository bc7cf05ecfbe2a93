"""Orders as callers see them. The document functions build what the models describe; a test keeps the two the same."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from ishop.schemas import Money, Schema
from services.orders.lifecycle.domain import OrderStatus, PaymentMethod, VendorOrderStatus
from services.orders.lifecycle.records import (
    LISTED_PARTS,
    LineRecord,
    ListedOrder,
    OrderBook,
    OrderRecord,
    TransitionRecord,
    VendorOrderRecord,
)


class ShipTo(Schema):
    """Where the goods go. Personal data: shown to the buyer and, once confirmed, to the vendors; never logged."""

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S", examples=["Baiq Rahmawati"])]
    phone: Annotated[str, Field(pattern=r"^\+?[0-9(][0-9 ().-]{5,22}$", examples=["+62 370 000111"])]
    address: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S", examples=["Jl. Contoh 1, Ampenan"])]
    region_code: Annotated[
        str,
        Field(
            pattern=r"^[0-9]{2}\.[0-9]{2}(\.[0-9]{2}(\.[0-9]{4})?)?$",
            description="Code of the regency or city, or of a place in it",
            examples=["52.71"],
        ),
    ]
    postal_code: Annotated[str, Field(pattern=r"^[0-9]{5}$", examples=["83114"])]


class LineRead(Schema):
    """One sku with the name, price and tax that it had when the order was placed."""

    sku_id: UUID
    name: str
    unit: str
    quantity: int
    unit_price: Money
    total: Money
    tax: Money


class VendorOrderPart(Schema):
    """What one producer fills. Its amounts stay as ordered; a rejected or cancelled part no longer counts."""

    id: UUID
    vendor_id: UUID
    vendor_name: str
    status: VendorOrderStatus
    lines: list[LineRead]
    subtotal: Money
    shipping: Money
    tax: Money
    total: Money
    accept_by: datetime | None
    tracking_number: str | None


class OrderRead(Schema):
    """An order. `total` counts what is still to come, `original_total` is what was ordered."""

    id: UUID
    number: str
    status: OrderStatus
    payment_method: PaymentMethod
    organization_id: UUID | None
    po_number: str | None
    deliver_on: date | None
    lines: list[LineRead]
    vendor_orders: list[VendorOrderPart]
    subtotal: Money
    shipping: Money
    tax: Money
    total: Money
    original_total: Money
    paid: Money
    due: Money
    refund_due: Money
    ship_to: ShipTo
    expires_at: datetime | None
    created_at: datetime


class TransitionRead(Schema):
    """One step in the life of the order, or of the vendor order that it names."""

    vendor_order_id: UUID | None
    from_status: OrderStatus | VendorOrderStatus | None
    to_status: OrderStatus | VendorOrderStatus
    reason: str | None
    at: datetime


class OrderDetail(OrderRead):
    """An order with all that happened to it, oldest first."""

    history: list[TransitionRead]


class VendorOrderSummary(Schema):
    """One producer's part of an order in a list."""

    id: UUID
    vendor_id: UUID
    vendor_name: str
    status: VendorOrderStatus
    total: Money


class OrderSummary(Schema):
    """An order in a list, without its lines."""

    id: UUID
    number: str
    status: OrderStatus
    payment_method: PaymentMethod
    organization_id: UUID | None
    po_number: str | None
    deliver_on: date | None
    vendor_orders: Annotated[
        list[VendorOrderSummary],
        Field(max_length=LISTED_PARTS, description=f"The first {LISTED_PARTS}; the order itself shows all of them"),
    ]
    vendor_order_count: int
    line_count: int
    subtotal: Money
    shipping: Money
    tax: Money
    total: Money
    original_total: Money
    paid: Money
    due: Money
    refund_due: Money
    expires_at: datetime | None
    created_at: datetime


class CancelRequest(Schema):
    """Why the buyer cancels, if he cares to say."""

    reason: Annotated[str, Field(min_length=1, max_length=500)] | None = None


def money(amount: int) -> dict[str, Any]:
    """An amount of rupiah as `Money` is written."""
    return {"amount": amount, "currency": "IDR"}


def line_document(line: LineRecord) -> dict[str, Any]:
    """What `LineRead` describes."""
    return {
        "sku_id": line.sku_id,
        "name": line.name,
        "unit": line.unit,
        "quantity": line.quantity,
        "unit_price": money(line.unit_price),
        "total": money(line.total),
        "tax": money(line.tax),
    }


def vendor_order_document(part: VendorOrderRecord, lines: list[dict[str, Any]]) -> dict[str, Any]:
    """What `VendorOrderPart` describes."""
    return {
        "id": part.id,
        "vendor_id": part.vendor_id,
        "vendor_name": part.vendor_name,
        "status": part.status,
        "lines": lines,
        "subtotal": money(part.subtotal),
        "shipping": money(part.shipping),
        "tax": money(part.tax),
        "total": money(part.total),
        "accept_by": part.accept_by,
        "tracking_number": part.tracking_number,
    }


def _order_head(order: OrderRecord) -> dict[str, Any]:
    return {
        "id": order.id,
        "number": order.number,
        "status": order.status,
        "payment_method": order.payment_method,
        "organization_id": order.organization_id,
        "po_number": order.po_number,
        "deliver_on": order.deliver_on,
        "subtotal": money(order.subtotal),
        "shipping": money(order.shipping),
        "tax": money(order.tax),
        "total": money(order.total),
        "original_total": money(order.original_total),
        "paid": money(order.paid),
        "due": money(max(0, order.total - order.paid)),
        "refund_due": money(order.refund_due),
        "expires_at": order.expires_at,
        "created_at": order.created_at,
    }


def order_document(book: OrderBook) -> dict[str, Any]:
    """What `OrderRead` describes."""
    lines: list[dict[str, Any]] = []
    lines_of: defaultdict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for line in book.lines:
        document = line_document(line)
        lines.append(document)
        lines_of[line.vendor_order_id].append(document)
    return {
        **_order_head(book.order),
        "lines": lines,
        "vendor_orders": [vendor_order_document(part, lines_of[part.id]) for part in book.vendor_orders],
        "ship_to": book.order.ship_to,
    }


def detail_document(book: OrderBook, history: Iterable[TransitionRecord]) -> dict[str, Any]:
    """What `OrderDetail` describes."""
    return {**order_document(book), "history": [step._asdict() for step in history]}


def summary_document(listed: ListedOrder) -> dict[str, Any]:
    """What `OrderSummary` describes; the total of a part is a bare number until now."""
    return {
        **_order_head(listed.order),
        "line_count": listed.line_count,
        "vendor_order_count": listed.vendor_order_count,
        "vendor_orders": [{**part, "total": money(part["total"])} for part in listed.parts],
    }
