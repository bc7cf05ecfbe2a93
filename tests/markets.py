"""A market for tests: the whole application behind its gateway, run either way, on a database of its own."""

import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace

import asyncpg
from httpx import ASGITransport, AsyncClient

from demo.accounts import PASSWORD
from gateway.app import create_gateway
from ishop.doctor import Finding, examine
from ishop.market import Market, all_checks, assemble
from ishop.settings import Role
from ishop.worker import drain_until_idle
from tests.counting import counted_queries
from tests.databases import TestDatabase
from tests.modes import Mode, upstreams
from tests.witness import Witness

BASE_URL = "http://market.test"
TOKEN_SECONDS = 300
WITNESS = Witness()

# Sign-in costs a password hash; the accounts are the same in every clone of the template and so are the keys.
_tokens: dict[str, tuple[float, str]] = {}


class TestMarket:
    """The door (`anonymous`, `client`) and, for set-up and proof, the database behind it."""

    __test__ = False

    def __init__(self, market: Market, database: TestDatabase, clients: AsyncExitStack) -> None:
        self.market = market
        self.database = database
        self.settings = market.settings
        self._clients = clients
        self.anonymous = self._client()

    def _client(self, headers: dict[str, str] | None = None) -> AsyncClient:
        # An exception that leaves the gateway would be a bug of the gateway: let it reach the test.
        client = AsyncClient(
            transport=ASGITransport(self.market.gateway),
            base_url=BASE_URL,
            headers=headers,
            timeout=60,
            event_hooks={"response": [WITNESS.look_at]},
        )
        self._clients.push_async_callback(client.aclose)
        return client

    async def client(self, email: str) -> AsyncClient:
        """A client signed in as a demo account."""
        made, token = _tokens.get(email, (0.0, ""))
        if time.monotonic() - made > TOKEN_SECONDS:
            answer = await self.anonymous.post(
                "/v1/auth/token", data={"grant_type": "password", "username": email, "password": PASSWORD}
            )
            assert answer.status_code == 200, answer.text
            token = answer.json()["access_token"]
            _tokens[email] = (time.monotonic(), token)
        return self._client({"Authorization": f"Bearer {token}"})

    def client_with_token(self, token: str) -> AsyncClient:
        """A client that sends `token`."""
        return self._client({"Authorization": f"Bearer {token}"})

    async def connect(self, role: Role) -> asyncpg.Connection:
        """A database connection as `role`; the test closes it."""
        return await self.database.connect(role)

    async def fetch(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """Rows of the database, read as the migrator, who may read everything."""
        connection = await self.connect(Role.migrator)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *values)
            return rows
        finally:
            await connection.close()

    async def execute(self, sql: str, *values: object) -> None:
        """Change the database directly, as the migrator: for set-up only."""
        connection = await self.connect(Role.migrator)
        try:
            await connection.execute(sql, *values)
        finally:
            await connection.close()

    async def work(self) -> None:
        """Let the worker do all there is to do."""
        await drain_until_idle(self.database.dsn(Role.worker), self.market.jobs)

    async def broken(self) -> list[Finding]:
        """What `ishop doctor` finds wrong with the data; empty for a healthy market."""
        connection = await self.connect(Role.migrator)
        try:
            return [finding for finding in await examine(connection, all_checks()) if finding.offenders]
        finally:
            await connection.close()

    def count_queries(self) -> AbstractContextManager[list[str]]:
        """Collects the statements that the services send meanwhile."""
        return counted_queries(app.state.database for app in self.market.services.values())


@asynccontextmanager
async def running_market(database: TestDatabase, mode: Mode = Mode.in_process) -> AsyncIterator[TestMarket]:
    """The application on `database`, closed at the end."""
    settings = database.settings
    market = assemble(settings)
    async with upstreams(market.services, mode, settings) as reached, AsyncExitStack() as clients:
        # With the runtime that identity has too, as a gateway process has: it reads the published keys for both.
        gateway = create_gateway(market.services["identity"].state.runtime, reached)
        yield TestMarket(replace(market, gateway=gateway), database, clients)
