"""The SQL of stock. Changes are made by `vendors.change_stock`, which locks first, then decides, then writes."""

from collections.abc import Sequence
from typing import Literal, NamedTuple
from uuid import UUID

from asyncpg.exceptions import UniqueViolationError
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from ishop.auth import Principal
from ishop.context import request_id
from ishop.errors import NotFound, Unavailable
from services.vendors.stock.schemas import Change, StockMovementRead, StockRead

GET = text(
    "SELECT sku_id, on_hand, reserved, greatest(0, on_hand - reserved) AS available, shortfall, version"
    " FROM vendors.stock WHERE sku_id = :sku_id AND (:is_office OR vendor_id = ANY (CAST(:vendors AS uuid[])))"
)

# Vendors are looked up one by one, because an index has the skus of each in order, not those of several.
PAGE = text(
    "SELECT s.sku_id, s.on_hand, s.reserved, greatest(0, s.on_hand - s.reserved) AS available, s.shortfall, s.version"
    " FROM unnest(CAST(:vendors AS uuid[])) AS own (vendor_id) CROSS JOIN LATERAL ("
    "SELECT * FROM vendors.stock WHERE vendor_id = own.vendor_id AND sku_id > CAST(:after AS uuid)"
    " ORDER BY sku_id LIMIT :limit) s ORDER BY s.sku_id LIMIT :limit"
)

MOVEMENTS = text(
    "SELECT id, kind, on_hand_change, reserved_change, vendor_order_id, device_id, sequence, reason, created_at"
    " FROM vendors.stock_movements WHERE sku_id = :sku_id AND id < :before ORDER BY id DESC LIMIT :limit"
)

CHANGE = text(
    "SELECT place, verdict, on_hand, reserved, available, shortfall, version FROM vendors.change_stock("
    ":mode, CAST(:vendors AS uuid[]), CAST(:sku_id AS uuid[]), CAST(:counted AS bigint[]),"
    " CAST(:expected_version AS bigint[]), CAST(:expected_count AS bigint[]), CAST(:delta AS bigint[]),"
    " CAST(:device_id AS text[]), CAST(:sequence AS bigint[]), CAST(:reason AS text[]),"
    " CAST(:actor AS uuid), CAST(:request_id AS text))"
)

BEFORE_ALL = UUID(int=0)
AFTER_ALL = 2**63 - 1

Mode = Literal["partial", "atomic", "check"]


class Outcome(NamedTuple):
    """What became of the change at `place` (from 1 on): `applied`, `duplicate` or the code of a conflict; the stock."""

    place: int
    verdict: str
    on_hand: int
    reserved: int
    available: int
    shortfall: int
    version: int

    def level(self) -> dict[str, int]:
        """The stock as answers name it."""
        return {
            "on_hand": self.on_hand,
            "reserved": self.reserved,
            "available": self.available,
            "shortfall": self.shortfall,
            "version": self.version,
        }


async def get(session: AsyncSession, caller: Principal, sku_id: UUID) -> StockRead:
    """The stock of a sku of one of the caller's vendors, or of any for the office; NotFound for everybody else."""
    found = await session.execute(
        GET, {"sku_id": sku_id, "is_office": caller.is_office, "vendors": list(caller.vendors)}
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound
    return StockRead.model_validate(row)


async def list_own(
    session: AsyncSession, caller: Principal, vendor: UUID | None, after: UUID | None, limit: int
) -> list[StockRead]:
    """Up to `limit` skus of the caller's vendors, or of one of them, behind the sku `after`, in sku order."""
    if vendor is not None and vendor not in caller.vendors:
        raise NotFound
    vendors = list(caller.vendors) if vendor is None else [vendor]
    found = await session.execute(PAGE, {"vendors": vendors, "after": after or BEFORE_ALL, "limit": limit})
    return [StockRead.model_validate(row) for row in found]


async def list_movements(
    session: AsyncSession, caller: Principal, sku_id: UUID, before: int | None, limit: int
) -> list[StockMovementRead]:
    """Up to `limit` movements, older than `before` and newest first, of a sku that the caller may see (see `get`)."""
    await get(session, caller, sku_id)
    found = await session.execute(MOVEMENTS, {"sku_id": sku_id, "before": before or AFTER_ALL, "limit": limit})
    return [StockMovementRead.model_validate(row) for row in found]


async def change(session: AsyncSession, caller: Principal, mode: Mode, changes: Sequence[Change]) -> list[Outcome]:
    """Change stock of the caller's vendors, in one statement; no outcome where a sku is not one of theirs.

    `partial` makes what can be made, `atomic` all or none, `check` none. Raises Unavailable when the key of a delta is
    being used for another sku at the same moment.
    """
    columns = dict(zip(Change._fields, map(list, zip(*changes, strict=True)), strict=True))
    whose = {"vendors": list(caller.vendors), "actor": caller.id, "request_id": request_id.get()}
    try:
        found = await session.execute(CHANGE, {"mode": mode, **whose, **columns})
    except IntegrityError as error:
        if error.orig is not None and isinstance(error.orig.__cause__, UniqueViolationError):
            raise Unavailable from error
        raise
    return list(map(Outcome._make, found))
