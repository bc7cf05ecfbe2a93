"""What makes a password too easy to guess: length says nothing about those that everybody tries first."""

from functools import cache
from pathlib import Path
from typing import Final, Literal

MIN_LENGTH: Final = 10
MAX_LENGTH: Final = 128

Weakness = Literal["password_is_email", "password_too_common"]

SENTENCES: Final[dict[Weakness, str]] = {
    "password_is_email": "The password is the e-mail address.",
    "password_too_common": "Too many people have this password; choose another one.",
}


@cache
def commonest() -> frozenset[str]:
    """The commonest passwords of at least MIN_LENGTH characters; shorter ones are refused anyway."""
    lines = Path(__file__).with_name("common_passwords.txt").read_text().splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


def weakness(password: str, email: str) -> Weakness | None:
    """Why this password may not be chosen; None where it may. Case and spaces around it make no difference."""
    plain = password.strip().casefold()
    if plain in {email, email.partition("@")[0]}:
        return "password_is_email"
    if plain in commonest() or len(set(plain)) == 1:
        return "password_too_common"
    return None
