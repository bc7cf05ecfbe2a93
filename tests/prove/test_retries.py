"""The proof that every write counts once: it holds for a healthy market, and names each bug that is planted in one."""

from functools import partial

import orjson
import pytest

from benchmarks.prove.market import Market
from benchmarks.prove.repeats import Manner
from benchmarks.prove.retries import repeat
from tests.prove.planted import (
    Answering,
    Bug,
    Door,
    Fault,
    First,
    Mending,
    Mutation,
    Shedding,
    Trigger,
    plant,
)

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
    "NEW.on_hand_change = 2 * NEW.on_hand_change; NEW.reserved_change = 2 * NEW.reserved_change; RETURN NEW;",
)
MOVED_AS_SOMETHING_ELSE = Trigger(
    "vendors.stock_movements",
    "BEFORE INSERT",
    "IF NEW.kind = 'release' THEN NEW.kind = 'out_of_stock'; END IF; RETURN NEW;",
)
COUNTED_TWICE = Trigger(
    "orders.payments",
    "AFTER INSERT",
    "UPDATE orders.orders SET paid = paid + NEW.amount WHERE id = NEW.order_id; RETURN NULL;",
)
PAID_TWICE = Trigger(
    "orders.payments",
    "AFTER INSERT",
    "IF pg_trigger_depth() = 1 THEN INSERT INTO orders.payments (order_id, amount, reference, allocated, recorded_by)"
    " VALUES (NEW.order_id, NEW.amount, NEW.reference || '-again', true, NEW.recorded_by); END IF; RETURN NULL;",
)
ADDRESS_LOST = Trigger(
    "orders.orders",
    "BEFORE INSERT",
    "NEW.ship_to = jsonb_set(NEW.ship_to, '{address}', to_jsonb('Jl. Uji another'::text)); RETURN NEW;",
)
DONE_TWICE = Trigger(
    "orders.transitions",
    "AFTER INSERT",
    "IF NEW.to_status IN ('accepted', 'rejected', 'cancelled') AND pg_trigger_depth() = 1 THEN"
    " INSERT INTO orders.transitions (order_id, vendor_order_id, from_status, to_status)"
    " VALUES (NEW.order_id, NEW.vendor_order_id, NEW.from_status, NEW.to_status); END IF; RETURN NULL;",
)
ANYTHING_ANSWERED = Mutation("ops", r"%", ((r"(k|s)\.request_hash = p_request_hash", "true"),))
HALF_TAKEN_FOR_WHOLE = Fault("POST", "/v1/orders/.*/cancel", Mending)
TURNED_AWAY_FOR_GOOD = Fault("POST", "/v1/orders", partial(Shedding, every=5))
ANSWER_OF_ANOTHER = Fault("POST", "/v1/orders", partial(Answering, change=First(by_address=False)))


async def test_in_a_healthy_market_every_write_counts_once(proved: Market) -> None:
    outcome = await repeat(proved, REQUESTS, lambda _: None, locks=0)
    assert outcome.broken == []
    assert orjson.dumps(dict(outcome.figures))  # A report is kept as JSON.


async def test_what_never_happened_is_not_called_proved(proved: Market) -> None:
    outcome = await repeat(proved, 1, lambda _: None, locks=1)
    for what in (Manner.half_sent, "writes that never arrived whole", "bulk order", "payment", "stock batch"):
        assert f"not put to the proof: {what}" in outcome.broken
    assert "not put to the proof: order" not in outcome.broken
    # At one gateway twins wait for the first of them in the process, and nobody is told to come back.
    assert "not put to the proof: told to come back" in outcome.broken


@pytest.mark.parametrize(
    ("bug", "named"),
    [
        pytest.param(
            KEY_FORGOTTEN,
            [
                "order: it was done 2 times instead of 1", "answers to one key do not say that they are replayed",
                "payment was answered 409 duplicate_payment_reference",
            ],
            id="key forgotten",
        ),
        pytest.param(ANSWER_CHANGED, ["two sendings with one key got different answers"], id="answer changed"),
        pytest.param(OTHER_REQUEST_ANSWERED, ["two sendings with one key got different answers"], id="header changed"),
        pytest.param(ANSWER_OF_ANOTHER, ["order: its answer tells of another order"], id="answer of another"),
        pytest.param(
            MOVED_TWICE,
            [
                "order: it took other units from the stock than were ordered", "stock batch: ", "delta: ",
                "units were given back instead of", "is not the sum of its movements",
            ],
            id="moved twice",
        ),
        pytest.param(MOVED_AS_SOMETHING_ELSE, ["cancel: a movement is out_of_stock"], id="moved as something else"),
        pytest.param(PAID_TWICE, ["payment: it was done 2 times instead of 1"], id="paid twice"),
        pytest.param(COUNTED_TWICE, ["payment: ", " counts as paid and "], id="counted twice"),
        pytest.param(
            DONE_TWICE,
            [f"{kind}: it was done 2 times instead of 1" for kind in ("accept", "reject", "cancel")],
            id="done twice",
        ),
        pytest.param(
            ADDRESS_LOST, ["order another is there and was never sent", "order: it was done 0 times instead of 1"],
            id="address lost",
        ),
        pytest.param(
            ANYTHING_ANSWERED, ["another body with its key was answered 20"], id="key not bound to its request"
        ),
        pytest.param(
            HALF_TAKEN_FOR_WHOLE, ["cancel: it was done 1 times instead of 0"], id="half-sent body taken for whole"
        ),
        pytest.param(TURNED_AWAY_FOR_GOOD, ["order: overloaded without Retry-After"], id="turned away for good"),
    ],
)  # fmt: skip
async def test_a_planted_bug_breaks_the_proof_and_is_named(
    proved: Market, door: Door, bug: Bug, named: list[str]
) -> None:
    await plant(bug, proved.database, door)
    outcome = await repeat(proved, REQUESTS, lambda _: None, locks=0)
    for what in named:
        assert [line for line in outcome.broken if what in line], (what, set(outcome.broken))
