"""Vendor orders as the vendor sees them: no more of the buyer than delivery needs, and that once he has confirmed."""

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from pydantic import Field, StringConstraints

from ishop.schemas import Money, Schema
from services.orders.lifecycle.domain import DEAD, OrderStatus, PaymentMethod, VendorOrderStatus
from services.orders.lifecycle.records import LineRecord, TransitionRecord, VendorOrderRecord
from services.orders.lifecycle.schemas import LineRead, ShipTo, TransitionRead, line_document, money


class RejectReason(StrEnum):
    """Why a vendor does not fill an order; `out_of_stock` also lowers the stock on hand."""

    out_of_stock = "out_of_stock"
    cannot_deliver = "cannot_deliver"
    other = "other"


class Rejection(Schema):
    """Why the vendor rejects, with a word for the buyer."""

    reason: RejectReason
    note: Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)] | None = None


class Shipment(Schema):
    """How the goods travel."""

    tracking_number: (
        Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True, pattern=r"^[ -~]+$")]
        | None
    ) = Field(default=None, examples=["JT0012345678"])


class VendorOrderListed(Schema):
    """A vendor order in a list."""

    id: UUID
    order_id: UUID
    order_number: str
    order_status: OrderStatus
    vendor_id: UUID
    vendor_name: str
    status: VendorOrderStatus
    payment_method: PaymentMethod
    deliver_on: date | None
    line_count: int
    subtotal: Money
    shipping: Money
    tax: Money
    total: Money
    weight_grams: int
    accept_by: datetime | None
    tracking_number: str | None
    created_at: datetime


class VendorOrderRead(VendorOrderListed):
    """A vendor order with its lines; `ship_to` is null until the order is confirmed, and again once it is void."""

    lines: list[LineRead]
    ship_to: ShipTo | None
    history: list[TransitionRead]


class VendorOrderHead(NamedTuple):
    """A vendor order and what its vendor may know of the order that it is a part of."""

    part: VendorOrderRecord
    order_id: UUID
    order_number: str
    order_status: str
    order_version: int
    payment_method: str
    deliver_on: date | None
    created_at: datetime
    line_count: int


def listed_document(head: VendorOrderHead) -> dict[str, Any]:
    """What `VendorOrderListed` describes."""
    part = head.part
    return {
        "id": part.id,
        "order_id": head.order_id,
        "order_number": head.order_number,
        "order_status": head.order_status,
        "vendor_id": part.vendor_id,
        "vendor_name": part.vendor_name,
        "status": part.status,
        "payment_method": head.payment_method,
        "deliver_on": head.deliver_on,
        "line_count": head.line_count,
        "subtotal": money(part.subtotal),
        "shipping": money(part.shipping),
        "tax": money(part.tax),
        "total": money(part.total),
        "weight_grams": part.weight_grams,
        "accept_by": part.accept_by,
        "tracking_number": part.tracking_number,
        "created_at": head.created_at,
    }


def vendor_order_detail(
    head: VendorOrderHead, ship_to: dict[str, Any], lines: Iterable[LineRecord], history: Iterable[TransitionRecord]
) -> dict[str, Any]:
    """What `VendorOrderRead` describes."""
    return {
        **listed_document(head),
        "lines": [line_document(line) for line in lines],
        "ship_to": ship_to if needs_address(head) else None,
        "history": [step._asdict() for step in history],
    }


def needs_address(head: VendorOrderHead) -> bool:
    """Whether the vendor has goods to send: the order is confirmed (or completed) and his part of it lives."""
    return head.order_status in {OrderStatus.confirmed, OrderStatus.completed} and head.part.status not in DEAD
