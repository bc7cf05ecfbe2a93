"""What follows for orders when a person deletes its account."""

from collections.abc import Sequence
from uuid import UUID

from ishop.contracts.events import ORDERS_PERSON_ERASURE
from ishop.database import Database
from ishop.jobs import Jobs
from services.orders.erasure import repository


def register(jobs: Jobs, database: Database) -> None:
    """Forget persons that are gone."""

    async def erase(keys: Sequence[str]) -> None:
        async with database.writing() as session:
            await repository.erase(session, [UUID(key) for key in keys])
            await session.commit()

    jobs.on(ORDERS_PERSON_ERASURE, erase)
