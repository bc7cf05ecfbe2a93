"""Search on the demo market, once for each engine."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from pydantic import SecretStr

from ishop.meili_process import EmbeddedMeilisearch, find_meilisearch
from ishop.settings import Settings
from services.catalog.search.index.writer import IndexWriter
from services.catalog.search.indexed import index_uid
from services.catalog.search.jobs import reindex
from tests.catalog.shelves import Shelf, open_shelf
from tests.conftest import MEILISEARCH_MISSING
from tests.databases import Cluster, TestDatabase
from tests.ishop.homes import temporary_home

KEY = "test-master-key-0123456789"
"""Of the Meilisearch that the tests start; a given one brings its own with MEILI_MASTER_KEY."""


@pytest.fixture(scope="session")
async def meilisearch() -> AsyncIterator[dict[str, object] | None]:
    """The settings of a real Meilisearch: the one at MEILI_URL, else the program on PATH; None where neither is."""
    if url := os.environ.get("MEILI_URL"):
        key = os.environ.get("MEILI_MASTER_KEY")
        yield {"meili_url": url, "meili_key": SecretStr(key) if key else None}
    elif find_meilisearch() is not None:
        with temporary_home() as home:
            async with EmbeddedMeilisearch(home, KEY) as server:
                yield {"meili_url": server.url, "meili_key": SecretStr(KEY)}
    else:
        yield None


@pytest.fixture
async def indexed(
    cluster: Cluster, market_template: TestDatabase, meilisearch: dict[str, object] | None
) -> AsyncIterator[Shelf]:
    """A shelf of its own for one test, with its index in Meilisearch."""
    async with AsyncExitStack() as closing:
        database = await closing.enter_async_context(cluster.clone(market_template))
        yield await _indexed(database, meilisearch, closing)


@pytest.fixture(scope="module", params=["postgres", pytest.param("meilisearch", marks=pytest.mark.meilisearch)])
async def searched(
    request: pytest.FixtureRequest,
    cluster: Cluster,
    market_template: TestDatabase,
    meilisearch: dict[str, object] | None,
) -> AsyncIterator[Shelf]:
    """A shelf that the tests of one module share, once for each engine; what they change they make for themselves."""
    async with AsyncExitStack() as closing:
        database = await closing.enter_async_context(cluster.clone(market_template))
        if request.param == "postgres":
            yield await closing.enter_async_context(open_shelf(database))
        else:
            yield await _indexed(database, meilisearch, closing)


async def _indexed(database: TestDatabase, found: dict[str, object] | None, closing: AsyncExitStack) -> Shelf:
    if found is None:
        pytest.skip(MEILISEARCH_MISSING)
    settings = database.settings.model_copy(update=found)
    shelf = await closing.enter_async_context(open_shelf(database, settings))
    await reindex(settings, shelf.database, lambda *_: None)
    closing.callback(_forget, settings)
    return shelf


def _forget(settings: Settings) -> None:
    IndexWriter(settings).delete(index_uid(settings))
