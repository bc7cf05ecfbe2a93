"""Doors that the tests of the gateway share."""

from collections.abc import AsyncIterator

import pytest

from gateway.app import create_identity
from gateway.routes import IDENTITY, ROUTES
from tests.databases import TestDatabase
from tests.gateway import probes
from tests.gateway.doors import Door, open_door


@pytest.fixture
async def door(database: TestDatabase) -> AsyncIterator[Door]:
    """A gateway before the probe service, which asks its database for nothing but whether it is there."""
    async with open_door(database.settings, probes.ROUTES, {probes.PROBE: probes.create_probe}) as opened:
        yield opened


@pytest.fixture
async def identity(database: TestDatabase) -> AsyncIterator[Door]:
    """A gateway before the real identity service, on a migrated database without data."""
    routes = [route for route in ROUTES if route.upstream == IDENTITY]
    async with open_door(database.settings, routes, {IDENTITY: create_identity}) as opened:
        yield opened
