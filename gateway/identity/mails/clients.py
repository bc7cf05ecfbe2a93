"""Mails over SMTP."""

from email.headerregistry import Address
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit
from uuid import UUID

import aiosmtplib

from gateway.identity.mails.domain import Mail

TIMEOUT_SECONDS: Final = 20
DEFAULT_PORTS: Final = {"smtp": 587, "smtps": 465}


class SmtpClient:
    """Hands mails to an SMTP server: TLS from the start (`smtps`), or STARTTLS where the server offers it (`smtp`).

    With a password STARTTLS is required, so that nobody on the way can read it by hiding the offer.
    """

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            raise ValueError("ISHOP_MAIL_URL must be `mailbox` or like smtp://user:pass@mail.example.org:587")
        self._host = parts.hostname
        self._port = parts.port or DEFAULT_PORTS[parts.scheme]
        self._username = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._tls = parts.scheme == "smtps"
        self._sender = sender
        self._domain = sender.rpartition("@")[2].rstrip(">")

    async def send(self, mail: Mail, mail_id: UUID) -> None:
        """Hand the mail over; its Message-ID is that of `mail_id`."""
        await aiosmtplib.send(
            self._message(mail, mail_id),
            hostname=self._host,
            port=self._port,
            username=self._username,
            password=self._password,
            use_tls=self._tls,
            start_tls=False if self._tls else (True if self._username else None),
            timeout=TIMEOUT_SECONDS,
        )

    def _message(self, mail: Mail, mail_id: UUID) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        # Built of its parts, so that nothing in an address can become a second one.
        message["To"] = Address(addr_spec=mail.recipient)
        message["Subject"] = mail.subject
        message["Message-ID"] = f"<{mail_id}@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.body)
        return message
