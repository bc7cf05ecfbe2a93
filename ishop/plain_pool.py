"""Connections for single statements. asyncpg's own pool takes as long for each loan as a short statement does."""

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Final

import asyncpg

from ishop.telemetry import tracing
from ishop.telemetry.metrics import PoolState, PoolWait

CLOSE_SECONDS: Final = 10.0


class PlainPool:
    """At most `size` connections, each made when none is idle, and kept until it breaks or the pool is closed.

    Nothing is reset between two statements: each is a transaction of its own and leaves nothing behind. Who waits
    longer than `patience` seconds for a connection gets TimeoutError.
    """

    def __init__(self, dsn: str, size: int, patience: float, service: str, server_settings: Mapping[str, str]) -> None:
        self.wait = PoolWait(service, "plain")
        self._service = service
        self._dsn = dsn
        self._size = size
        self._patience = patience
        self._server_settings = dict(server_settings)
        self._places = asyncio.Semaphore(size)
        self._idle: dict[bool, list[asyncpg.Connection]] = {False: [], True: []}
        """By whether they plan anew, so that few have to be told to."""
        self._lent = 0
        self._ending: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Lock()
        """Two who close would each wait for places that the other has."""

    async def fetch(self, sql: str, values: tuple[object, ...], *, plan_anew: bool = False) -> list[asyncpg.Record]:
        """The rows that one statement finds; `plan_anew` for these values, where a role keeps plans for any."""
        connection = await self._borrow(plan_anew)
        try:
            with nullcontext() if tracing.tracer is None else tracing.tracer.statement(self._service, sql):
                rows: list[asyncpg.Record] = await connection.fetch(sql, *values)
        except asyncio.CancelledError:
            # The server is still being told to stop, and would stop what the next borrower asks.
            ending = asyncio.create_task(self._end(connection))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            raise
        except BaseException:
            self._take_back(connection, plan_anew)
            raise
        self._take_back(connection, plan_anew)
        return rows

    def state(self) -> PoolState:
        """The pool at this moment."""
        idle = sum(map(len, self._idle.values()))
        return PoolState("plain", self._size, idle + self._lent, self._lent, self.wait.waiting)

    async def close(self) -> None:
        """Give the connections back to the server, those that are lent when their statements are done."""
        async with self._closing:
            for _ in range(self._size):
                await self._places.acquire()
            idle, self._idle = self._idle, {False: [], True: []}
            ends = (one.close(timeout=CLOSE_SECONDS) for connections in idle.values() for one in connections)
            await asyncio.gather(*ends, return_exceptions=True)
            for _ in range(self._size):
                self._places.release()

    async def _borrow(self, plan_anew: bool) -> asyncpg.Connection:
        with self.wait.measured():
            if self._places.locked():
                async with asyncio.timeout(self._patience):
                    await self._places.acquire()
            else:
                await self._places.acquire()
            self._lent += 1
            try:
                for mode in (plan_anew, not plan_anew):
                    while self._idle[mode]:
                        connection = self._idle[mode].pop()
                        if not connection.is_closed():
                            return connection if mode is plan_anew else await _told(connection, plan_anew)
                async with asyncio.timeout(self._patience):
                    connection = await asyncpg.connect(self._dsn, server_settings=self._server_settings)
                return await _told(connection, plan_anew) if plan_anew else connection
            except BaseException:
                self._leave()
                raise

    def _take_back(self, connection: asyncpg.Connection, plans_anew: bool) -> None:
        if not connection.is_closed():
            self._idle[plans_anew].append(connection)
        self._leave()

    async def _end(self, connection: asyncpg.Connection) -> None:
        await asyncio.gather(connection.close(timeout=CLOSE_SECONDS), return_exceptions=True)
        self._leave()

    def _leave(self) -> None:
        self._lent -= 1
        self._places.release()


async def _told(connection: asyncpg.Connection, plan_anew: bool) -> asyncpg.Connection:
    """Have it plan anew from now on, or no more; ended where it cannot be told."""
    try:
        await connection.execute("SET plan_cache_mode = force_custom_plan" if plan_anew else "RESET plan_cache_mode")
    except BaseException:
        connection.terminate()
        raise
    return connection
