"""The stall: two vendors with the service in front of them, on a database of their own."""

from collections.abc import AsyncIterator

import pytest

from tests.databases import TestDatabase
from tests.vendors.stalls import Stall, open_stall


@pytest.fixture
async def stall(database: TestDatabase) -> AsyncIterator[Stall]:
    """A stall of its own for one test."""
    async with open_stall(database) as opened:
        yield opened
