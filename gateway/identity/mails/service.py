"""Mails are asked for in the transaction of what they tell about, and written and sent by the worker."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from gateway.identity.mails import repository
from gateway.identity.mails.clients import SmtpClient
from gateway.identity.mails.domain import Mail, MailClient
from gateway.identity.mails.repository import Mailbox, MailRequested
from ishop import outbox
from ishop.database import Database
from ishop.routing import Session
from ishop.settings import Settings

log = structlog.get_logger(__name__)

MAILBOX: Final = "mailbox"

MAIL_REQUESTED: Final = "identity.mail_requested.v1"
"""A mail is to be written and sent; key: the id of its request."""

Writer = Callable[[Session, MailRequested, str], Awaitable[Mail | None]]
"""Writes the mail of a request, with links to the public address of the market; None where there is nothing to say.

What it stores (the hash of the token in the mail) is committed before the mail leaves."""


async def request(session: Session, kind: str, email: str, subject_id: UUID | None = None) -> None:
    """Have a mail of this kind sent to `email` once the transaction is committed.

    Takes the same time whatever the address is, because nothing is looked up: its writer does that.
    """
    await outbox.emit(session, MAIL_REQUESTED, [await repository.add(session, kind, email, subject_id)])


def client_of(settings: Settings, database: Database) -> MailClient:
    """The client that the settings ask for. Raises ValueError where they name no mail server."""
    url = MAILBOX if settings.mail_url is None else settings.mail_url.get_secret_value()
    return Mailbox(database, settings.mail_from) if url == MAILBOX else SmtpClient(url, settings.mail_from)


@dataclass(frozen=True, slots=True)
class Post:
    """Sends what was asked for: `writers` by kind, `client` as the settings have it."""

    database: Database
    client: MailClient
    public_url: str
    writers: Mapping[str, Writer]

    async def deliver(self, request_id: UUID) -> None:
        """Write and send one mail; does nothing for one that is done. Raises what the client raises.

        A worker that ends between sending and noting it sends again: a mail twice is better than none, and both carry
        a token that works.
        """
        async with self.database.writing() as session:
            wanted = await repository.get_waiting(session, request_id)
            if wanted is None:
                return
            mail = None if wanted.too_many else await self.writers[wanted.kind](session, wanted, self.public_url)
            await session.commit()
        if mail is not None:
            await self.client.send(mail, request_id)
        async with self.database.writing() as session:
            await repository.set_done(session, request_id)
            await session.commit()
        log.info("mail done", kind=wanted.kind, sent=mail is not None, too_many=wanted.too_many)
