"""Orders as they are read and answered: plain records, because an ORM object a line would cost more than the SQL."""

from datetime import date, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

LISTED_PARTS: Final = 20
"""How many vendor orders of one order a list shows: a page of orders with hundreds each would be megabytes."""


class LineRecord(NamedTuple):
    """One line; amounts in rupiah."""

    vendor_order_id: UUID
    sku_id: UUID
    name: str
    unit: str
    quantity: int
    unit_price: int
    total: int
    tax: int


class VendorOrderRecord(NamedTuple):
    """One vendor order without its lines; amounts in rupiah."""

    id: UUID
    vendor_id: UUID
    vendor_name: str
    status: str
    subtotal: int
    shipping: int
    tax: int
    total: int
    weight_grams: int
    accept_by: datetime | None
    tracking_number: str | None


class OrderRecord(NamedTuple):
    """One order without its parts; amounts in rupiah."""

    id: UUID
    number: str
    status: str
    payment_method: str
    organization_id: UUID | None
    po_number: str | None
    deliver_on: date | None
    subtotal: int
    shipping: int
    tax: int
    total: int
    original_total: int
    paid: int
    refund_due: int
    ship_to: dict[str, Any]
    expires_at: datetime | None
    version: int
    created_at: datetime


class TransitionRecord(NamedTuple):
    """One step of an order, or of one of its vendor orders."""

    vendor_order_id: UUID | None
    from_status: str | None
    to_status: str
    reason: str | None
    at: datetime


class OrderBook(NamedTuple):
    """An order with its vendor orders and lines, in the order in which the buyer named them."""

    order: OrderRecord
    vendor_orders: list[VendorOrderRecord]
    lines: list[LineRecord]


class ListedOrder(NamedTuple):
    """An order in a list: how many lines and vendor orders it has, and the first `LISTED_PARTS` of these."""

    order: OrderRecord
    line_count: int
    vendor_order_count: int
    parts: list[dict[str, Any]]
