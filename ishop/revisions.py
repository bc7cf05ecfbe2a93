"""The revisions that this code knows, and bringing a database to one of them, in a process of its own.

Alembic, what it imports and what the revisions leave behind are 10 MiB, for what is done once in a while: a market
that serves holds none of it. So nothing here imports `ishop.migrations`; it is run as a program.
"""

import asyncio
import importlib.util
import re
import sys
from functools import cache
from pathlib import Path
from typing import Final

import asyncpg

from ishop.home import StartupError

REVISION: Final = re.compile(r'^revision = "(\w+)"$', re.MULTILINE)


def folder() -> Path:
    """The package `migrations`, as files."""
    package = importlib.util.find_spec("migrations")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("The package `migrations` is not installed.")
    return Path(package.submodule_search_locations[0])


@cache
def revisions() -> tuple[str, ...]:
    """All revisions that this code knows, the newest first: their files sort in their order."""
    files = sorted(folder().glob("versions/*.py"), reverse=True)
    return tuple(found[1] for file in files if (found := REVISION.search(file.read_text(encoding="utf-8"))))


def head() -> str:
    """The newest revision."""
    return next(iter(revisions()), "base")


def suffices(revision: str | None) -> bool:
    """Whether this code can work on a database at `revision`: its own newest, or one that only newer code knows."""
    return revision is not None and (revision == head() or revision not in revisions())


async def upgrade(dsn: str, revision: str = "head") -> None:
    """Bring the database up to `revision`; `dsn` is the plain address of the migrator role. Raises StartupError."""
    if revision == "head" and await _revision_of(dsn) == head():
        return
    await _run("upgrade", dsn, revision)


async def prove(dsn: str) -> None:
    """Take an empty database up, compare it with the models, and take it down and up again. Raises StartupError."""
    await _run("prove", dsn)


async def _revision_of(dsn: str) -> str | None:
    connection = await asyncpg.connect(dsn)
    try:
        if await connection.fetchval("SELECT pg_catalog.to_regclass('public.alembic_version')") is None:
            return None
        revision: str | None = await connection.fetchval("SELECT version_num FROM public.alembic_version")
        return revision
    finally:
        await connection.close()


async def _run(action: str, dsn: str, *revision: str) -> None:
    """Run Alembic on the database, whose address is a secret: it goes through a pipe."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ishop.migrations", action, *revision),
        stdin=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us; a revision is not to be cut in two.
    )
    try:
        await process.communicate(dsn.encode())
    except asyncio.CancelledError:
        process.terminate()
        raise
    finally:
        code = await process.wait()
    if code != 0:
        raise StartupError("The database was not migrated; what is in the way stands above.")
