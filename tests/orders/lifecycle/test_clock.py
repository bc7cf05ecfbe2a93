"""What happens to orders by the clock alone: expiry of the unpaid, rejection of the unanswered."""

import structlog

from ishop.jobs import Jobs
from ishop.service import Runtime
from services.orders.app import register_jobs
from services.orders.lifecycle.jobs import BATCH
from tests.orders.shops import Shop, rupiah

UNPAID, UNANSWERED = "orders_expire_unpaid", "orders_reject_unanswered"


async def tick(shop: Shop, name: str) -> None:
    """Run a schedule once, as the worker does every minute."""
    jobs = Jobs()
    register_jobs(jobs, Runtime.of(shop.database.settings), shop.app.state.database)
    assert jobs.schedules[name].cron == "* * * * *"
    await jobs.schedules[name].handler()


async def let_time_pass(shop: Shop) -> None:
    """Put every deadline an hour behind us."""
    await shop.fetch("UPDATE orders.orders SET expires_at = now() - interval '1 hour' WHERE expires_at IS NOT NULL")
    await shop.fetch(
        "UPDATE orders.vendor_orders SET accept_by = now() - interval '1 hour' WHERE accept_by IS NOT NULL"
    )


class TestExpiry:
    async def test_ends_unpaid_orders_and_gives_their_stock_back(self, shop: Shop) -> None:
        sku, other = await shop.add_sku(10_000), await shop.add_sku(vendor=shop.second)
        order = await shop.order([(sku, 3), (other, 1)], payment_method="manual_transfer")
        await shop.pay(order, 5000)
        await let_time_pass(shop)
        await tick(shop, UNPAID)
        expired = await shop.read(order)
        assert expired["status"] == "expired"
        assert [part["status"] for part in expired["vendor_orders"]] == ["cancelled", "cancelled"]
        assert (expired["total"], expired["due"], expired["refund_due"]) == (rupiah(0), rupiah(0), rupiah(5000))
        assert {step["reason"] for step in expired["history"][-3:]} == {"not_paid_in_time"}
        assert await shop.level(sku) == await shop.level(other) == (100, 0)
        before = await shop.everything()
        await tick(shop, UNPAID)
        assert await shop.everything() == before
        assert await shop.broken() == []

    async def test_leaves_orders_that_are_paid_or_still_have_time(self, shop: Shop) -> None:
        sku = await shop.add_sku(10_000)
        paid = await shop.order([(sku, 1)], payment_method="manual_transfer")
        await shop.pay(paid, 20_000)
        await let_time_pass(shop)
        young = await shop.order([(sku, 1)], payment_method="manual_transfer")
        cash = await shop.order([(sku, 1)])
        await tick(shop, UNPAID)
        states = [(await shop.read(order))["status"] for order in (paid, young, cash)]
        assert states == ["confirmed", "awaiting_payment", "confirmed"]
        assert await shop.level(sku) == (100, 3)

    async def test_ends_more_than_one_batch(self, shop: Shop) -> None:
        sku = await shop.add_sku(stock=2 * BATCH)
        order = await shop.order([(sku, 1)], payment_method="manual_transfer")
        # Copies of one order made by SQL: placing hundreds would say nothing more about expiry.
        await shop.fetch(
            """
            WITH copies AS (
                INSERT INTO orders.orders (number, buyer_id, bulk, status, payment_method, ship_to, subtotal, shipping,
                    tax, total, original_total, expires_at)
                SELECT number || n, buyer_id, bulk, status, payment_method, ship_to, subtotal, shipping, tax, total,
                    original_total, expires_at
                FROM orders.orders, generate_series(1, $1::integer) AS n RETURNING id, subtotal, shipping, total
            ), parts AS (
                INSERT INTO orders.vendor_orders (order_id, vendor_id, vendor_name, status, subtotal, shipping, tax,
                    total, weight_grams)
                SELECT id, $2, 'copy', 'placed', subtotal, shipping, 0, total, 1 FROM copies
            )
            SELECT 1
            """,
            BATCH,
            shop.first.id,
        )
        await let_time_pass(shop)
        await tick(shop, UNPAID)
        (row,) = await shop.fetch("SELECT count(*) FROM orders.orders WHERE status = 'expired'")
        assert row[0] == BATCH + 1
        assert (await shop.read(order))["status"] == "expired"

    async def test_leaves_out_the_one_that_cannot_be_ended(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        first, bad, last = [await shop.order([(sku, 1)], payment_method="manual_transfer") for _ in range(3)]
        await shop.fetch(
            "UPDATE orders.vendor_orders SET status = 'accepted' WHERE order_id = $1 RETURNING id", bad["id"]
        )
        await let_time_pass(shop)
        with structlog.testing.capture_logs() as logs:
            await tick(shop, UNPAID)
        states = [(await shop.read(order))["status"] for order in (first, bad, last)]
        assert states == ["expired", "awaiting_payment", "expired"]
        assert await shop.level(sku) == (100, 1)
        failures = [one for one in logs if one["log_level"] == "error"]
        assert [(one["order_ids"], one["error"]) for one in failures] == [([bad["id"]], "IllegalTransition")]
        assert "No order is unpaid 10 minutes past its deadline" in {found.name for found in await shop.broken()}


class TestAcceptWindow:
    async def test_leaves_out_the_one_whose_sums_the_database_refuses(self, shop: Shop) -> None:
        sku, other = await shop.add_sku(), await shop.add_sku(vendor=shop.second)
        first, bad, last = [await shop.order([(sku, 1), (other, 1)]) for _ in range(3)]
        for order in (first, bad, last):
            await shop.move(shop.first, order, "accept")
        await shop.fetch(
            "UPDATE orders.vendor_orders SET subtotal = subtotal + 1000000, total = total + 1000000"
            " WHERE order_id = $1 AND status = 'accepted'",
            bad["id"],
        )
        await let_time_pass(shop)
        with structlog.testing.capture_logs() as logs:
            await tick(shop, UNANSWERED)
        states = [(await shop.read(order))["vendor_orders"][1]["status"] for order in (first, bad, last)]
        assert states == ["rejected", "placed", "rejected"]
        assert await shop.level(other) == (100, 1)
        failures = [one for one in logs if one["log_level"] == "error"]
        assert [(one["order_ids"], one["error"]) for one in failures] == [([bad["id"]], "IntegrityError")]

    async def test_rejects_what_no_vendor_answered(self, shop: Shop) -> None:
        sku, other = await shop.add_sku(10_000), await shop.add_sku(10_000, vendor=shop.second)
        order = await shop.order([(sku, 1), (other, 1)], payment_method="manual_transfer")
        await shop.pay(order, order["total"]["amount"])
        await shop.move(shop.first, order, "accept")
        await let_time_pass(shop)
        await tick(shop, UNANSWERED)
        left = await shop.read(order)
        assert left["status"] == "confirmed"
        assert [part["status"] for part in left["vendor_orders"]] == ["accepted", "rejected"]
        assert (left["total"], left["refund_due"]) == (rupiah(20_000), rupiah(38_000))
        assert left["history"][-1]["reason"] == "not_answered_in_time"
        assert await shop.level(sku) == (100, 1)
        assert await shop.level(other) == (100, 0)
        assert await shop.broken() == []

    async def test_cancels_the_order_when_nobody_answered(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(), 1), (await shop.add_sku(vendor=shop.second), 1)])
        await let_time_pass(shop)
        await tick(shop, UNANSWERED)
        assert (await shop.read(order))["status"] == "cancelled"
        assert await shop.broken() == []

    async def test_leaves_those_that_still_have_time(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(), 1)])
        before = await shop.everything()
        await tick(shop, UNANSWERED)
        assert await shop.everything() == before
        assert (await shop.read(order))["status"] == "confirmed"
