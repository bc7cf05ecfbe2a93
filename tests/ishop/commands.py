"""The command line as an operator uses it: a process of its own, in a directory and an environment of its own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx

from ishop.settings import Role
from tests.databases import TestDatabase

ISHOP = Path(sys.executable).with_name("ishop")
START_SECONDS = 60


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


@asynccontextmanager
async def running(
    *arguments: str, cwd: Path, environment: Mapping[str, str], output: IO[bytes] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`ishop` while it runs, with nothing set but `environment`; killed at the end if it still runs.

    What it says goes to `output`, or into pipes that must be read before they are full.
    """
    process = await asyncio.create_subprocess_exec(
        ISHOP,
        *arguments,
        cwd=cwd,
        env={**_own_environment(), **environment},
        stdout=output or asyncio.subprocess.PIPE,
        stderr=output or asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def answered(url: str) -> httpx.Response:
    """The first answer of a process that is starting."""
    async with asyncio.timeout(START_SECONDS), httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                return await client.get(url)
            except httpx.TransportError:
                await asyncio.sleep(0.05)


async def ishop(*arguments: str, cwd: Path, environment: Mapping[str, str]) -> Ended:
    """Run `ishop` with nothing set but `environment`."""
    async with running(*arguments, cwd=cwd, environment=environment) as process:
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


def _own_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("ISHOP_", "MEILI_", "OTEL_"))}


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
