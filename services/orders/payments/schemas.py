"""Payments as the office records them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from ishop.schemas import MAX_AMOUNT, Money, Schema
from services.orders.lifecycle.domain import OrderStatus


class ReceivedMoney(Money):
    """An amount that came in: at least one rupiah."""

    amount: Annotated[int, Field(strict=True, ge=1, le=MAX_AMOUNT, examples=[45000])]


class PaymentCreate(Schema):
    """A transfer as it stands on the bank's statement; the reference is unique in the whole market."""

    amount: ReceivedMoney
    reference: Annotated[
        str,
        StringConstraints(max_length=100, strip_whitespace=True, pattern=r"^[0-9A-Za-z][0-9A-Za-z ./_#-]*$"),
        Field(examples=["BNTB-20261122-0001"]),
    ]


class PaymentRead(Schema):
    """A recorded payment and what it made of its order. `allocated` false: it came too late and is due back."""

    id: UUID
    order_id: UUID
    amount: Money
    reference: str
    allocated: bool
    order_status: OrderStatus
    total: Money
    paid: Money
    due: Money
    refund: Money
    created_at: datetime
