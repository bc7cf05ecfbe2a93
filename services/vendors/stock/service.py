"""Changes of stock by the vendor: one at a time, or a batch of up to 10,000."""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from ishop.auth import Principal
from ishop.errors import Language, NotFound
from ishop.routing import Session
from services.vendors.stock import repository
from services.vendors.stock.errors import CONFLICTS, StockBatchRefused, UnknownSku
from services.vendors.stock.repository import Mode, Outcome
from services.vendors.stock.schemas import (
    InvalidRow,
    StockBatch,
    StockChangeRead,
    StockCount,
    StockCountRow,
    StockDelta,
    StockDeltaRow,
    batch_row,
)

NO_LEVEL = (None, None, None, None, None)


async def change(session: Session, caller: Principal, sku_id: UUID, body: StockCount | StockDelta) -> StockChangeRead:
    """Change the stock of one sku of the caller. Raises NotFound, or a Conflict with the current value."""
    outcomes = await repository.change(session, caller, "partial", [body.change(sku_id)])
    if not outcomes:
        raise NotFound
    (outcome,) = outcomes
    if outcome.verdict in CONFLICTS:
        error = CONFLICTS[outcome.verdict]
        about = {"pointer": _pointer(body), "in": "body", "code": error.code}
        raise error(errors=[{**about, "sku_id": sku_id, **outcome.level()}])
    return StockChangeRead(sku_id=sku_id, status=_done(outcome), **outcome.level())


async def change_batch(
    session: Session, caller: Principal, batch: StockBatch, language: Language
) -> list[dict[str, Any]]:
    """Make the changes of a batch, the rows of one sku in their order, and tell what became of every row.

    Raises StockBatchRefused when the batch is atomic and a row is invalid or in conflict; nothing was written then.
    """
    rows: Sequence[StockCountRow | StockDeltaRow | InvalidRow] = batch.rows
    readable = [(row, body) for row, body in enumerate(rows) if not isinstance(body, InvalidRow)]
    # An atomic batch with a row that cannot be read is lost, but what else is wrong with it is worth telling.
    mode: Mode = "check" if batch.mode == "atomic" and len(readable) < len(rows) else batch.mode
    changes = [body.change(body.sku_id) for _, body in readable]
    made = await repository.change(session, caller, mode, changes) if changes else []
    outcomes = {readable[outcome.place - 1][0]: outcome for outcome in made}
    results = [_result(row, body, outcomes.get(row), language) for row, body in enumerate(rows)]
    failed = [result for result in results if result["status"] in {"conflict", "invalid"}]
    if failed and batch.mode == "atomic":
        errors = [{"pointer": f"/rows/{result['row']}", "in": "body", **result} for result in failed]
        raise StockBatchRefused(failed=len(failed), rows=len(rows), errors=errors)
    return results


def _pointer(body: StockCount | StockDelta) -> str:
    """The part of a change that its conflict is about."""
    if isinstance(body, StockDelta):
        return "/delta"
    return "/expected_count" if body.expected_version is None else "/expected_version"


def _done(outcome: Outcome) -> Literal["applied", "duplicate"]:
    return "duplicate" if outcome.verdict == "duplicate" else "applied"


def _result(
    row: int, body: StockCountRow | StockDeltaRow | InvalidRow, outcome: Outcome | None, language: Language
) -> dict[str, Any]:
    """What became of a row: without an outcome it could not be read, or its sku is not one of the caller's."""
    if outcome is None:
        if isinstance(body, InvalidRow):
            return batch_row(row, body.sku_id, "invalid", NO_LEVEL, code=body.code, detail=body.detail)
        return batch_row(
            row, body.sku_id, "invalid", NO_LEVEL, code=UnknownSku.code, detail=UnknownSku.sentence[language]
        )
    _, verdict, *level = outcome
    if verdict in CONFLICTS:
        return batch_row(
            row, body.sku_id, "conflict", level, code=verdict, detail=CONFLICTS[verdict].sentence[language]
        )
    return batch_row(row, body.sku_id, _done(outcome), level)
