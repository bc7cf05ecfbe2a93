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
        self._idle: list[asyncpg.Connection] = []
        self._lent = 0
        self._ending: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Lock()
        """Two who close would each wait for places that the other has."""

    async def fetch(self, sql: str, values: tuple[object, ...], *, plan_anew: bool = False) -> list[asyncpg.Record]:
        """The rows that one statement finds; `plan_anew` for these values, where a role keeps plans for any."""
        connection = await self._borrow()
        try:
            with nullcontext() if tracing.tracer is None else tracing.tracer.statement(self._service, sql):
                rows = await (_fetch_planned_anew if plan_anew else asyncpg.Connection.fetch)(connection, sql, *values)
        except BaseException as error:
            if plan_anew or isinstance(error, asyncio.CancelledError):
                # The server is still being told to stop, and would stop what the next borrower asks; or it would go on
                # planning anew.
                ending = asyncio.create_task(self._end(connection))
                self._ending.add(ending)
                ending.add_done_callback(self._ending.discard)
            else:
                self._take_back(connection)
            raise
        self._take_back(connection)
        return rows

    def state(self) -> PoolState:
        """The pool at this moment."""
        return PoolState("plain", self._size, len(self._idle) + self._lent, self._lent, self.wait.waiting)

    async def close(self) -> None:
        """Give the connections back to the server, those that are lent when their statements are done."""
        async with self._closing:
            for _ in range(self._size):
                await self._places.acquire()
            idle, self._idle = self._idle, []
            ends = (connection.close(timeout=CLOSE_SECONDS) for connection in idle)
            await asyncio.gather(*ends, return_exceptions=True)
            for _ in range(self._size):
                self._places.release()

    async def _borrow(self) -> asyncpg.Connection:
        with self.wait.measured():
            if self._places.locked():
                async with asyncio.timeout(self._patience):
                    await self._places.acquire()
            else:
                await self._places.acquire()
            self._lent += 1
            try:
                while self._idle:
                    connection = self._idle.pop()
                    if not connection.is_closed():
                        return connection
                async with asyncio.timeout(self._patience):
                    return await asyncpg.connect(self._dsn, server_settings=self._server_settings)
            except BaseException:
                self._leave()
                raise

    def _take_back(self, connection: asyncpg.Connection) -> None:
        if not connection.is_closed():
            self._idle.append(connection)
        self._leave()

    async def _end(self, connection: asyncpg.Connection) -> None:
        await asyncio.gather(connection.close(timeout=CLOSE_SECONDS), return_exceptions=True)
        self._leave()

    def _leave(self) -> None:
        self._lent -= 1
        self._places.release()


async def _fetch_planned_anew(connection: asyncpg.Connection, sql: str, *values: object) -> list[asyncpg.Record]:
    await connection.execute("SET plan_cache_mode = force_custom_plan")
    rows: list[asyncpg.Record] = await connection.fetch(sql, *values)
    await connection.execute("RESET plan_cache_mode")
    return rows
