"""What the worker does for persons that are gone."""

from typing import Final

from gateway.identity.privacy import service
from ishop.database import Database
from ishop.jobs import Jobs

EVERY_NIGHT: Final = "53 18 * * *"
"""02:53 in Mataram."""


def register(jobs: Jobs, database: Database) -> None:
    """Every night the services are told again of whom they may hold nothing any more."""

    async def erase_again() -> None:
        async with database.writing() as session:
            await service.erase_again(session)
            await session.commit()

    jobs.every("identity_erase_again", EVERY_NIGHT, erase_again)
