"""Secrets that are shown once: refresh tokens, and the tokens that mails carry. Only their hashes are stored."""

import hashlib
import secrets
from typing import Final

SECRET_BYTES: Final = 32


def new_secret() -> str:
    """256 random bits as text."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hash_of(secret: str) -> bytes:
    """What is stored. A plain hash will do: what is hashed is 256 random bits, which nobody can guess."""
    return hashlib.sha256(secret.encode()).digest()
