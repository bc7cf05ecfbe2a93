"""The proof that nothing is lost or doubled: it holds for a healthy market, and names each bug that is planted in one.

The kills are left to `make prove` and to tests/benchmarks/test_faults.py; here it is shown that what they could break
would be seen.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import aiohttp
import asyncpg
import pytest
from starlette.types import ASGIApp

from benchmarks.faults.drill import kept, unsound, work_left
from benchmarks.faults.parts import opened
from benchmarks.faults.traffic import BATCH, READ, Traffic
from benchmarks.faults.verdict import data_broken, errors_unexplained, never_answered
from benchmarks.prove.crashes import MIX, api_broken, untried
from benchmarks.prove.market import Market
from benchmarks.prove.storm import Storm
from tests.ishop.homes import temporary_home
from tests.prove.planted import Answering, Door, Fault, Shedding

RATE, LONGEST_SECONDS = 60, 60

AS_NOBODY_SAW = "SET LOCAL session_replication_role = replica"
"""No foreign key and no trigger stops what comes behind it."""
DOUBLED = """
INSERT INTO orders.orders SELECT (json_populate_record(o, json_build_object('id', uuidv7(), 'number', 'X'))).*
FROM orders.orders o WHERE ship_to ->> 'address' = 'Jl. Uji order-0';
"""
FIRST = "WHERE ship_to ->> 'address' = 'Jl. Uji order-0'"
BUGS = {
    "order lost": (f"DELETE FROM orders.orders {FIRST}", "order-0 was accepted and is not there"),
    "order doubled": (DOUBLED, "order-0 is there more than once"),
    "order made up": (
        f"{DOUBLED} UPDATE orders.orders SET ship_to = '{{\"address\": \"Jl. Uji another\"}}' WHERE number = 'X'",
        "another was never sent",
    ),
    "order exchanged": (
        f"UPDATE orders.orders SET id = uuidv7() {FIRST}", "order-0 has another id than its answer said",
    ),
    "line lost": ("DELETE FROM orders.order_lines WHERE position = 1", "has other lines than were sent"),
    "line not reserved": ("DELETE FROM vendors.stock_movements WHERE kind = 'reserve'", "reserved None and holds"),
    "cancelled by nobody": (
        "UPDATE orders.orders SET status = 'cancelled' WHERE status = 'confirmed'",
        "is cancelled, which nobody asked for",
    ),
    "cancel lost": (
        "UPDATE orders.orders SET status = 'confirmed' WHERE status = 'cancelled'",
        "is confirmed after it was cancelled",
    ),
    "payment lost": ("DELETE FROM orders.payments", "payment-0 was accepted and is not there"),
    "payment doubled": (
        """
        INSERT INTO orders.payments (order_id, amount, reference, allocated, recorded_by)
        SELECT order_id, amount, reference || '-again', allocated, recorded_by FROM orders.payments
        """,
        "is paid more than once",
    ),
    "payment made up": (
        "UPDATE orders.payments SET reference = reference || '-x'", "has a payment that was never sent",
    ),
    "payment changed": ("UPDATE orders.payments SET amount = amount + 1", "payment-0 is booked with another amount"),
    "payment not counted": ("UPDATE orders.orders SET paid = 0 WHERE paid > 0", "has 0 of"),
    "payment not given back": (
        "UPDATE orders.orders SET status = 'cancelled' WHERE paid > 0", " owes 0 of ",
    ),
    "payment without effect": (
        "UPDATE orders.orders SET status = 'awaiting_payment' WHERE paid > 0", "is awaiting_payment with",
    ),
    "movement lost": (
        "DELETE FROM vendors.stock_movements WHERE device_id = 'batch-0'", "batch-0 was accepted and is not there",
    ),
    "movement doubled": (
        """
        DROP INDEX vendors.uq_stock_movements_device;
        INSERT INTO vendors.stock_movements
            (sku_id, vendor_id, kind, on_hand_change, reserved_change, device_id, sequence)
        SELECT sku_id, vendor_id, kind, on_hand_change, reserved_change, device_id, sequence
        FROM vendors.stock_movements WHERE device_id = 'batch-0'
        """,
        "row 0 of batch-0 was taken more than once",
    ),
    "movement made up": (
        "UPDATE vendors.stock_movements SET device_id = 'batch-another' WHERE device_id = 'batch-0'",
        "batch-another was never sent",
    ),
    "movement changed": (
        "UPDATE vendors.stock_movements SET on_hand_change = on_hand_change + 1 WHERE device_id = 'batch-0'",
        "row 0 of batch-0 changed another stock than was sent",
    ),
    "reservation lost": (
        "UPDATE vendors.stock SET reserved = reserved - 1 WHERE reserved > 0", "is not the sum of its movements",
    ),
}  # fmt: skip
"""What goes wrong in the tables, and the words for it."""
HALF_A_BATCH = "DELETE FROM vendors.stock_movements WHERE device_id = $1 AND sequence = 0"
KEYS_FORGOTTEN = "DELETE FROM ops.idempotency_keys"
JOB_STUCK = "INSERT INTO ops.pgqueuer (priority, entrypoint, status) VALUES (0, 'nobodys.job_made.v1', 'queued')"
MADE_OF_NOTHING = "UPDATE vendors.stock SET on_hand = on_hand + 1"


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


async def test_a_healthy_market_keeps_what_it_accepted_and_each_bug_in_its_tables_is_named(
    proved: Market, traffic: Traffic
) -> None:
    assert list(errors_unexplained(traffic, [])) == []
    assert await work_left(proved.database) == []
    assert await kept(proved.database, traffic) == []
    assert await api_broken(traffic) == []
    assert list(never_answered(traffic)) == []
    connection = await asyncpg.connect(proved.database)

    async def with_bug(sql: str, *values: str) -> list[str]:
        planted = connection.transaction()
        await planted.start()
        await connection.execute(AS_NOBODY_SAW)
        await connection.execute(sql, *values)
        broken = await data_broken(connection, traffic)
        await planted.rollback()
        return broken

    for bug, (sql, named) in BUGS.items():
        broken = await with_bug(sql)
        assert [what for what in broken if named in what], (bug, broken)
    batch = next(write for write in traffic.batches.values() if write.kind == BATCH)
    rows = len(batch.body)
    assert f"{batch.key} was accepted and {rows - 1} of {rows} rows are there" in await with_bug(
        HALF_A_BATCH, batch.key
    )
    batch.status = None
    assert list(never_answered(traffic)) == [f"{batch.key} was never answered"]
    assert f"{batch.key} is there by half" in await with_bug(HALF_A_BATCH, batch.key)
    await connection.close()


async def test_each_bug_of_the_api_breaks_the_proof_and_is_named(proved: Market, door: Door, traffic: Traffic) -> None:
    whole = door.app

    async def with_bug(method: str, make: Callable[[ASGIApp], ASGIApp]) -> str:
        Fault(method, "/v1/(bulk-)?orders.*", make).plant(door)
        broken = await api_broken(traffic)
        door.app = whole
        return " ".join(broken)

    assert "order-0 is shown with another original_total" in await with_bug("GET", partial(Answering, change=for_free))
    assert "order-0 is shown as no order" in await with_bug("GET", partial(Shedding, every=1))
    assert "503 overloaded from" in " ".join(errors_unexplained(traffic, []))
    assert "is no documented way to fail" in " ".join(errors_unexplained(traffic, []))
    traffic.failures.clear()
    assert "is answered again as no order" in await with_bug("POST", partial(Shedding, every=1, polite=True))
    assert "503 overloaded from /v1/orders while orders was not down" in list(errors_unexplained(traffic, []))
    connection = await asyncpg.connect(proved.database)
    await connection.execute(KEYS_FORGOTTEN)
    await connection.close()
    assert "is answered again with another id" in " ".join(await api_broken(traffic))


async def test_work_that_nobody_does_is_seen(proved: Market) -> None:
    connection = await asyncpg.connect(proved.database)
    await connection.execute(JOB_STUCK)
    await connection.close()
    assert await work_left(proved.database, 0.5) == ["the worker left 1 pieces of work"]


async def test_what_the_doctor_finds_breaks_the_proof_and_what_never_happened_is_not_called_proved() -> None:
    with temporary_home() as home:
        async with opened(home, ()) as parts, aiohttp.ClientSession() as http:
            assert await unsound(parts) == []
            connection = await asyncpg.connect(parts.database)
            await connection.execute(MADE_OF_NOTHING)
            await connection.close()
            (found,) = await unsound(parts)
            storm = Storm(parts, lambda _: None, ("gateway", "postgres"), 0)
            assert sorted(untried(Traffic("", http, 1), storm, 2)) == sorted(
                [
                    *(f"not put to the proof: no {kind} was accepted" for kind in MIX if kind != READ),
                    "not put to the proof: 0 kills instead of 2",
                    "not put to the proof: gateway was never killed",
                    "not put to the proof: postgres was never killed",
                    "not put to the proof: no caller had to send anything again",
                ]
            )
    assert found.startswith("ishop doctor: ")
    assert "stock" in found


def for_free(_address: str, status: int, body: dict[str, Any]) -> dict[str, Any]:
    """An order as if it cost nothing."""
    return body | {"original_total": {"amount": 0, "currency": "IDR"}} if status == 200 else body
