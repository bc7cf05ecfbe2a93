"""`ishop backup`: one consistent copy of the whole market in one file, made while the market runs."""

import asyncio
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import asyncpg

from ishop import __version__, clock
from ishop.archive import CHUNK, FORMAT, Manifest, Writer, new_file
from ishop.home import StartupError
from ishop.postgres import programs
from ishop.settings import Role, Settings

Show = Callable[[str, int, int], None]
"""Called with a phase, what is done and what there is."""

SCHEMAS: Final = ("ops", "identity", "catalog", "vendors", "orders")
DUMPED: Final = re.compile(rb"dumping contents of table")

TABLES: Final = (
    "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c "
    "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY ($1) ORDER BY 1"
)
SUMS: Final[Mapping[str, str]] = {
    "rupiah ordered": "SELECT coalesce(sum(original_total), 0)::bigint FROM orders.orders",
    "rupiah paid": "SELECT coalesce(sum(amount), 0)::bigint FROM orders.payments",
    "packs on hand": "SELECT coalesce(sum(on_hand), 0)::bigint FROM vendors.stock",
    "packs reserved": "SELECT coalesce(sum(reserved), 0)::bigint FROM vendors.stock",
    "packs moved": "SELECT coalesce(sum(on_hand_change), 0)::bigint FROM vendors.stock_movements",
}


async def back_up(settings: Settings, path: Path, show: Show, *, replace: bool) -> Manifest:
    """Write the backup of a running market to `path` and return what is in it.

    Dump and counts are of one snapshot, so an order placed meanwhile is in it whole or not at all. Raises StartupError
    where the file cannot be written or the server is of a newer version than our pg_dump.
    """
    moment = clock.now()
    connection = await asyncpg.connect(settings.database_dsn(Role.migrator))
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await connection.fetchval("SELECT pg_catalog.pg_export_snapshot()")
            tables = await count_rows(connection)
            sums = await take_sums(connection)
            revision = await connection.fetchval("SELECT version_num FROM public.alembic_version")
            server_version = await connection.fetchval("SHOW server_version")
            with new_file(path, replace=replace) as file:
                writer = Writer(file, moment)
                await _dump(settings.database_dsn(Role.migrator), snapshot, writer, show, len(tables))
                manifest = Manifest(
                    format=FORMAT,
                    created_at=moment,
                    version=__version__,
                    revision=revision,
                    server_version=server_version,
                    dump_bytes=writer.dump_bytes,
                    dump_sha256=writer.dump_sha256,
                    tables=tables,
                    sums=sums,
                )
                writer.finish(manifest)
    finally:
        await connection.close()
    return manifest


async def count_rows(connection: asyncpg.Connection) -> dict[str, int]:
    """The rows of every table of the market, exactly."""
    names = [row[0] for row in await connection.fetch(TABLES, list(SCHEMAS))]
    counting = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in names)  # noqa: S608 - names of our own tables, quoted by the server.
    return {row[0]: row[1] for row in await connection.fetch(counting)}


async def take_sums(connection: asyncpg.Connection) -> dict[str, int]:
    """The figures that a restored market must come out with."""
    return {name: await connection.fetchval(sql) for name, sql in SUMS.items()}


def login(dsn: str, database: str | None = None) -> dict[str, str]:
    """A PostgreSQL address as the environment of its programs: among arguments everybody could read the password."""
    parts = urlsplit(dsn)
    return {
        "PATH": os.defpath,
        "PGHOST": parts.hostname or "127.0.0.1",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": database or unquote(parts.path.removeprefix("/")),
        "PGAPPNAME": "ishop-backup",
    }


async def _dump(dsn: str, snapshot: str, writer: Writer, show: Show, tables: int) -> None:
    # Roles, extensions and their schema are the bootstrap's to make, before a restore as before the first start.
    arguments = ["--exclude-schema=extensions", "--exclude-extension=*", f"--snapshot={snapshot}"]
    process = await asyncio.create_subprocess_exec(
        programs() / "pg_dump",
        "--format=custom",
        "--compress=gzip:3",
        "--verbose",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=login(dsn),
        limit=CHUNK,
    )
    if process.stdout is None or process.stderr is None:
        raise RuntimeError("pg_dump was started without pipes.")
    said = asyncio.create_task(_follow(process.stderr, show, tables))
    try:
        while part := await process.stdout.read(CHUNK):
            await asyncio.to_thread(writer.write, part)
    except BaseException:
        process.kill()
        raise
    finally:
        last = await said
        code = await process.wait()
    if code != 0:
        raise StartupError(f"pg_dump failed: {last}")


async def _follow(stderr: asyncio.StreamReader, show: Show, tables: int) -> str:
    """Show the tables as pg_dump names them; what it said last."""
    done, last = 0, b""
    async for line in stderr:
        last = line
        if DUMPED.search(line):
            done += 1
            show("Tables", done, max(tables, done))
    return last.decode(errors="replace").strip()
