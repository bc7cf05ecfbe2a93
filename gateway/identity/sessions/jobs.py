"""What happens to sessions by the clock alone."""

from typing import Final

from gateway.identity.sessions import repository
from ishop.database import Database
from ishop.jobs import Jobs

EVERY_NIGHT: Final = "41 18 * * *"
"""02:41 in Mataram."""


def register(jobs: Jobs, database: Database) -> None:
    """Sessions that ended or expired long ago are forgotten every night, and so are networks."""

    async def purge() -> None:
        async with database.writing() as session:
            await repository.purge(session)
            await session.commit()

    jobs.every("identity_purge_sessions", EVERY_NIGHT, purge)
