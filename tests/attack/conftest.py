"""The market that is attacked: one a module, with objects of everybody in it."""

import pytest

from tests.attack.scene import Scene, build
from tests.markets import TestMarket


@pytest.fixture(scope="module")
async def scene(shared_market: TestMarket) -> Scene:
    """Who calls, and what each of them owns."""
    return await build(shared_market)
