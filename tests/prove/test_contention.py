"""The proof that nothing is oversold: it holds for a healthy market, and names each bug that is planted in one."""

import asyncpg
import pytest

from benchmarks.prove.contention import contend
from benchmarks.prove.market import Market
from tests.prove.planted import Bug, Mutation, Statement, Trigger

ATTEMPTS, SKUS = 250, 30
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
    "RETURN CASE WHEN NEW.kind = 'reserve' AND NEW.id % 5 = 0 THEN NULL ELSE NEW END;",
)
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
ORDER_HIDDEN = Statement(
    "ALTER TABLE orders.orders ENABLE ROW LEVEL SECURITY; "
    "CREATE POLICY planted ON orders.orders USING (hashtext(id::text) & 3 <> 0) WITH CHECK (true)"
)


async def test_a_healthy_market_sells_only_what_is_there(proved: Market) -> None:
    outcome = await contend(proved, ATTEMPTS, lambda _: None, skus=SKUS)
    assert outcome.broken == []
    figures = outcome.figures
    assert (figures["oversold units"], figures["deadlocks"], figures["order attempts"]) == (0, 0, ATTEMPTS)
    for name in ("accepted", "refused (409)", "cancels", "paid", "rejected", "counts", "deltas"):
        assert int(figures[name]) > 0, f"nobody tried: {name}"


@pytest.mark.parametrize(
    ("bug", "named"),
    [
        pytest.param(CHECK_SKIPPED, "units were sold that were not there", id="check skipped"),
        pytest.param(LOCK_SKIPPED, "units were sold that were not there", id="lock skipped"),
        pytest.param(LOCKED_IN_ANY_ORDER, "deadlock", id="locked in any order"),
        pytest.param(BASE_IGNORED, "a movement (count) is there that nobody was told of", id="base of a count ignored"),
        pytest.param(KEPT_WHAT_WAS_CANCELLED, "gave nothing back", id="cancelled and kept"),
        pytest.param(MOVEMENT_LOST, "is not the sum of its movements", id="movement lost"),
        pytest.param(LINE_LOST, "has other lines than were sent", id="line lost"),
        pytest.param(REJECTED_BY_NOBODY, "is cancelled, which nobody was told", id="cancelled by nobody"),
        pytest.param(EXPIRED_THOUGH_PAID, "expired after it was paid", id="expired though paid"),
        pytest.param(REFUSED_FOR_NOTHING, "was refused for want of what is there", id="refused for nothing"),
        pytest.param(ORDER_GONE, "was accepted and is there 0 times", id="order gone"),
        pytest.param(SHORTFALL_MADE_UP, "a sku has a shortfall of", id="shortfall made up"),
        pytest.param(ORDER_HIDDEN, "the lists show", id="order hidden"),
    ],
)
async def test_a_planted_bug_breaks_the_proof_and_is_named(proved: Market, bug: Bug, named: str) -> None:
    connection = await asyncpg.connect(proved.database)
    await bug.plant(connection)
    await connection.close()
    # Each deadlock takes PostgreSQL a second to see, and a few of them are enough.
    attempts = ATTEMPTS // 4 if bug is LOCKED_IN_ANY_ORDER else ATTEMPTS
    outcome = await contend(proved, attempts, lambda _: None, skus=SKUS)
    assert [what for what in outcome.broken if named in what], set(outcome.broken)
