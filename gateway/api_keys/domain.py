"""What an API key looks like, and who may have which scopes."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ishop import scopes

KEY: Final = re.compile(r"ishop_([a-z2-7]{12})_([A-Za-z0-9_-]{43})")
PREFIX_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
PREFIX_LENGTH: Final = 12
SECRET_BYTES: Final = 32
MAX_LIVE_KEYS: Final = 20
"""Of one owner; a program needs one, and two while it is rotated."""


class Owner(StrEnum):
    """Whom a service account acts for."""

    vendor = "vendor"
    organization = "organization"
    office = "office"


SCOPES_OF: Final = {
    Owner.vendor: scopes.OF_VENDORS,
    Owner.organization: scopes.OF_ORGANIZATIONS,
    Owner.office: scopes.OF_THE_OFFICE,
}
ROLES_OF: Final = {
    Owner.vendor: ("staff",),
    Owner.organization: ("requester", "approver", "receiver", "finance"),
    Owner.office: ("office",),
}
"""What a program may be, the usual first: never an owner, whose matters are those of persons."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A key as text: `prefix` names it in lists and logs, the secret behind it is 256 random bits."""

    prefix: str
    text: str

    @classmethod
    def new(cls) -> "Secret":
        """One that nobody has seen yet."""
        prefix = "".join(secrets.choice(PREFIX_ALPHABET) for _ in range(PREFIX_LENGTH))
        return cls(prefix, f"ishop_{prefix}_{secrets.token_urlsafe(SECRET_BYTES)}")

    @classmethod
    def read(cls, text: str) -> "Secret | None":
        """What a caller sent; None where it is not of our making."""
        match = KEY.fullmatch(text)
        return None if match is None else cls(match[1], text)

    @property
    def hash(self) -> bytes:
        """A plain hash will do: what is hashed is 256 random bits, which nobody can guess."""
        return hashlib.sha256(self.text.encode()).digest()
