"""Fixtures of the tests that go through several services."""

import pytest

from tests.e2e.parties import HOTEL, VENDOR, Group, Party
from tests.markets import TestMarket


@pytest.fixture(params=[VENDOR, HOTEL], ids=["vendor", "organization"])
async def group(request: pytest.FixtureRequest, market: TestMarket) -> Group:
    """A vendor, and once more an organization, in a market of its own."""
    party: Party = request.param
    manager = await market.client(party.email)
    me = (await manager.get("/v1/me")).json()
    return Group(market, party, me[party.kind][0]["id"], manager, me["id"])
