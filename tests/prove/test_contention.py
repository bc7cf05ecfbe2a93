"""The proof that nothing is oversold: it holds for a healthy market, and names each bug that is planted in one."""

from functools import partial
from typing import Any

import pytest

from benchmarks.prove.contention import contend
from benchmarks.prove.crowd import MIX
from benchmarks.prove.market import Market
from tests.prove.planted import (
    Answering,
    Bug,
    Cutting,
    Door,
    Fault,
    First,
    Mutation,
    Statement,
    Trigger,
    plant,
)

ATTEMPTS, SKUS = 250, 30
PATIENCE = 2.0
"""How long a worker's backlog is waited for where a bug is planted: what is left then is one more thing that broke."""
NO_LAST_LINE = "ALTER TABLE vendors.stock DROP CONSTRAINT ck_stock_reserved"

CHECK_SKIPPED = Mutation(
    "vendors",
    "reserve_v%",
    (
        (r"on_hand - reserved >= [\w\[\]]+", "true"),
        (r"s\.on_hand - s\.reserved < w\.quantity", "false"),
        # Whoever sees at the quote that there is nothing does not come here; so many see something.
        ("BEGIN", "BEGIN PERFORM pg_sleep(0.02);"),
    ),
    NO_LAST_LINE,
)
LOCK_SKIPPED = Mutation(
    "vendors",
    "reserve_v%",
    ((" FOR NO KEY UPDATE", ""), (r"(WITH want AS)", r"PERFORM pg_sleep(0.02); \1")),
    NO_LAST_LINE,
)
LOCKED_IN_ANY_ORDER = Mutation(
    "vendors",
    "reserve_v%",
    (
        ("ORDER BY s.sku_id FOR", "ORDER BY md5(s.sku_id::text || pg_backend_pid()) FOR"),
        (r"PERFORM 1 FROM vendors\.stock", "PERFORM pg_sleep(0.01) FROM vendors.stock"),
    ),
)
BASE_IGNORED = Mutation(
    "vendors", "change_stock%", (("WHEN change.expected_version <> at_version.*? THEN", "WHEN false THEN"),)
)
KEPT_WHAT_WAS_CANCELLED = Mutation(
    "vendors", "end_reservations", (("AND state = 'held'", "AND state = 'held' AND p_kind <> 'release'"),)
)
MOVEMENT_LOST = Trigger(
    "vendors.stock_movements",
    "BEFORE INSERT",
    # Every count and delta, of which there are few, and a fifth of all others.
    "RETURN CASE WHEN NEW.kind IN ('count', 'delta') OR NEW.id % 5 = 0 THEN NULL ELSE NEW END;",
)
MOVEMENT_CHANGED = Trigger(
    "vendors.stock_movements",
    "BEFORE INSERT",
    "IF NEW.kind = 'reserve' THEN NEW.reserved_change = NEW.reserved_change + 1; END IF; RETURN NEW;",
)
NOTHING_RESERVED = Mutation("vendors", "reserve_v%", (("BEGIN", "BEGIN RETURN;"),))
LINE_LOST = Trigger("orders.order_lines", "BEFORE INSERT", "RETURN CASE WHEN NEW.position = 2 THEN NULL ELSE NEW END;")
REJECTED_BY_NOBODY = Trigger(
    "orders.vendor_orders",
    "BEFORE UPDATE",
    "IF NEW.status = 'accepted' THEN NEW.status = 'cancelled'; END IF; RETURN NEW;",
)
EXPIRED_THOUGH_PAID = Trigger(
    "orders.orders",
    "BEFORE UPDATE",
    "IF NEW.status = 'confirmed' THEN NEW.status = 'expired'; END IF; RETURN NEW;",
)
REFUSED_FOR_NOTHING = Mutation(
    "vendors", "reserve_v%", ((r"on_hand - s\.reserved < w\.quantity", "on_hand - s.reserved < w.quantity + 20"),)
)
ORDER_GONE = Trigger(
    "orders.orders",
    "BEFORE INSERT",
    "NEW.ship_to = jsonb_set(NEW.ship_to, '{address}', to_jsonb('Jl. Uji another'::text)); RETURN NEW;",
)
SHORTFALL_MADE_UP = Trigger("vendors.stock", "BEFORE UPDATE", "NEW.shortfall = NEW.shortfall + 1; RETURN NEW;")
ORDER_CHANGED = Trigger(
    "orders.orders",
    "BEFORE INSERT OR UPDATE",
    "IF TG_OP = 'INSERT' THEN NEW.original_total = NEW.original_total + 1; ELSE NEW.paid = OLD.paid; END IF;"
    " RETURN NEW;",
)
REJECTION_FORGOTTEN = Trigger(
    "orders.vendor_orders",
    "BEFORE UPDATE",
    "IF NEW.status = 'rejected' THEN NEW.status = OLD.status; END IF; RETURN NEW;",
)
DELTA_REFUSED = Mutation("vendors", "change_stock%", (("target > 1000000000", "change.delta > 3"),))
ORDER_HIDDEN = Statement(
    "ALTER TABLE orders.orders ENABLE ROW LEVEL SECURITY; "
    "CREATE POLICY planted ON orders.orders USING (hashtext(id::text) & 3 <> 0) WITH CHECK (true)"
)


OLD_STOCK_SHOWN = Fault(
    "GET", "/v1/stock", lambda gateway: Answering(Answering(gateway, one_more), First(by_address=True))
)
CONNECTIONS_CUT = Fault("POST", "/v1/orders", partial(Cutting, every=9))


def one_more(_address: str, _status: int, page: dict[str, Any]) -> dict[str, Any]:
    """A page of stock as if one more of everything could be had."""
    return page | {"items": [one | {"available": one["available"] + 1} for one in page["items"]]}


async def test_a_healthy_market_sells_only_what_is_there(proved: Market) -> None:
    outcome = await contend(proved, ATTEMPTS, lambda _: None, skus=SKUS)
    assert outcome.broken == []
    figures = outcome.figures
    assert (figures["oversold units"], figures["deadlocks"], figures["order attempts"]) == (0, 0, ATTEMPTS)
    for name in ("accepted", "refused (409)", "cancels", "paid", "rejected", "counts", "deltas"):
        assert int(figures[name]) > 0, f"nobody tried: {name}"


async def test_what_never_happened_is_not_called_proved(proved: Market) -> None:
    outcome = await contend(proved, 0, lambda _: None, skus=SKUS)
    assert outcome.broken == [
        *(
            f"not put to the proof: no caller was told '{what}'"
            for what in ("order refused", *(f"{kind} taken" for kind in MIX))
        ),
        "not put to the proof: no order expired",
    ]


@pytest.mark.parametrize(
    ("bug", "named"),
    [
        pytest.param(CHECK_SKIPPED, ["units were sold that were not there"], id="check skipped"),
        pytest.param(LOCK_SKIPPED, ["units were sold that were not there"], id="lock skipped"),
        pytest.param(
            NOTHING_RESERVED, ["took nothing from the stock", "units were sold that were not there"],
            id="nothing reserved",
        ),
        pytest.param(
            LOCKED_IN_ANY_ORDER, ["a caller was answered 503", "PostgreSQL counted"], id="locked in any order"
        ),
        pytest.param(
            BASE_IGNORED, ["a movement (count) is there that nobody was told of"], id="base of a count ignored"
        ),
        pytest.param(
            KEPT_WHAT_WAS_CANCELLED,
            ["gave nothing back", "reserved units are not those of the orders that callers were told of"],
            id="cancelled and kept",
        ),
        pytest.param(
            MOVEMENT_LOST,
            [
                "is not the sum of its movements", "a sku's stock is not what its movements lead to",
                "took nothing from the stock", "a count was taken and has no movement",
                "a delta was taken and has no movement",
            ],
            id="movement lost",
        ),
        pytest.param(MOVEMENT_CHANGED, ["a movement (reserve) changes"], id="movement changed"),
        pytest.param(
            LINE_LOST, ["has other lines than were sent", "an order shows other lines than were sent"], id="line lost"
        ),
        pytest.param(REJECTED_BY_NOBODY, ["is cancelled, which nobody was told"], id="cancelled by nobody"),
        pytest.param(REJECTION_FORGOTTEN, ["a vendor order is placed after it was"], id="rejection forgotten"),
        pytest.param(EXPIRED_THOUGH_PAID, ["expired after it was paid"], id="expired though paid"),
        pytest.param(
            ORDER_CHANGED, ["is another order than its answer said", "counts 0 as paid, its payment was in time"],
            id="order changed",
        ),
        pytest.param(REFUSED_FOR_NOTHING, ["was refused for want of what is there"], id="refused for nothing"),
        pytest.param(DELTA_REFUSED, ["a delta was answered conflict stock_above_limit"], id="delta refused"),
        pytest.param(
            ORDER_GONE, ["was accepted and is there 0 times", "another is there and was never sent"], id="order gone"
        ),
        pytest.param(SHORTFALL_MADE_UP, ["a sku has a shortfall of"], id="shortfall made up"),
        pytest.param(
            ORDER_HIDDEN, ["the lists show", "an accepted order is not shown: 404", "the worker left"],
            id="order hidden",
        ),
        pytest.param(
            OLD_STOCK_SHOWN,
            ["the API shows another stock than the table holds", "the API shows more available than there is"],
            id="old stock shown, and one more",
        ),
        pytest.param(
            CONNECTIONS_CUT, ["a caller got no answer (ClientPayloadError): order", "was refused and is there 1 times"],
            id="connections cut",
        ),
    ],
)  # fmt: skip
async def test_a_planted_bug_breaks_the_proof_and_is_named(
    proved: Market, door: Door, bug: Bug, named: list[str]
) -> None:
    await plant(bug, proved.database, door)
    # Each deadlock takes PostgreSQL a second to see, and a few of them are enough; it tells of them a second later.
    deadlocks = bug is LOCKED_IN_ANY_ORDER
    attempts = ATTEMPTS // 4 if deadlocks else ATTEMPTS
    outcome = await contend(
        proved, attempts, lambda _: None, skus=SKUS, statistics_seconds=2 if deadlocks else 0, work_seconds=PATIENCE
    )
    for what in named:
        assert [line for line in outcome.broken if what in line], (what, set(outcome.broken))
