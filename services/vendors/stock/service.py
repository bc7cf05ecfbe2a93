"""Changes of stock by the vendor: one at a time, or a batch of up to 10,000 in a handful of statements."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal
from uuid import UUID

from ishop import outbox
from ishop.auth import Principal
from ishop.contracts.events import STOCK_AVAILABILITY_CHANGED
from ishop.errors import Language, NotFound
from ishop.routing import Session
from services.vendors.stock import repository
from services.vendors.stock.errors import CONFLICTS, StockBatchRefused, UnknownSku
from services.vendors.stock.repository import Change, Level, Outcome
from services.vendors.stock.schemas import (
    InvalidRow,
    Status,
    StockBatch,
    StockBatchRow,
    StockChangeRead,
    StockCount,
    StockCountRow,
    StockDelta,
    StockDeltaRow,
)

DONE = ("applied", "duplicate")
UNKNOWN: dict[str, None] = dict.fromkeys(Level._fields)


async def change(session: Session, caller: Principal, sku_id: UUID, body: StockCount | StockDelta) -> StockChangeRead:
    """Change the stock of one sku of the caller. Raises NotFound, or a Conflict with the current value."""
    locked = await repository.lock(session, caller, [sku_id])
    if sku_id not in locked:
        raise NotFound
    outcomes = await _make(session, caller, locked, [_change(0, sku_id, body)])
    verdict, level = outcomes[0].verdict, outcomes[0].level
    if verdict not in DONE:
        error = CONFLICTS[verdict]
        current = {"sku_id": sku_id, **level._asdict()}
        raise error(errors=[{"pointer": _pointer(body), "in": "body", "code": error.code, **current}])
    status: Literal["applied", "duplicate"] = "duplicate" if verdict == "duplicate" else "applied"
    return StockChangeRead(sku_id=sku_id, status=status, **level._asdict())


async def change_batch(
    session: Session, caller: Principal, batch: StockBatch, language: Language
) -> list[StockBatchRow]:
    """Make the changes of a batch, the rows of one sku in their order, and tell what became of every row.

    Raises StockBatchRefused when the batch is atomic and a row is invalid or in conflict; nothing is kept then.
    """
    readable = {body.sku_id for body in batch.rows if not isinstance(body, InvalidRow)}
    locked = await repository.lock(session, caller, list(readable))
    changes = [
        _change(row, body.sku_id, body)
        for row, body in enumerate(batch.rows)
        if not isinstance(body, InvalidRow) and body.sku_id in locked
    ]
    outcomes = {outcome.row: outcome for outcome in await _make(session, caller, locked, changes)}
    results = [_result(row, body, outcomes.get(row), language) for row, body in enumerate(batch.rows)]
    failed = [result for result in results if result.status not in DONE]
    if failed and batch.mode == "atomic":
        raise StockBatchRefused(
            failed=len(failed), rows=len(results), errors=[_refusal(result, locked) for result in failed]
        )
    return results


async def _make(
    session: Session, caller: Principal, locked: Mapping[UUID, Level], changes: Sequence[Change]
) -> list[Outcome]:
    """Make changes of locked skus in rounds, the k-th of every sku in round k: each builds on the one before."""
    rounds: defaultdict[int, list[Change]] = defaultdict(list)
    seen: defaultdict[UUID, int] = defaultdict(int)
    for one in changes:
        rounds[seen[one.sku_id]].append(one)
        seen[one.sku_id] += 1
    outcomes: list[Outcome] = []
    for number in range(len(rounds)):
        outcomes += await repository.write(session, caller, rounds[number])
    skus = {one.row: one.sku_id for one in changes}
    available = {sku_id: level.available > 0 for sku_id, level in locked.items()}
    # Later rounds come later in `outcomes`, so what stays here is the stock at the end.
    available_now = {skus[outcome.row]: outcome.level.available > 0 for outcome in outcomes}
    crossed = [sku_id for sku_id, is_available in available_now.items() if is_available != available[sku_id]]
    await outbox.emit(session, STOCK_AVAILABILITY_CHANGED, crossed)
    return outcomes


def _change(row: int, sku_id: UUID, body: StockCount | StockDelta) -> Change:
    if isinstance(body, StockCount):
        return Change(row, sku_id, body.count, body.expected_version, body.expected_count, None, None, None, None)
    return Change(row, sku_id, None, None, None, body.delta, body.device_id, body.sequence, body.reason)


def _pointer(body: StockCount | StockDelta) -> str:
    """The part of a change that its conflict is about."""
    if isinstance(body, StockDelta):
        return "/delta"
    return "/expected_count" if body.expected_version is None else "/expected_version"


def _result(
    row: int, body: StockCountRow | StockDeltaRow | InvalidRow, outcome: Outcome | None, language: Language
) -> StockBatchRow:
    """What became of a row: without an outcome it could not be read, or its sku is not one of the caller's."""
    status: Status = "invalid"
    code = detail = None
    if outcome is None:
        code, detail = UnknownSku.code, UnknownSku.sentence[language]
        if isinstance(body, InvalidRow):
            code, detail = body.code, body.detail
    elif outcome.verdict in CONFLICTS:
        status, code, detail = "conflict", outcome.verdict, CONFLICTS[outcome.verdict].sentence[language]
    else:
        status = "duplicate" if outcome.verdict == "duplicate" else "applied"
    level = UNKNOWN if outcome is None else outcome.level._asdict()
    return StockBatchRow(row=row, sku_id=body.sku_id, status=status, code=code, detail=detail, **level)


def _refusal(result: StockBatchRow, locked: Mapping[UUID, Level]) -> dict[str, object]:
    """A failed row as an error; its stock is that before the batch, because nothing of the batch was kept."""
    before = {} if result.sku_id is None or result.sku_id not in locked else locked[result.sku_id]._asdict()
    return {"pointer": f"/rows/{result.row}", "in": "body", **result.model_dump(), **before}
