"""Doors that the tests of the gateway share."""

from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from gateway.app import create_identity
from gateway.routes import IDENTITY, ROUTES
from ishop import logs
from ishop.settings import Settings
from tests.databases import Cluster, TestDatabase
from tests.gateway import probes
from tests.gateway.doors import Door, open_door
from tests.modes import MODES


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """Logs as in production: structlog's own default takes seconds to draw a traceback."""
    before = structlog.get_config()
    logs.configure(Settings(_env_file=None))
    yield
    structlog.configure(**before)


@pytest.fixture(scope="module", params=MODES)
async def door(
    request: pytest.FixtureRequest, cluster: Cluster, migrated_template: TestDatabase
) -> AsyncIterator[Door]:
    """A gateway before the probe service, which asks its database for nothing but whether it is there; either way."""
    async with (
        cluster.clone(migrated_template) as database,
        open_door(database.settings, probes.ROUTES, {probes.PROBE: probes.create_probe}, mode=request.param) as opened,
    ):
        yield opened


@pytest.fixture
async def identity(database: TestDatabase) -> AsyncIterator[Door]:
    """A gateway before the real identity service, on a migrated database without data."""
    routes = [route for route in ROUTES if route.upstream == IDENTITY]
    async with open_door(database.settings, routes, {IDENTITY: create_identity}) as opened:
        yield opened
