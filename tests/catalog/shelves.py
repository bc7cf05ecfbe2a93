"""The catalog service on a demo market of its own, asked directly, and the worker behind it."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response

from ishop.database import Database
from ishop.doctor import Finding, examine
from ishop.jobs import Jobs
from ishop.service import Runtime, close_service
from ishop.settings import Role, Settings
from ishop.worker import drain_until_idle
from services.catalog.app import create_app, register_jobs
from services.catalog.checks import CHECKS
from tests.counting import counted_queries
from tests.databases import TestDatabase

SOLD_OUT = """
WITH emptied AS (
    UPDATE vendors.stock SET on_hand = 0
    WHERE sku_id IN (SELECT s.id FROM catalog.skus s JOIN catalog.products p ON p.id = s.product_id WHERE p.slug = $1)
    RETURNING sku_id
)
SELECT ops.emit_v1('vendors.stock_availability_changed.v1', (SELECT array_agg(sku_id::text) FROM emptied))
"""
EXPIRED = """
WITH ended AS (
    UPDATE vendors.certificates SET valid_from = '2020-01-01', valid_until = '2020-12-31'
    WHERE vendor_id = (SELECT p.vendor_id FROM catalog.products p WHERE p.slug = $1) RETURNING vendor_id
)
SELECT ops.emit_v1('vendors.vendor_changed.v1', (SELECT array_agg(DISTINCT vendor_id::text) FROM ended))
"""


class Shelf:
    """`client` speaks to the service, `jobs` are its own; `settings` say whether there is a Meilisearch."""

    def __init__(self, settings: Settings, app: FastAPI, client: AsyncClient, connection: asyncpg.Connection) -> None:
        self.settings = settings
        self.app = app
        self.client = client
        self.database: Database = app.state.database
        self.jobs = Jobs()
        self._connection = connection
        register_jobs(self.jobs, Runtime.of(settings), self.database)

    async def get(self, path: str, language: str = "id", **parameters: Any) -> Response:
        """The answer to a GET with these parameters; None is left out."""
        sent = {name: value for name, value in parameters.items() if value is not None}
        return await self.client.get(path, params=sent, headers={"Accept-Language": language})

    async def read(self, path: str, language: str = "id", **parameters: Any) -> Any:
        """The body of a GET that succeeds."""
        answer = await self.get(path, language, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def walk(self, path: str, **parameters: Any) -> list[Any]:
        """All items of a list, page by page."""
        items: list[Any] = []
        cursor: str | None = None
        while True:
            page = await self.read(path, cursor=cursor, **parameters)
            items.extend(page["items"])
            cursor = page["next_cursor"]
            if cursor is None:
                return items

    async def fetch(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """Rows of the database, read and written as the migrator: for set-up and proof."""
        rows: list[asyncpg.Record] = await self._connection.fetch(sql, *values)
        return rows

    async def value(self, sql: str, *values: object) -> Any:
        """The first value of the first row."""
        return await self._connection.fetchval(sql, *values)

    async def sell_out(self, slug: str) -> None:
        """Nothing is left of a product, and the worker has heard of it."""
        await self.fetch(SOLD_OUT, slug)
        await self.work()

    async def expire(self, slug: str) -> None:
        """The certificates of a product's vendor ended long ago, and the worker has heard of it."""
        await self.fetch(EXPIRED, slug)
        await self.work()

    async def refresh(self, *product_ids: UUID) -> list[UUID]:
        """Rebuild documents; the products whose document changed."""
        return [row[0] for row in await self.fetch("SELECT catalog.refresh_documents($1)", list(product_ids))]

    async def work(self) -> None:
        """Let the worker do all there is to do."""
        await drain_until_idle(self.settings.database_dsn(Role.worker), self.jobs)

    async def schedule(self, name: str) -> None:
        """Run what a schedule does at its time."""
        await self.jobs.schedules[name].handler()

    async def broken(self) -> list[Finding]:
        """What the checks of this service find."""
        return [finding for finding in await examine(self._connection, CHECKS) if finding.offenders]

    def count_queries(self) -> AbstractContextManager[list[str]]:
        """Collects the statements that the service sends meanwhile."""
        return counted_queries([self.database])


@asynccontextmanager
async def open_shelf(database: TestDatabase, settings: Settings | None = None) -> AsyncIterator[Shelf]:
    """The service on `database`, closed at the end; `settings` are those of the database unless others are given."""
    settings = settings or database.settings
    app = create_app(Runtime.of(settings))
    async with AsyncExitStack() as closing:
        closing.push_async_callback(close_service, app)
        client = await closing.enter_async_context(
            AsyncClient(transport=ASGITransport(app), base_url="http://catalog.test", timeout=60)
        )
        connection = await database.connect(Role.migrator)
        closing.push_async_callback(connection.close)
        yield Shelf(settings, app, client, connection)
