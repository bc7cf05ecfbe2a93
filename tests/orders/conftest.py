"""The shop: vendors, hotels and goods with the orders service in front of them, on a database of its own."""

from collections.abc import AsyncIterator

import pytest

from tests.databases import TestDatabase
from tests.orders.shops import Shop, open_shop


@pytest.fixture
async def shop(database: TestDatabase) -> AsyncIterator[Shop]:
    """A shop of its own for one test."""
    async with open_shop(database) as opened:
        yield opened
