"""What the worker does so that documents and index follow what changes; also the way in for the command line.

`reindex(settings, database, progress)`, `reconcile(settings, database, progress)` and `index_drift(settings, database)`
are called by `ishop reindex`, `ishop up` and `ishop doctor`; `database` is that of the catalog's role.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from ishop.contracts.events import PRODUCT_CHANGED, STOCK_AVAILABILITY_CHANGED, VENDOR_CHANGED
from ishop.database import Database
from ishop.jobs import Jobs
from ishop.settings import Settings
from services.catalog.search import repository
from services.catalog.search.indexing import follow, index_drift, reconcile, reindex

__all__ = ["index_drift", "reconcile", "register", "reindex"]

REFRESHED_AT_ONCE: Final = 1000

EVERY_TEN_MINUTES: Final = "*/10 * * * *"
AFTER_MIDNIGHT: Final = "1 16 * * *"
"""One minute past midnight in the market; schedules are in UTC."""

RECONCILE_SECONDS: Final = 3600


def register(jobs: Jobs, settings: Settings, database: Database) -> None:
    """Register the jobs of search. Stock and vendors rebuild documents; changed documents are then indexed."""

    async def stock_availability_changed(keys: Sequence[str]) -> None:
        async with database.reading() as session:
            product_ids = await repository.products_of_skus(session, map(UUID, keys))
        await _refresh(database, product_ids)

    async def vendor_changed(keys: Sequence[str]) -> None:
        async with database.reading() as session:
            product_ids = await repository.products_of_vendors(session, map(UUID, keys))
        await _refresh(database, product_ids)

    async def product_changed(keys: Sequence[str]) -> None:
        if settings.meili_url is not None:
            await follow(settings, database, [UUID(key) for key in keys])

    async def a_day_begins() -> None:
        async with database.reading() as session:
            product_ids = await repository.overtaken_products(session)
        await _refresh(database, product_ids)

    async def reconcile_index() -> None:
        await reconcile(settings, database, lambda *_: None)

    jobs.on(STOCK_AVAILABILITY_CHANGED, stock_availability_changed, indexes=True)
    jobs.on(VENDOR_CHANGED, vendor_changed, indexes=True)
    jobs.on(PRODUCT_CHANGED, product_changed, indexes=True)
    jobs.every("catalog.certificates_of_the_day", AFTER_MIDNIGHT, a_day_begins)
    jobs.every("catalog.reconcile_index", EVERY_TEN_MINUTES, reconcile_index, timeout=RECONCILE_SECONDS)


async def _refresh(database: Database, product_ids: Sequence[UUID]) -> None:
    """Rebuild documents, some at a time, so that no transaction holds many products for long."""
    for start in range(0, len(product_ids), REFRESHED_AT_ONCE):
        async with database.writing() as session:
            await repository.refresh(session, product_ids[start : start + REFRESHED_AT_ONCE])
            await session.commit()
