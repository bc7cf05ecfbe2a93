"""What the tests of identity share: the database beside the door, the worker behind it, and the mails that it sent."""

import re
from dataclasses import dataclass

from gateway.identity.app import register_jobs
from gateway.routes import IDENTITY
from ishop.jobs import Jobs
from ishop.settings import Role
from ishop.worker import drain_until_idle
from tests.databases import TestDatabase
from tests.gateway.doors import Door

TOKEN = re.compile(r"#token=([\w-]+)")


async def execute(database: TestDatabase, statement: str) -> None:
    """Change the database directly."""
    connection = await database.connect(Role.migrator)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def jobs_of(door: Door) -> Jobs:
    """What the worker does for identity."""
    jobs = Jobs()
    register_jobs(jobs, door.runtime, door.services[IDENTITY].state.database)
    return jobs


@dataclass(frozen=True)
class SentMail:
    """A mail as it lies in the mailbox."""

    recipient: str
    subject: str
    body: str

    @property
    def token(self) -> str:
        """The token in its link."""
        found = TOKEN.search(self.body)
        assert found is not None, self.body
        return found[1]


async def mails(door: Door, database: TestDatabase) -> list[SentMail]:
    """Let the worker send what was asked for, and take the mails out of the mailbox, oldest first."""
    await drain_until_idle(database.dsn(Role.worker), jobs_of(door))
    connection = await database.connect(Role.migrator)
    try:
        rows = await connection.fetch(
            "WITH taken AS (DELETE FROM identity.mails RETURNING *)"
            " SELECT recipient, subject, body FROM taken ORDER BY id"
        )
    finally:
        await connection.close()
    return [SentMail(*row) for row in rows]


async def mail(door: Door, database: TestDatabase) -> SentMail:
    """The one mail that was sent."""
    [sent] = await mails(door, database)
    return sent
