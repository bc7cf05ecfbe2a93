"""Requested mails, and the mailbox of a development market, in the database."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.identity.mails.domain import Mail
from ishop.database import Database

MOST_PER_HOUR: Final = 5
"""Mails of one kind to one address: anybody may type anybody's address in."""

KEPT: Final = timedelta(days=7)

ADD = text(
    "INSERT INTO identity.mail_requests (kind, email, subject_id) VALUES (:kind, :email, :subject_id) RETURNING id"
)

# What is over the limit stays unsent for good: the mails before it said the same.
WAITING = text(
    "SELECT r.id, r.kind, r.email, r.subject_id, "
    "(SELECT count(*) FROM identity.mail_requests s WHERE s.email = r.email AND s.kind = r.kind "
    " AND s.id < r.id AND s.created_at > r.created_at - interval '1 hour') >= :most AS too_many "
    "FROM identity.mail_requests r WHERE r.id = :id AND r.done_at IS NULL"
)

DONE = text("UPDATE identity.mail_requests SET done_at = now() WHERE id = :id")

KEEP = text(
    "INSERT INTO identity.mails (id, recipient, sender, subject, body) "
    "VALUES (:id, :recipient, :sender, :subject, :body) "
    "ON CONFLICT (id) DO UPDATE SET body = excluded.body, created_at = now()"
)

KEPT_MAILS = text(
    "SELECT created_at, recipient, subject, body FROM identity.mails "
    "WHERE CAST(:recipient AS text) IS NULL OR recipient = :recipient ORDER BY id"
)

PURGE = (
    text("DELETE FROM identity.mail_requests WHERE created_at < now() - CAST(:kept AS interval)"),
    text("DELETE FROM identity.mails WHERE created_at < now() - CAST(:kept AS interval)"),
)


@dataclass(frozen=True, slots=True)
class MailRequested:
    """A mail that somebody asked for and that has not left yet."""

    id: UUID
    kind: str
    email: str
    subject_id: UUID | None
    too_many: bool


@dataclass(frozen=True, slots=True)
class KeptMail:
    """A mail in the mailbox."""

    created_at: datetime
    recipient: str
    subject: str
    body: str


async def add(session: AsyncSession, kind: str, email: str, subject_id: UUID | None) -> UUID:
    """Note that a mail is wanted, and return the id of the note."""
    values = {"kind": kind, "email": email, "subject_id": subject_id}
    added: UUID = (await session.execute(ADD, values)).scalar_one()
    return added


async def get_waiting(session: AsyncSession, request_id: UUID) -> MailRequested | None:
    """A request that was not done yet; None where it was, or is gone."""
    found = await session.execute(WAITING, {"id": request_id, "most": MOST_PER_HOUR})
    row = found.mappings().one_or_none()
    return None if row is None else MailRequested(**row)


async def set_done(session: AsyncSession, request_id: UUID) -> None:
    """Note that there is nothing more to do for a request."""
    await session.execute(DONE, {"id": request_id})


async def purge(session: AsyncSession) -> None:
    """Forget what is older than a week: addresses are persons, and nobody needs them any longer."""
    for statement in PURGE:
        await session.execute(statement, {"kept": KEPT})


class Mailbox:
    """Where the mails of a development market go: a table, which `ishop mail` prints."""

    def __init__(self, database: Database, sender: str) -> None:
        self._database = database
        self._sender = sender

    async def send(self, mail: Mail, mail_id: UUID) -> None:
        """Keep the mail; the same again replaces it."""
        values = {"id": mail_id, "recipient": mail.recipient, "subject": mail.subject, "body": mail.body}
        async with self._database.writing() as session:
            await session.execute(KEEP, values | {"sender": self._sender})
            await session.commit()

    async def sent(self, recipient: str | None) -> list[KeptMail]:
        """The mails to one address, or all of them, oldest first."""
        async with self._database.reading() as session:
            rows = await session.execute(KEPT_MAILS, {"recipient": recipient})
            return [KeptMail(*row) for row in rows]
