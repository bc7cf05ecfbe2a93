"""The base of every request and answer, and the few shapes that all features share."""

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Item = TypeVar("Item")

MAX_AMOUNT = 2**53 - 1
MAX_QUANTITY = 1_000_000


class Schema(BaseModel):
    """A request or an answer: unknown fields are refused, so that a typo or a smuggled price is never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)


class Money(Schema):
    """A whole number of rupiah; never a float (2^53 - 1 at most, so that JavaScript reads it exactly)."""

    amount: Annotated[int, Field(strict=True, ge=0, le=MAX_AMOUNT, examples=[45000])]
    currency: Literal["IDR"] = "IDR"


Quantity = Annotated[int, Field(strict=True, ge=1, le=MAX_QUANTITY, examples=[2])]


class Page(BaseModel, Generic[Item]):
    """One page of a list; `next_cursor` is null on the last."""

    items: list[Item]
    next_cursor: str | None = None
