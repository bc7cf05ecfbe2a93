"""All that is known of a person, as it is handed out; and what deleting an account takes."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from gateway.identity.accounts.schemas import CurrentPassword, UserRead
from gateway.identity.sessions.schemas import SessionRead
from ishop.schemas import Schema


class ExportedLine(Schema):
    """A line of an order; amounts in rupiah."""

    sku_id: UUID
    name: str
    quantity: int
    unit_price: int
    total: int


class ExportedOrder(Schema):
    """An order that the person placed, for itself or for an organization; amounts in rupiah."""

    id: UUID
    number: str
    organization_id: UUID | None
    status: str = Field(examples=["completed"])
    payment_method: str = Field(examples=["cod"])
    po_number: str | None
    ship_to: Annotated[dict[str, Any], Field(examples=[{"name": "Sari", "phone": "081234567890"}])]
    lines: list[ExportedLine]
    subtotal: int
    shipping: int
    tax: int
    total: int
    paid: int
    created_at: datetime


class ExportedMovement(Schema):
    """A change of stock that the person made as a member of a vendor."""

    id: int
    vendor_id: UUID
    sku_id: UUID
    kind: Literal["count", "delta"]
    on_hand_change: int
    reason: str | None
    created_at: datetime


class PersonExport(Schema):
    """Everything that the market holds of a person. Orders and changes of stock come in pages; the rest is on each."""

    account: UserRead
    locale: Literal["id", "en"]
    registered_at: datetime
    confirmed_at: datetime | None
    sessions: list[SessionRead]
    orders: list[ExportedOrder]
    stock_movements: list[ExportedMovement]
    next_cursor: str | None = Field(examples=["cSt5dVhQbW5XcGw0"])


class AccountDeletion(Schema):
    """The password, because what is deleted does not come back."""

    password: CurrentPassword
