"""Every selective filter and sort has an index, seen on a small table where nothing else may be used."""

from collections.abc import AsyncIterator

import pytest

from demo.orders import add_orders
from ishop.settings import Role
from tests.databases import Cluster, TestDatabase
from tests.markets import TestMarket, running_market
from tests.million.asked import EVERYTHING, LISTS, PAGES, Asked
from tests.million.plans import plan_of

ONLY_INDEXES = ("enable_seqscan = off", "enable_sort = off", "enable_bitmapscan = off", "enable_incremental_sort = off")
"""On a small table reading all of it is cheapest; without that the planner takes the index that fits, if any does."""

ANY_SCAN = ("enable_seqscan = off",)
"""An index of words can be read as a bitmap only."""


@pytest.fixture(scope="module")
async def bought_from(cluster: Cluster, market_template: TestDatabase) -> AsyncIterator[TestMarket]:
    """A small market with orders."""
    async with cluster.clone(market_template) as database:
        await add_orders(database.dsn(Role.migrator), 1_000, progress=lambda *_: None)
        async with running_market(database) as market:
            yield market


@pytest.mark.parametrize("asked", EVERYTHING, ids=lambda asked: asked.name)
async def test_an_index_answers(bought_from: TestMarket, asked: Asked) -> None:
    client = await bought_from.client(asked.who) if asked.who else bought_from.anonymous
    plan = await plan_of(bought_from, asked, client, ONLY_INDEXES if asked.sorted_by_it else ANY_SCAN)
    assert plan.statements
    assert plan.read_whole == frozenset()
    if asked in LISTS + PAGES:  # Which index finds an order among a few is a toss; a large market tells.
        assert plan.lacks(asked) == []


async def test_a_missing_index_would_be_noticed(cluster: Cluster, market_template: TestDatabase) -> None:
    by_region = next(asked for asked in LISTS if asked.name == "list by price: region")
    async with cluster.clone(market_template) as database:
        await add_orders(database.dsn(Role.migrator), 100, progress=lambda *_: None)
        async with running_market(database) as market:
            await market.execute("DROP INDEX catalog.ix_product_documents_region_price")
            plan = await plan_of(market, by_region, market.anonymous, ONLY_INDEXES)
    assert plan.lacks(by_region) == ["ix_product_documents_region_price"]
