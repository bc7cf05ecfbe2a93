"""TLS without a proxy, with certificates made here, on the loopback."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from ishop.home import StartupError
from ishop.settings import Settings
from ishop.tls import Certificate
from ishop.up import serve

PATIENCE = 20


def make(place: Path, name: str) -> None:
    """Write a certificate for the loopback that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (place / "chain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (place / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


async def scheme(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers how it was called."""
    await PlainTextResponse(scope["scheme"])(scope, receive, send)


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    make(tmp_path, "first")
    settings = Settings(_env_file=None, tls_certificate=tmp_path / "chain.pem", tls_key=tmp_path / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as door:
        stop, ready = asyncio.Event(), asyncio.Event()
        serving = asyncio.create_task(
            serve(scheme, door, stop, settings, ready=ready.set, certificate=Certificate.of(settings))
        )
        async with asyncio.timeout(PATIENCE):
            await ready.wait()
        yield door.getsockname()[1]
        stop.set()
        await serving


async def ask(port: int, trusted: Path) -> tuple[str, str]:
    """The body of an answer, and the name on the certificate, which must be the trusted one."""
    context = ssl.create_default_context(cafile=str(trusted))
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(b"GET / HTTP/1.1\r\nHost: market\r\nConnection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), PATIENCE)
    [[[_, name]]] = writer.get_extra_info("peercert")["subject"]
    writer.close()
    return answer.rpartition(b"\r\n")[2].decode(), name


class TestCertificate:
    async def test_is_shown_and_renewed_while_serving(self, port: int, tmp_path: Path) -> None:
        chain = tmp_path / "chain.pem"
        assert await ask(port, chain) == ("https", "first")
        old = chain.read_bytes()
        (tmp_path / "old.pem").write_bytes(old)
        chain.write_bytes(b"half of a ")  # As if somebody was in the midst of writing it.
        await asyncio.sleep(0)
        assert await ask(port, tmp_path / "old.pem") == ("https", "first")
        make(tmp_path, "second")
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    assert await ask(port, chain) == ("https", "second")
                    break
                except ssl.SSLError:
                    await asyncio.sleep(0.1)

    def test_a_broken_one_does_not_spoil_the_one_in_use(self, tmp_path: Path) -> None:
        make(tmp_path, "first")
        certificate = Certificate(tmp_path / "chain.pem", tmp_path / "key.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.load_into(context)
        key = certificate.key.read_bytes()
        make(tmp_path, "second")
        certificate.key.write_bytes(key)  # The new chain with the old key.
        certificate.renew(context)
        certificate.chain.unlink()
        certificate.renew(context)


class TestSettings:
    def test_refused_when_a_file_is_not_there(self, tmp_path: Path) -> None:
        settings = Settings(_env_file=None, tls_certificate=tmp_path / "no.pem", tls_key=tmp_path / "no.pem")
        with pytest.raises(StartupError, match="ISHOP_TLS_CERTIFICATE and ISHOP_TLS_KEY cannot be used"):
            Certificate.of(settings)

    def test_refused_when_one_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(ValidationError, match="belong together"):
            Settings(_env_file=None, tls_key=tmp_path / "key.pem")

    def test_none_when_none_is_set(self) -> None:
        assert Certificate.of(Settings(_env_file=None)) is None
