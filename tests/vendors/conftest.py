"""The stall: two vendors with the service in front of them, on a database of their own."""

from collections.abc import AsyncIterator

import pytest

from tests.databases import Cluster, TestDatabase
from tests.vendors.stalls import Stall, open_stall


@pytest.fixture
async def stall(database: TestDatabase) -> AsyncIterator[Stall]:
    """A stall of its own for one test."""
    async with open_stall(database) as opened:
        yield opened


@pytest.fixture(scope="module")
async def shared_stall(cluster: Cluster, migrated_template: TestDatabase) -> AsyncIterator[Stall]:
    """A stall that the tests of one module share: for tests that touch only what they made."""
    async with cluster.clone(migrated_template) as database, open_stall(database) as opened:
        yield opened
