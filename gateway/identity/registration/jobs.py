"""What happens to accounts by the clock alone."""

from typing import Final

import structlog

from gateway.identity.registration import repository
from ishop.database import Database
from ishop.jobs import Jobs

log = structlog.get_logger(__name__)

EVERY_NIGHT: Final = "23 18 * * *"
"""02:23 in Mataram."""


def register(jobs: Jobs, database: Database) -> None:
    """Accounts that came to nothing are forgotten every night."""

    async def purge() -> None:
        async with database.writing() as session:
            purged = await repository.purge(session)
            await session.commit()
        if purged:
            log.info("unconfirmed accounts purged", accounts=purged)

    jobs.every("identity_purge_unconfirmed", EVERY_NIGHT, purge)
