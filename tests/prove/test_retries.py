"""The proof that every write counts once: it holds for a healthy market, and names each bug that is planted in one."""

import asyncpg
import orjson
import pytest

from benchmarks.prove.market import Market
from benchmarks.prove.retries import repeat
from tests.prove.planted import Bug, Mutation, Trigger

REQUESTS = 96

KEY_FORGOTTEN = Trigger(
    "ops.idempotency_keys",
    "AFTER INSERT OR UPDATE",
    "DELETE FROM ops.idempotency_keys WHERE (principal, key) = (NEW.principal, NEW.key) AND status IS NOT NULL;"
    " RETURN NULL;",
)
ANSWER_CHANGED = Trigger(
    "ops.idempotency_keys", "BEFORE INSERT OR UPDATE", "NEW.body = NEW.body || ' '::bytea; RETURN NEW;"
)
OTHER_REQUEST_ANSWERED = Trigger(
    "ops.idempotency_keys",
    "BEFORE UPDATE",
    'NEW.headers = NEW.headers || \'{"location": "/v1/elsewhere"}\'; RETURN NEW;',
)
MOVED_TWICE = Trigger(
    "vendors.stock_movements",
    "BEFORE INSERT",
    "IF NEW.kind = 'delta' THEN NEW.on_hand_change = 2 * NEW.on_hand_change; END IF; RETURN NEW;",
)
PAID_TWICE = Trigger(
    "orders.payments",
    "AFTER INSERT",
    "UPDATE orders.orders SET paid = paid + NEW.amount WHERE id = NEW.order_id; RETURN NULL;",
)
DONE_TWICE = Trigger(
    "orders.transitions",
    "AFTER INSERT",
    "IF NEW.to_status IN ('accepted', 'rejected', 'cancelled') AND pg_trigger_depth() = 1 THEN"
    " INSERT INTO orders.transitions (order_id, vendor_order_id, from_status, to_status)"
    " VALUES (NEW.order_id, NEW.vendor_order_id, NEW.from_status, NEW.to_status); END IF; RETURN NULL;",
)
ANYTHING_ANSWERED = Mutation("ops", r"%", ((r"(k|s)\.request_hash = p_request_hash", "true"),))


async def test_in_a_healthy_market_every_write_counts_once(proved: Market) -> None:
    outcome = await repeat(proved, REQUESTS, lambda _: None, locks=0)
    assert outcome.broken == []
    assert orjson.dumps(dict(outcome.figures))  # A report is kept as JSON.
    for name in ("replayed answers", "cut before the answer", "cut in the answer", "half-sent bodies"):
        assert int(outcome.figures[name]) > 0, f"nobody tried: {name}"


@pytest.mark.parametrize(
    ("bug", "named"),
    [
        pytest.param(KEY_FORGOTTEN, "order: it was done 2 times instead of 1", id="key forgotten"),
        pytest.param(ANSWER_CHANGED, "two sendings with one key got different answers", id="answer changed"),
        pytest.param(OTHER_REQUEST_ANSWERED, "two sendings with one key got different answers", id="header changed"),
        pytest.param(MOVED_TWICE, "stock batch: ", id="moved twice"),
        pytest.param(PAID_TWICE, "payment: ", id="paid twice"),
        pytest.param(DONE_TWICE, "accept: it was done 2 times instead of 1", id="accepted twice"),
        pytest.param(DONE_TWICE, "cancel: it was done 2 times instead of 1", id="cancelled twice"),
        pytest.param(ANYTHING_ANSWERED, "another body with its key was answered 20", id="key not bound to its request"),
    ],
)
async def test_a_planted_bug_breaks_the_proof_and_is_named(proved: Market, bug: Bug, named: str) -> None:
    connection = await asyncpg.connect(proved.database)
    await bug.plant(connection)
    await connection.close()
    outcome = await repeat(proved, REQUESTS, lambda _: None, locks=0)
    assert [what for what in outcome.broken if named in what], set(outcome.broken)
