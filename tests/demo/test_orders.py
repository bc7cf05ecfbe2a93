"""The orders of a demo market: as many as asked for, of every state, and no invariant of the data is broken."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from demo.accounts import DemoAccountsRefused
from demo.orders import add_orders
from ishop.doctor import examine
from ishop.market import all_checks
from ishop.settings import Role
from tests.databases import Cluster, TestDatabase


@pytest.fixture
async def filled(cluster: Cluster, market_template: TestDatabase) -> AsyncIterator[TestDatabase]:
    async with cluster.clone(market_template) as database:
        yield database


async def test_orders_are_of_every_state_and_break_no_invariant(filled: TestDatabase) -> None:
    connection = await filled.connect(Role.migrator)
    available = "SELECT sku_id, on_hand - reserved FROM vendors.stock ORDER BY sku_id"
    before = await connection.fetch(available)
    steps: list[tuple[str, int, int]] = []
    await add_orders(filled.dsn(Role.migrator), 1_500, batch=200, progress=lambda *step: steps.append(step))
    assert ("orders", 1_500, 1_500) in steps
    assert await connection.fetchval("SELECT count(*) FROM orders.orders") == 1_500
    states = await connection.fetch("SELECT DISTINCT status FROM orders.vendor_orders")
    assert {row["status"] for row in states} == {"placed", "accepted", "shipped", "delivered", "rejected", "cancelled"}
    assert await connection.fetchval("SELECT count(*) FROM orders.orders WHERE organization_id IS NOT NULL") == 15
    assert await connection.fetch(available) == before
    await add_orders(filled.dsn(Role.migrator), 100, progress=lambda *_: None)
    assert await connection.fetchval("SELECT count(*) FROM orders.orders") == 1_600
    findings = await examine(connection, all_checks())
    assert {finding.name: finding.examples for finding in findings if finding.offenders} == {}
    await connection.close()


async def test_a_market_without_demo_accounts_gets_no_orders(empty_database: TestDatabase) -> None:
    with pytest.raises(DemoAccountsRefused):
        await add_orders(empty_database.dsn(Role.migrator), 10, progress=lambda *_: None)
    connection: asyncpg.Connection = await empty_database.connect(Role.migrator)
    assert await connection.fetchval("SELECT count(*) FROM orders.orders") == 0
    await connection.close()
