"""The certificate of a gateway that has no proxy before it, read again when its files change."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import structlog

from ishop.home import StartupError
from ishop.settings import Settings

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Certificate:
    """The chain and its key, as PEM files; raises StartupError where they cannot be used."""

    chain: Path
    key: Path
    _read: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """That of ISHOP_TLS_CERTIFICATE and ISHOP_TLS_KEY; None where they are not set."""
        if settings.tls_certificate is None or settings.tls_key is None:
            return None
        certificate = cls(settings.tls_certificate, settings.tls_key)
        try:
            certificate.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        except OSError as error:
            raise StartupError(
                f"ISHOP_TLS_CERTIFICATE and ISHOP_TLS_KEY cannot be used: {error.strerror or 'no PEM files'}."
            ) from error
        return certificate

    def load_into(self, context: ssl.SSLContext) -> None:
        """Use the files for new connections; raises OSError."""
        read = self._stamps()
        context.load_cert_chain(self.chain, self.key)
        self._read = read

    def renew(self, context: ssl.SSLContext) -> None:
        """Where the files have changed, use them; where they cannot be used, go on with what was read before."""
        try:
            if self._stamps() == self._read:
                return
            # First into one that nobody uses: a chain and a key that do not belong together would spoil the live one.
            self.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
            self.load_into(context)
            log.info("the certificate was read again")
        except OSError as error:
            log.warning("the certificate could not be read again", reason=type(error).__name__)

    def _stamps(self) -> tuple[int, int]:
        return self.chain.stat().st_mtime_ns, self.key.stat().st_mtime_ns
