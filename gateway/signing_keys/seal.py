"""How the private parts of signing keys are kept."""

import base64
import secrets
from typing import Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.jwk import OKPKey

NONCE_BYTES: Final = 12
PURPOSE: Final = b"ishop signing keys 1"


class Seal:
    """Encrypts private keys (AES-256-GCM) by a key derived (HKDF) from the one of the settings."""

    def __init__(self, own: OKPKey) -> None:
        private = base64.urlsafe_b64decode(f"{own.as_dict(private=True)['d']}=")
        self._cipher = AESGCM(HKDF(SHA256(), 32, salt=None, info=PURPOSE).derive(private))

    def close(self, key: OKPKey) -> bytes:
        """The private part for the database; it opens under this key's id only."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        plain = orjson.dumps(key.as_dict(private=True))
        return nonce + self._cipher.encrypt(nonce, plain, str(key.kid).encode())

    def open(self, kid: str, sealed: bytes) -> OKPKey | None:
        """The key; None where it was closed by another ISHOP_SIGNING_KEY."""
        try:
            plain = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], kid.encode())
        except InvalidTag:
            return None
        return OKPKey.import_key(orjson.loads(plain))
