"""The shelf: the catalog service on a small demo market."""

from collections.abc import AsyncIterator

import pytest

from tests.catalog.shelves import Shelf, open_shelf
from tests.databases import Cluster, TestDatabase


@pytest.fixture
async def shelf(cluster: Cluster, market_template: TestDatabase) -> AsyncIterator[Shelf]:
    """A shelf of its own for one test."""
    async with cluster.clone(market_template) as database, open_shelf(database) as opened:
        yield opened


@pytest.fixture(scope="module")
async def shared_shelf(cluster: Cluster, market_template: TestDatabase) -> AsyncIterator[Shelf]:
    """A shelf that the tests of one module share: for tests that only read."""
    async with cluster.clone(market_template) as database, open_shelf(database) as opened:
        yield opened
