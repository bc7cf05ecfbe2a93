"""A whole market for a proof: gateway, services and database of a test, behind a real socket."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from benchmarks.prove.market import Market
from ishop.settings import Role
from ishop.worker import run_worker
from tests.databases import Cluster
from tests.markets import TestMarket
from tests.modes import served
from tests.prove.planted import Door


@pytest.fixture
def door(market: TestMarket) -> Door:
    """Where bugs of the gateway are planted."""
    return Door(market.market.gateway)


@pytest.fixture
async def proved(cluster: Cluster, market: TestMarket, door: Door) -> AsyncIterator[Market]:
    """The market at its doors, with a worker that starts again whenever the clock is looked at."""
    stop = asyncio.Event()
    working: list[asyncio.Task[None]] = []

    async def end() -> None:
        stop.set()
        await asyncio.gather(*working)
        working.clear()
        stop.clear()

    async def wake() -> None:
        await end()
        worker = run_worker(market.database.dsn(Role.worker), market.market.jobs, stop=stop)
        working.append(asyncio.create_task(worker))

    database = cluster.superuser_dsn.rpartition("/")[0] + f"/{market.settings.database_name}"
    async with served(door, market.settings) as url:
        await wake()
        yield Market([url], database, wake)
        await end()
