"""The proof that nothing is lost or doubled: it holds for a healthy market, and names each bug that is planted in one.

The kills are left to `make prove` and to tests/benchmarks/test_faults.py; here it is shown that what they could break
would be seen.
"""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import asyncpg
import pytest

from benchmarks.faults.drill import work_left
from benchmarks.faults.traffic import READ, Traffic
from benchmarks.faults.verdict import errors_unexplained
from benchmarks.prove.crashes import MIX, kept
from benchmarks.prove.market import Market

RATE, LONGEST_SECONDS = 60, 60

AS_NOBODY_SAW = "SET session_replication_role = replica"
"""No foreign key and no trigger stops what comes behind it."""
ORDER_LOST = """
DELETE FROM orders.orders WHERE ship_to ->> 'address' = 'Jl. Uji order-0'
"""
ORDER_DOUBLED = """
INSERT INTO orders.orders SELECT (json_populate_record(o, json_build_object('id', uuidv7(), 'number', 'X'))).*
FROM orders.orders o WHERE ship_to ->> 'address' = 'Jl. Uji order-0'
"""
PAYMENT_LOST = "DELETE FROM orders.payments"
PAYMENT_DOUBLED = """
INSERT INTO orders.payments (order_id, amount, reference, allocated, recorded_by)
SELECT order_id, amount, reference || '-again', allocated, recorded_by FROM orders.payments
"""
MOVEMENT_LOST = "DELETE FROM vendors.stock_movements WHERE device_id ~ '^batch-'"
MOVEMENT_DOUBLED = """
DROP INDEX vendors.uq_stock_movements_device;
INSERT INTO vendors.stock_movements (sku_id, vendor_id, kind, on_hand_change, reserved_change, device_id, sequence)
SELECT sku_id, vendor_id, kind, on_hand_change, reserved_change, device_id, sequence FROM vendors.stock_movements
WHERE device_id ~ '^delta-'
"""
RESERVATION_LOST = "UPDATE vendors.stock SET reserved = reserved - 1 WHERE reserved > 0"
CANCEL_LOST = "UPDATE orders.orders SET status = 'confirmed' WHERE status = 'cancelled'"
LINE_LOST = "DELETE FROM orders.order_lines WHERE position = 1"
KEYS_FORGOTTEN = "DELETE FROM ops.idempotency_keys"
JOB_STUCK = "INSERT INTO ops.pgqueuer (priority, entrypoint, status) VALUES (0, 'nobodys.job_made.v1', 'queued')"


@pytest.fixture
async def traffic(proved: Market) -> AsyncIterator[Traffic]:
    """What callers sent until something of every kind was accepted, and what they were told."""
    async with aiohttp.ClientSession() as http:
        traffic = Traffic(proved.urls[0], http, RATE, MIX)
        await traffic.prepare()
        stop = asyncio.Event()
        running = asyncio.create_task(traffic.run(stop))
        async with asyncio.timeout(LONGEST_SECONDS):
            while not set(MIX) - {READ} <= {write.kind for write in traffic.writes if write.status is not None}:  # noqa: ASYNC110 - a journal sets no event.
                await asyncio.sleep(0.1)
        stop.set()
        await running
        yield traffic


async def test_a_healthy_market_keeps_what_it_accepted(proved: Market, traffic: Traffic) -> None:
    assert list(errors_unexplained(traffic, [])) == []
    assert await work_left(proved.database) == []
    assert await kept(proved.database, traffic) == []
    assert all(write.status is not None for write in traffic.writes)


@pytest.mark.parametrize(
    ("bug", "named"),
    [
        pytest.param(ORDER_LOST, "order-0 was accepted and is not there", id="order lost"),
        pytest.param(ORDER_DOUBLED, "order-0 is there more than once", id="order doubled"),
        pytest.param(LINE_LOST, "has other lines than were sent", id="line lost"),
        pytest.param(PAYMENT_LOST, "payment-0 was accepted and is not there", id="payment lost"),
        pytest.param(PAYMENT_DOUBLED, "is paid more than once", id="payment doubled"),
        pytest.param(CANCEL_LOST, "after it was cancelled", id="cancel lost"),
        pytest.param(MOVEMENT_LOST, "was accepted and is not there", id="movement lost"),
        pytest.param(MOVEMENT_DOUBLED, "was taken more than once", id="movement doubled"),
        pytest.param(RESERVATION_LOST, "is not the sum of its movements", id="reservation lost"),
        pytest.param(KEYS_FORGOTTEN, "is answered again with another id", id="keys forgotten"),
    ],
)
async def test_a_planted_bug_breaks_the_proof_and_is_named(
    proved: Market, traffic: Traffic, bug: str, named: str
) -> None:
    connection = await asyncpg.connect(proved.database)
    await connection.execute(AS_NOBODY_SAW)
    await connection.execute(bug)
    await connection.close()
    broken = await kept(proved.database, traffic)
    assert [what for what in broken if named in what], broken


async def test_work_that_nobody_does_is_seen(proved: Market) -> None:
    connection = await asyncpg.connect(proved.database)
    await connection.execute(JOB_STUCK)
    await connection.close()
    assert await work_left(proved.database, 0.5) == ["the worker left 1 pieces of work"]
