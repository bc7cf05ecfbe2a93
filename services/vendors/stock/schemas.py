"""What callers send and get: the stock of a sku, its changes one by one or in a batch, and its movements."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple, Self
from uuid import UUID

from pydantic import (
    ConfigDict,
    Discriminator,
    FailFast,
    Field,
    JsonValue,
    Tag,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from ishop.problems import pointer
from ishop.schemas import MAX_QUANTITY, Schema

MAX_ROWS = 10_000
MAX_SEQUENCE = 2**53 - 1

COUNT_EXAMPLE: dict[str, JsonValue] = {"count": 40, "expected_version": 7}
ONE_BASE: list[JsonValue] = [
    {"required": [base], "properties": {base: {"type": "integer"}, other: {"type": "null"}}}
    for base, other in (("expected_version", "expected_count"), ("expected_count", "expected_version"))
]
"""What `say_what_it_is_based_on` asks, for the readers of the document."""
SKU_EXAMPLE = "0198c5b7-6f0e-7d3a-9f0e-2f4f3f1f6a10"

Status = Literal["applied", "duplicate", "conflict", "invalid"]


class Change(NamedTuple):
    """One change to make: a count with what it is based on, or a delta with its key; the rest is None."""

    sku_id: UUID
    counted: int | None
    expected_version: int | None
    expected_count: int | None
    delta: int | None
    device_id: str | None
    sequence: int | None
    reason: str | None


class StockRead(Schema):
    """The stock of one sku."""

    sku_id: UUID
    on_hand: int = Field(description="What the vendor has, in packs", examples=[40])
    reserved: int = Field(description="What open orders hold of it", examples=[3])
    available: int = Field(description="What can be ordered: on_hand - reserved, never below 0", examples=[37])
    shortfall: int = Field(description="By how much a count fell below what is reserved", examples=[0])
    version: int = Field(description="Moves when on_hand changes, not with every sale", examples=[7])


class StockChangeRead(StockRead):
    """The stock after a change; `duplicate`: this device sent this sequence before, nothing was changed now."""

    status: Literal["applied", "duplicate"]


class StockCount(Schema):
    """ "I have 40": taken only if the stock still is what the count was based on, by version or by amount."""

    model_config = ConfigDict(json_schema_extra={"examples": [COUNT_EXAMPLE], "oneOf": ONE_BASE})

    count: int = Field(strict=True, ge=0, le=MAX_QUANTITY, examples=[40])
    expected_version: int | None = Field(default=None, strict=True, ge=1, le=MAX_SEQUENCE, examples=[7])
    expected_count: int | None = Field(default=None, strict=True, ge=0, le=MAX_SEQUENCE, examples=[43])

    @model_validator(mode="after")
    def say_what_it_is_based_on(self) -> Self:
        """Refuse a count without its base, and one with two."""
        if (self.expected_version is None) == (self.expected_count is None):
            raise ValueError("send either expected_version or expected_count")
        return self

    def change(self, sku_id: UUID) -> Change:
        """What it asks of a sku."""
        return Change(sku_id, self.count, self.expected_version, self.expected_count, None, None, None, None)


class StockDelta(Schema):
    """ "Three sold at the stall": taken once for every (vendor, device_id, sequence), whatever the stock is by then."""

    delta: int = Field(strict=True, ge=-MAX_QUANTITY, le=MAX_QUANTITY, examples=[-3])
    device_id: str = Field(min_length=1, max_length=100, examples=["phone-1"])
    sequence: int = Field(strict=True, ge=0, le=MAX_SEQUENCE, examples=[112])
    reason: str | None = Field(default=None, max_length=200, examples=["sold at the stall"])

    def change(self, sku_id: UUID) -> Change:
        """What it asks of a sku."""
        return Change(sku_id, None, None, None, self.delta, self.device_id, self.sequence, self.reason)


class StockCountRow(StockCount):
    """A count in a batch."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"sku_id": SKU_EXAMPLE, **COUNT_EXAMPLE}], "oneOf": ONE_BASE}
    )

    sku_id: UUID


class StockDeltaRow(StockDelta):
    """A delta in a batch."""

    sku_id: UUID


class InvalidRow(NamedTuple):
    """A row of a batch that cannot be read: why, and the sku where that much could be read."""

    sku_id: UUID | None
    code: str
    detail: str


def _is_delta(body: Any) -> bool:
    """What a body is meant to be, so that its errors are those of one kind, not of both."""
    return isinstance(body, dict) and "delta" in body


def _read_change(body: Any, _: ValidatorFunctionWrapHandler) -> StockCount | StockDelta:
    return (StockDelta if _is_delta(body) else StockCount).model_validate(body)


def _read_row(body: Any, _: ValidatorFunctionWrapHandler) -> StockCountRow | StockDeltaRow | InvalidRow:
    """One malformed row is one result, not the end of the batch."""
    try:
        return (StockDeltaRow if _is_delta(body) else StockCountRow).model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = pointer(first["loc"])
        return InvalidRow(_sku_of(body), first["type"], f"{where}: {first['msg']}" if where else first["msg"])


def _sku_of(body: Any) -> UUID | None:
    try:
        return UUID(body["sku_id"])
    except (TypeError, KeyError, ValueError, AttributeError):
        return None


AllRows = Annotated[
    list[
        Annotated[
            Annotated[StockDeltaRow, Tag("delta")] | Annotated[StockCountRow, Tag("count")],
            Discriminator(lambda body: "delta" if _is_delta(body) else "count"),
        ]
    ],
    FailFast(),
]
ALL_ROWS: TypeAdapter[list[StockDeltaRow | StockCountRow]] = TypeAdapter(AllRows)


def _read_rows(rows: Any, one_by_one: ValidatorFunctionWrapHandler) -> Any:
    """Read all rows in one pass, half the time of 10,000, and one by one only where one of them cannot be read."""
    if isinstance(rows, list) and 1 <= len(rows) <= MAX_ROWS:
        try:
            return ALL_ROWS.validate_python(rows)
        except ValidationError:
            pass
    return one_by_one(rows)


StockChange = Annotated[StockCount | StockDelta, WrapValidator(_read_change)]
StockRow = Annotated[StockCountRow | StockDeltaRow, WrapValidator(_read_row)]
"""A row as it is to be sent; one that cannot be read becomes an InvalidRow."""


class StockBatch(Schema):
    """Many changes at once. `atomic`: all or nothing. `partial`: every row for itself."""

    mode: Literal["atomic", "partial"]
    rows: Annotated[list[StockRow], Field(min_length=1, max_length=MAX_ROWS), WrapValidator(_read_rows)]


class StockBatchRow(Schema):
    """What became of one row; the stock is null where the sku is not known. `batch_row` builds what it describes."""

    row: int = Field(description="Its place in the batch, from 0", examples=[0])
    sku_id: UUID | None
    status: Status
    on_hand: int | None
    reserved: int | None
    available: int | None
    shortfall: int | None
    version: int | None
    code: str | None = Field(description="Why it was refused; null where it was not", examples=["stock_conflict"])
    detail: str | None


def batch_row(
    row: int,
    sku_id: UUID | None,
    status: Status,
    level: Sequence[int | None],
    *,
    code: str | None = None,
    detail: str | None = None,
) -> dict[str, Any]:
    """What `StockBatchRow` describes, as a plain document: a model of each of 10,000 rows would cost more than the SQL.

    The level is on_hand, reserved, available, shortfall and version.
    """
    on_hand, reserved, available, shortfall, version = level
    return {
        "row": row,
        "sku_id": sku_id,
        "status": status,
        "on_hand": on_hand,
        "reserved": reserved,
        "available": available,
        "shortfall": shortfall,
        "version": version,
        "code": code,
        "detail": detail,
    }


class StockBatchRead(Schema):
    """The results, in the order of the rows."""

    results: list[StockBatchRow]


class StockMovementRead(Schema):
    """One change of a sku's stock; on_hand and reserved are the sums of all of them."""

    id: int
    kind: Literal["opening", "count", "delta", "reserve", "release", "ship", "out_of_stock"]
    on_hand_change: int
    reserved_change: int
    vendor_order_id: UUID | None
    device_id: str | None
    sequence: int | None
    reason: str | None
    created_at: datetime
