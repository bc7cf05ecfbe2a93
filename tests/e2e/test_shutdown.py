"""SIGTERM: what was taken is finished, nothing more is taken, and the process ends with 0; every process, both ways."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import orjson
import pytest

from benchmarks.faults.parts import IN_ONE_PROCESS, PROCESSES, Parts, opened
from benchmarks.faults.traffic import Traffic
from ishop.child_process import LOOPBACK
from tests.ishop.homes import temporary_home

IN_FLIGHT = 5


class KeptConnection:
    """One HTTP connection, spoken by hand so that it is seen what happens to it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, port: int) -> "KeptConnection":
        return cls(*await asyncio.open_connection(LOOPBACK, port))

    async def get(self, path: str) -> tuple[int, dict[str, str], Any]:
        """Status, fields and body of the answer."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: market.test\r\n\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
        body = await self._reader.readexactly(int(fields["content-length"]))
        return int(head[0].split()[1]), fields, orjson.loads(body)

    async def is_closed(self) -> bool:
        """Whether the server ended it."""
        return await self._reader.read() == b""

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def stock_held(parts: Parts) -> AsyncIterator[None]:
    """A transaction that holds every row of stock, so that no order is done before it ends."""
    connection = await asyncpg.connect(parts.database)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM vendors.stock FOR UPDATE")
            yield
    finally:
        await connection.close()


async def everyone_waits(parts: Parts) -> bool:
    """Whether all orders wait for the stock. A connection of its own: inside a transaction this view stands still."""
    connection = await asyncpg.connect(parts.database)
    try:
        waiting: int = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'ishop_orders' AND wait_event_type = 'Lock'"
        )
    finally:
        await connection.close()
    return waiting == IN_FLIGHT


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await holds():  # noqa: ASYNC110 - what is watched is another process.
            await asyncio.sleep(0.02)


async def place(traffic: Traffic, http: aiohttp.ClientSession) -> tuple[int, Any]:
    body = {
        "lines": [{"sku_id": traffic.stock[0], "quantity": 1}],
        "payment_method": "cod",
        "ship_to": {
            "name": "Siti", "phone": "081234567890", "address": "Jl. Pejanggik 1",
            "region_code": "52.71", "postal_code": "83121",
        },
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {traffic.tokens['consumer']}", "Idempotency-Key": str(uuid4())}
    async with http.post(f"{traffic.url}/v1/orders", json=body, headers=headers) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize(
    ("processes", "stopped"),
    [(PROCESSES, ("orders", "gateway")), (IN_ONE_PROCESS, ("market",))],
    ids=["over http", "in process"],
)
async def test_finishes_what_it_took_and_takes_no_more(processes: tuple[str, ...], stopped: tuple[str, ...]) -> None:
    accepted = set()
    with temporary_home() as home:
        async with opened(home, processes) as parts, aiohttp.ClientSession() as http:
            traffic = Traffic(parts.url, http, rate=1)
            await traffic.prepare()
            for part in stopped:
                kept = await KeptConnection.to(parts.ports[part])
                assert (await kept.get("/readyz"))[0] == HTTPStatus.OK
                async with stock_held(parts):
                    placing = [asyncio.create_task(place(traffic, http)) for _ in range(IN_FLIGHT)]
                    await until(partial(everyone_waits, parts))
                    parts.send(part, signal.SIGTERM)
                    await until(partial(refuses, parts.ports[part]))
                    status, fields, problem = await kept.get("/readyz")
                    assert (status, problem["code"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "unavailable")
                    assert (fields["connection"], fields["retry-after"]) == ("close", "1")
                    assert await kept.is_closed()
                    assert not any(order.done() for order in placing)
                kept.close()
                answers = await asyncio.gather(*placing)
                assert [status for status, _ in answers] == [HTTPStatus.CREATED] * IN_FLIGHT
                accepted |= {answer["id"] for _, answer in answers}
                assert await asyncio.to_thread(parts.running[part].wait, 20) == 0
                parts.start(part)
                await parts.wait_until_ready(*processes)
            parts.send("worker", signal.SIGTERM)
            assert await asyncio.to_thread(parts.running["worker"].wait, 20) == 0
            connection = await asyncpg.connect(parts.database)
            there = await connection.fetch("SELECT id::text FROM orders.orders")
            await connection.close()
            assert {row["id"] for row in there} == accepted
            await parts.doctor()


async def refuses(port: int) -> bool:
    """Whether nobody listens at the port any more."""
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return True
    writer.close()
    return False
