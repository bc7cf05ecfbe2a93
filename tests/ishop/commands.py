"""The command line as an operator uses it: a process of its own, in a directory and an environment of its own."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ishop.settings import Role
from tests.databases import TestDatabase

ISHOP = Path(sys.executable).with_name("ishop")


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


async def ishop(*arguments: str, cwd: Path, environment: Mapping[str, str]) -> Ended:
    """Run `ishop` with nothing set but `environment`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ISHOP_", "MEILI_", "OTEL_"))}
    process = await asyncio.create_subprocess_exec(
        ISHOP,
        *arguments,
        cwd=cwd,
        env={**kept, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


def reaching(database: TestDatabase) -> dict[str, str]:
    """The environment of a process that works on `database`."""
    settings = database.settings
    assert settings.signing_key is not None
    return {
        "ISHOP_DATABASE_HOST": settings.database_host,
        "ISHOP_DATABASE_PORT": str(settings.database_port),
        "ISHOP_DATABASE_NAME": settings.database_name,
        "ISHOP_SIGNING_KEY": settings.signing_key.get_secret_value(),
        **{role.variable: settings.password(role) for role in Role},
    }
