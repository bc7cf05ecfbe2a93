"""The mail port: the mailbox and a real SMTP server pass the same tests."""

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from uuid import UUID

import aiosmtplib
import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from gateway.identity.mails.domain import Mail, MailClient
from gateway.identity.mails.repository import Mailbox
from gateway.identity.mails.service import client_of
from ishop.database import Database
from ishop.settings import Role, Settings
from tests.databases import TestDatabase

FROM = "i-Shop NTB <halo@ishop.test>"
Arrived = Callable[[], Awaitable[list[tuple[str, str, str, str]]]]


@dataclass
class Inbox:
    """What a real SMTP server was handed, and how."""

    mails: list[tuple[str, str, str, str]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name.
        """Take a mail in."""
        message = message_from_bytes(envelope.content, policy=policy.default)
        [recipient] = envelope.rcpt_tos
        body = message.get_content().replace("\r\n", "\n")
        assert message["To"] == recipient
        self.mails.append((recipient, message["From"], message["Subject"], body))
        self.ids.append(message["Message-ID"])
        self.encrypted.append(session.ssl is not None)
        return "250 OK"

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, login: Any) -> AuthResult:
        """Let one in who knows the password."""
        self.logins.append((login.login, login.password))
        return AuthResult(success=login.password == b"rah@sia", handled=False)


@asynccontextmanager
async def smtp_server(inbox: Inbox, *, ssl_context: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[int]:
    """A real SMTP server on the loopback; its port."""
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(inbox, hostname="mail.test", **options), "127.0.0.1", 0, ssl=ssl_context
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


def client(database: TestDatabase, opened: Database, url: str) -> MailClient:
    """The client for `url`."""
    return client_of(database.settings.model_copy(update={"mail_url": SecretStr(url), "mail_from": FROM}), opened)


@pytest.fixture
async def opened(database: TestDatabase) -> AsyncIterator[Database]:
    """The database as the gateway sees it."""
    made = Database(database.settings, Role.gateway)
    yield made
    await made.close()


@pytest.fixture(params=["mailbox", "smtp"])
async def post(
    request: pytest.FixtureRequest, database: TestDatabase, opened: Database
) -> AsyncIterator[tuple[MailClient, Arrived]]:
    """A client, and what has arrived where it sends to."""
    if request.param == "mailbox":
        box = client(database, opened, "mailbox")
        assert isinstance(box, Mailbox)

        async def kept() -> list[tuple[str, str, str, str]]:
            connection = await database.connect(Role.migrator)
            rows = await connection.fetch("SELECT recipient, sender, subject, body FROM identity.mails ORDER BY id")
            await connection.close()
            return [tuple(row) for row in rows]

        yield box, kept
        return
    inbox = Inbox()
    async with smtp_server(inbox) as port:

        async def received() -> list[tuple[str, str, str, str]]:
            return inbox.mails

        yield client(database, opened, f"smtp://127.0.0.1:{port}"), received


ids = itertools.count(1)


def new_id() -> UUID:
    """Ids that grow, as those of the database do."""
    return UUID(int=next(ids))


class TestEveryClient:
    async def test_mail_arrives_whole(self, post: tuple[MailClient, Arrived]) -> None:
        sender, arrived = post
        body = (
            "Halo Baiq,\n\n"
            + "é" * 200
            + "\n.\nhttps://market.test/confirm#token="
            + "a" * 43
            + "\n\nSampai jumpa – i-Shop\n"
        )
        await sender.send(Mail("sari@example.test", "Selamat datang – di i-Shop", body), new_id())
        assert await arrived() == [("sari@example.test", FROM, "Selamat datang – di i-Shop", body)]

    async def test_each_goes_to_its_own_recipient(self, post: tuple[MailClient, Arrived]) -> None:
        sender, arrived = post
        for name in ("sari", "budi"):
            await sender.send(Mail(f"{name}@example.test", "Halo", f"{name}\n"), new_id())
        assert [(mail[0], mail[3]) for mail in await arrived()] == [
            ("sari@example.test", "sari\n"),
            ("budi@example.test", "budi\n"),
        ]


class TestSmtp:
    async def test_message_id_is_the_same_when_it_is_sent_again(self, database: TestDatabase, opened: Database) -> None:
        inbox, mail_id = Inbox(), new_id()
        async with smtp_server(inbox) as port:
            sender = client(database, opened, f"smtp://127.0.0.1:{port}")
            for _ in range(2):
                await sender.send(Mail("sari@example.test", "Halo", "Halo\n"), mail_id)
        assert inbox.ids == [f"<{mail_id}@ishop.test>"] * 2

    async def test_nothing_can_be_slipped_into_the_header(self, database: TestDatabase, opened: Database) -> None:
        inbox = Inbox()
        async with smtp_server(inbox) as port:
            sender = client(database, opened, f"smtp://127.0.0.1:{port}")
            for mail in (
                Mail("sari@example.test\nBcc: budi@example.test", "Halo", "x\n"),
                Mail("sari@example.test, budi@example.test", "Halo", "x\n"),
                Mail("sari@example.test", "Halo\nBcc: budi@example.test", "x\n"),
            ):
                with pytest.raises((ValueError, IndexError)):
                    await sender.send(mail, new_id())
        assert inbox.mails == []

    async def test_fails_when_nobody_answers(self, database: TestDatabase, opened: Database) -> None:
        async with smtp_server(Inbox()) as port:
            pass
        with pytest.raises(aiosmtplib.SMTPConnectError):
            await client(database, opened, f"smtp://127.0.0.1:{port}").send(
                Mail("sari@example.test", "Halo", "x\n"), new_id()
            )

    async def test_password_goes_over_tls_only(
        self, database: TestDatabase, opened: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        context = trusted_by_clients(tmp_path, monkeypatch)
        inbox, mail = Inbox(), Mail("sari@example.test", "Halo", "Halo\n")
        async with smtp_server(inbox, tls_context=context, authenticator=inbox.authenticate) as port:
            await client(database, opened, f"smtp://pos%40ishop:rah%40sia@127.0.0.1:{port}").send(mail, new_id())
            await client(database, opened, f"smtp://127.0.0.1:{port}").send(mail, new_id())
            with pytest.raises(aiosmtplib.SMTPAuthenticationError):
                await client(database, opened, f"smtp://pos:salah@127.0.0.1:{port}").send(mail, new_id())
        assert inbox.logins[0] == (b"pos@ishop", b"rah@sia")
        assert inbox.encrypted == [True, True]
        plain = Inbox()
        async with smtp_server(plain, authenticator=plain.authenticate, auth_require_tls=False) as port:
            with pytest.raises(aiosmtplib.SMTPException):
                await client(database, opened, f"smtp://pos:rah%40sia@127.0.0.1:{port}").send(mail, new_id())
        assert (plain.logins, plain.mails) == ([], [])

    async def test_server_with_a_certificate_that_nobody_knows_is_not_spoken_to(
        self, database: TestDatabase, opened: Database, tmp_path: Path
    ) -> None:
        inbox = Inbox()
        async with smtp_server(inbox, tls_context=self_signed(tmp_path)) as port:
            with pytest.raises(ssl.SSLCertVerificationError):
                await client(database, opened, f"smtp://127.0.0.1:{port}").send(
                    Mail("sari@example.test", "Halo", "x\n"), new_id()
                )
        assert inbox.mails == []

    async def test_tls_from_the_start(
        self, database: TestDatabase, opened: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        context = trusted_by_clients(tmp_path, monkeypatch)
        inbox = Inbox()
        async with smtp_server(inbox, ssl_context=context) as port:
            await client(database, opened, f"smtps://127.0.0.1:{port}").send(
                Mail("sari@example.test", "Halo", "Halo\n"), new_id()
            )
        assert [mail[0] for mail in inbox.mails] == ["sari@example.test"]


class TestSettings:
    @pytest.mark.parametrize("url", ["http://mail.test", "smtp://", "mail.test:25", "smtp:mail.test"])
    async def test_refused_when_it_is_no_mail_server(self, database: TestDatabase, opened: Database, url: str) -> None:
        with pytest.raises(ValueError, match="ISHOP_MAIL_URL"):
            client(database, opened, url)

    def test_password_does_not_show(self) -> None:
        assert "rahasia" not in repr(Settings(_env_file=None, mail_url=SecretStr("smtp://pos:rahasia@mail.test")))


def self_signed(directory: Path) -> ssl.SSLContext:
    """A server's TLS with a certificate of its own for 127.0.0.1, in `certificate.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (directory / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "certificate.pem", directory / "key.pem")
    return context


def trusted_by_clients(directory: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The same, and clients of this process trust it as they trust the authorities of the system."""
    context = self_signed(directory)
    monkeypatch.setenv("SSL_CERT_FILE", str(directory / "certificate.pem"))
    return context
