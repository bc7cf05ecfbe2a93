"""What the worker does about mails."""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from gateway.identity.mails import repository
from gateway.identity.mails.service import MAIL_REQUESTED, Post
from ishop.jobs import Jobs

AT_ONCE: Final = 4
EVERY_HOUR: Final = "17 * * * *"


def register(jobs: Jobs, post: Post) -> None:
    """Send what is asked for, and forget what is old."""

    async def deliver(keys: Sequence[str]) -> None:
        turns = asyncio.Semaphore(AT_ONCE)

        async def deliver_one(key: str) -> None:
            async with turns:
                await post.deliver(UUID(key))

        # One address that no server takes must not keep the others waiting: all are tried before one failure is told.
        outcomes = await asyncio.gather(*(deliver_one(key) for key in keys), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def purge() -> None:
        async with post.database.writing() as session:
            await repository.purge(session)
            await session.commit()

    jobs.on(MAIL_REQUESTED, deliver, first_retry=5)
    jobs.every("identity_purge_mails", EVERY_HOUR, purge)
