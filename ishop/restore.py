"""`ishop restore`: a whole market out of a backup, or the old one as it was.

The backup becomes a database beside the one in use. Only when it was checked do the two change names, in one
transaction; whatever ends the restore before, the market that was there is untouched.
"""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final

import asyncpg

from ishop import revisions
from ishop.archive import Backup, Manifest, read_backup
from ishop.backup import Show, count_rows, login, take_sums
from ishop.doctor import examine
from ishop.home import StartupError
from ishop.market import all_checks
from ishop.postgres import programs
from ishop.roles import bootstrap
from ishop.settings import Role, Settings

RESTORING: Final = "restoring"
BEFORE: Final = "before_restore"


def check_revision(manifest: Manifest) -> None:
    """Refuse a backup of a newer i-Shop than this; raises StartupError."""
    if manifest.revision not in revisions.revisions():
        raise StartupError(
            f"The backup was made by i-Shop {manifest.version} at revision {manifest.revision}, which this version "
            "does not know. Restore it with that version or a newer one."
        )


async def restore(settings: Settings, superuser_dsn: str, path: Path, show: Show, *, keep_old: bool) -> Manifest:
    """Put the market of a backup in the place of the one in the database of `settings`, or of none.

    Nobody may use that database meanwhile. Raises StartupError, and leaves everything as it was, when the file is not
    whole, is of a newer version, or what comes out of it is not what went in.
    """
    backup = await asyncio.to_thread(read_backup, path, lambda done, total: show("Checking the file", done, total))
    check_revision(backup.manifest)
    new = f"{settings.database_name}_{RESTORING}"
    beside = settings.model_copy(update={"database_name": new})
    await _drop(superuser_dsn, new)  # Left by a restore that was ended before its time.
    try:
        await bootstrap(superuser_dsn, new, settings.passwords())
        await _load(superuser_dsn, new, backup, show)
        await _compare(beside, backup.manifest)
        await revisions.upgrade(beside.database_dsn(Role.migrator))
        await _examine(beside, show)
        await _swap(superuser_dsn, settings.database_name, new)
    except BaseException:
        with suppress(OSError, asyncpg.PostgresError):
            await _drop(superuser_dsn, new)
        raise
    if not keep_old:
        await _drop(superuser_dsn, f"{settings.database_name}_{BEFORE}")
    return backup.manifest


async def is_empty(superuser_dsn: str, database: str) -> bool:
    """Whether there is no market in this database, so that nothing can be lost by replacing it."""
    connection = await asyncpg.connect(superuser_dsn)
    try:
        exists = await connection.fetchval("SELECT true FROM pg_catalog.pg_database WHERE datname = $1", database)
    finally:
        await connection.close()
    if not exists:
        return True
    connection = await asyncpg.connect(superuser_dsn, database=database)
    try:
        if await connection.fetchval("SELECT pg_catalog.to_regclass('identity.users')") is None:
            return True
        return not await connection.fetchval("SELECT EXISTS (SELECT FROM identity.users)")
    finally:
        await connection.close()


async def _load(superuser_dsn: str, database: str, backup: Backup, show: Show) -> None:
    process = await asyncio.create_subprocess_exec(
        programs() / "pg_restore",
        "--exit-on-error",
        f"--dbname={database}",
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=login(superuser_dsn, database),
    )
    if process.stdin is None or process.stderr is None:
        raise RuntimeError("pg_restore was started without pipes.")
    reading = asyncio.create_task(process.stderr.read())
    try:
        with suppress(BrokenPipeError, ConnectionResetError):  # It ended early; what it said follows.
            await backup.feed(process.stdin, lambda done, total: show("Restoring", done, total))
        said = await reading
    except BaseException:
        process.kill()
        raise
    finally:
        code = await process.wait()
    if code != 0:
        raise StartupError(f"pg_restore failed, the market is as it was: {said.decode(errors='replace').strip()}")


async def _compare(beside: Settings, manifest: Manifest) -> None:
    connection = await asyncpg.connect(beside.database_dsn(Role.migrator))
    try:
        found = {**await count_rows(connection), **await take_sums(connection)}
    finally:
        await connection.close()
    expected = {**manifest.tables, **manifest.sums}
    differing = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if differing:
        raise StartupError(f"What was restored is not what was backed up, the market is as it was: {differing}.")


async def _examine(beside: Settings, show: Show) -> None:
    """The doctor's checks: a backup of a broken market is not put in the place of what may be a whole one."""
    connection = await asyncpg.connect(beside.database_dsn(Role.migrator))
    try:
        broken = [finding.name for finding in await examine(connection, all_checks(), show=show) if finding.offenders]
    finally:
        await connection.close()
    if broken:
        raise StartupError(f"The restored market is not whole, the one before is as it was: {'; '.join(broken)}.")


async def _swap(superuser_dsn: str, current: str, new: str) -> None:
    before = f"{current}_{BEFORE}"
    await _drop(superuser_dsn, before)
    connection = await asyncpg.connect(superuser_dsn)
    try:
        exists = await connection.fetchval("SELECT true FROM pg_catalog.pg_database WHERE datname = $1", current)
        async with connection.transaction():
            if exists:
                await connection.execute(f'ALTER DATABASE "{current}" RENAME TO "{before}"')
            await connection.execute(f'ALTER DATABASE "{new}" RENAME TO "{current}"')
    except asyncpg.ObjectInUseError as error:
        raise StartupError("The market is in use, so it was not replaced. Stop all its processes first.") from error
    finally:
        await connection.close()


async def _drop(superuser_dsn: str, database: str) -> None:
    connection = await asyncpg.connect(superuser_dsn)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
    finally:
        await connection.close()
