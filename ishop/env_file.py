"""The .env of docker-compose.yml, made from .env.example: `NAME=` is filled with a strong secret or left to be set."""

import json
import os
import re
import secrets
from pathlib import Path
from typing import Final

from joserfc.jwk import KeySet

from ishop.home import StartupError, new_signing_key
from ishop.settings import Role

EMPTY: Final = re.compile(r"^([A-Z][A-Z0-9_]*)=$", re.MULTILINE)
OWNER_ONLY: Final = 0o600


def write(template: Path, target: Path) -> list[str]:
    """Make `target` from `template` and return the variables that are left to be set by hand.

    Raises StartupError where there is one already: its secrets are in use, and new ones would lock its data up.
    """
    try:
        text = template.read_text()
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    except FileExistsError as error:
        raise StartupError(
            f"{target} is there already, and the market may be using its secrets. Change it by hand, or move it away."
        ) from error
    except OSError as error:
        raise StartupError(f"{error.filename} cannot be used: {error.strerror}.") from error
    made = _make_secrets()
    with os.fdopen(descriptor, "w") as file:
        file.write(EMPTY.sub(lambda line: line[0] + made.get(line[1], ""), text))
    return [name for name in EMPTY.findall(text) if name not in made]


def _make_secrets() -> dict[str, str]:
    key = new_signing_key()
    # In single quotes neither Compose nor a shell looks into the text.
    made = {
        "ISHOP_SIGNING_KEY": f"'{json.dumps(key.as_dict(private=True))}'",
        "ISHOP_VERIFY_KEYS": f"'{json.dumps(KeySet([key]).as_dict(private=False))}'",
    }
    passwords = ("POSTGRES_PASSWORD", "MEILI_MASTER_KEY", *(role.variable for role in Role))
    return made | {name: secrets.token_urlsafe(32) for name in passwords}
