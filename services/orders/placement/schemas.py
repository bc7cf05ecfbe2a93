"""What a buyer sends to place or preview an order, and what a preview answers."""

import re
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from ishop.schemas import Money, Quantity, Schema
from services.orders.lifecycle.domain import PaymentMethod
from services.orders.lifecycle.records import LineRecord
from services.orders.lifecycle.schemas import LineRead, ShipTo, line_document, money
from services.orders.placement.domain import Basket

MAX_LINES = 1000
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _iso_date(value: object) -> str:
    """Only the text of a date: what else can be read as one (a number of seconds, say) is a mistake of the sender."""
    if isinstance(value, str) and ISO_DATE.fullmatch(value):
        return value
    raise PydanticCustomError("invalid_date", "A day is written as YYYY-MM-DD")


DeliveryDay = Annotated[
    date,
    BeforeValidator(_iso_date),
    Field(description="The wanted day of delivery: not before all vendors can deliver, and at most 366 days ahead"),
]


class OrderLineCreate(Schema):
    """So many packs of a sku. The price is the catalog's; one sent along is refused."""

    sku_id: Annotated[UUID, Field(examples=["0198c5b7-6f0e-7d3a-9f0e-2f4f3f1f6a10"])]
    quantity: Quantity


Lines = Annotated[
    list[OrderLineCreate],
    Field(min_length=1, max_length=MAX_LINES, description="Lines of the same sku are summed into the first of them"),
]


class OrderCreate(Schema):
    """An order of a person, or of an organization that `organization_id` names."""

    lines: Lines
    ship_to: ShipTo
    payment_method: PaymentMethod
    expected_total: Annotated[
        Money | None, Field(description="The total that the buyer saw; another one is refused with 409")
    ] = None
    organization_id: UUID | None = None


class BulkOrderCreate(OrderCreate):
    """An order of an organization by exact skus. A PO number may be used again: the Idempotency-Key is what guards
    against sending one order twice."""

    organization_id: UUID
    po_number: Annotated[
        str,
        StringConstraints(min_length=1, max_length=64, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]*$"),
        Field(examples=["PO-2026-0117"]),
    ]
    deliver_on: DeliveryDay


Unread = Annotated[str | None, Field(max_length=500)]
"""What an order has and its preview does not look at: an unfinished form may send it as it is."""


class PreviewShipTo(Schema):
    """Where the goods would go; the region is enough."""

    name: Unread = None
    phone: Unread = None
    address: Unread = None
    region_code: Annotated[str, Field(pattern=r"^[0-9]{2}\.[0-9]{2}(\.[0-9]{2}(\.[0-9]{4})?)?$", examples=["52.71"])]
    postal_code: Unread = None


class OrderPreviewRequest(Schema):
    """An order that is not placed: the same body, of which only lines and region are needed."""

    lines: Lines
    ship_to: PreviewShipTo
    payment_method: PaymentMethod | None = None
    expected_total: Money | None = None
    organization_id: UUID | None = None


class BulkOrderPreviewRequest(OrderPreviewRequest):
    """A bulk order that is not placed."""

    organization_id: UUID
    po_number: Unread = None
    deliver_on: DeliveryDay | None = None


class PreviewPart(Schema):
    """What one producer would fill, and when it would arrive."""

    vendor_id: UUID
    vendor_name: str
    lines: list[LineRead]
    subtotal: Money
    shipping: Money
    tax: Money
    total: Money
    weight_grams: int
    days_min: int
    days_max: int
    deliver_by: date


class ShortLine(Schema):
    """A line of which there is less than wanted."""

    pointer: str
    sku_id: UUID
    requested: int
    available: int


class OrderPreview(Schema):
    """What an order would cost now. `short` is empty when all of it could be taken."""

    lines: list[LineRead]
    vendor_orders: list[PreviewPart]
    subtotal: Money
    shipping: Money
    tax: Money
    total: Money
    short: list[ShortLine]


def preview_document(basket: Basket, deliver_on: date | None) -> dict[str, Any]:
    """What `OrderPreview` describes."""
    documents = {
        line.want.sku_id: line_document(
            LineRecord(
                line.offer.vendor_id,
                line.want.sku_id,
                line.offer.name,
                line.offer.unit,
                line.want.quantity,
                line.unit_price,
                line.total,
                line.tax,
            )
        )
        for line in basket.lines
    }
    return {
        "lines": list(documents.values()),
        "vendor_orders": [
            {
                "vendor_id": share.vendor_id,
                "vendor_name": share.vendor_name,
                "lines": [documents[line.want.sku_id] for line in share.lines],
                "subtotal": money(amounts.subtotal),
                "shipping": money(amounts.shipping),
                "tax": money(amounts.tax),
                "total": money(amounts.total),
                "weight_grams": share.weight_grams,
                "days_min": share.freight.days_min,
                "days_max": share.freight.days_max,
                "deliver_by": share.promised(deliver_on),
            }
            for share, amounts in basket.shares
        ],
        "subtotal": money(basket.amounts.subtotal),
        "shipping": money(basket.amounts.shipping),
        "tax": money(basket.amounts.tax),
        "total": money(basket.amounts.total),
        "short": [
            {
                "pointer": f"/lines/{line.want.first_line}",
                "sku_id": line.want.sku_id,
                "requested": line.want.quantity,
                "available": line.offer.available,
            }
            for line in basket.lines
            if line.is_short
        ],
    }
