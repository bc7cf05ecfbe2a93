"""The file of a backup: a tar with `database.dump` (pg_dump's custom format) and `manifest.json`, in this order.

Anybody can open it without i-Shop: `tar xf FILE` and `pg_restore database.dump`. It is written in one pass, so a market
of any size needs no second copy on the disk, and gets its name only when it is whole.
"""

import asyncio
import hashlib
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

import orjson

from ishop.home import StartupError

FORMAT: Final = 1
DUMP: Final = "database.dump"
MANIFEST: Final = "manifest.json"
CHUNK: Final = 1024 * 1024
MAX_MANIFEST: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. `tables` are rows by table, `sums` figures that must come out the same after a restore."""

    format: int
    created_at: datetime
    version: str
    revision: str
    server_version: str
    dump_bytes: int
    dump_sha256: str
    tables: dict[str, int] = field(repr=False)
    sums: dict[str, int] = field(repr=False)


@contextmanager
def new_file(path: Path, *, replace: bool) -> Iterator[BinaryIO]:
    """A file that gets the name `path` when all was written and is on the disk; readable by its owner only.

    Raises StartupError where `path` exists and is not to be replaced, or cannot be written.
    """
    if path.exists() and not replace:
        raise StartupError(f"{path} exists already. Choose another name, or replace it with --force.")
    unfinished = path.with_name(f"{path.name}.partial")
    try:
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise StartupError(f"{unfinished} cannot be written: {error.strerror}.") from error
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise StartupError(f"{unfinished} cannot be written: {error.strerror}.") from error
    finally:
        unfinished.unlink(missing_ok=True)


class Writer:
    """Writes the two members of a backup, the dump of unknown length first."""

    def __init__(self, file: BinaryIO, moment: datetime) -> None:
        self._file = file
        self._moment = moment
        self._digest = hashlib.sha256()
        self.dump_bytes = 0
        file.write(b"\0" * tarfile.BLOCKSIZE)  # The head of the dump, which names its length, is written when it ends.

    @property
    def dump_sha256(self) -> str:
        """The digest of what was written."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Add a part of the dump."""
        self._digest.update(data)
        self.dump_bytes += len(data)
        self._file.write(data)

    def finish(self, manifest: Manifest) -> None:
        """Complete the head of the dump and add the manifest."""
        self._file.write(b"\0" * (-self.dump_bytes % tarfile.BLOCKSIZE))
        self._file.seek(0)
        self._file.write(self._head(DUMP, self.dump_bytes))
        self._file.seek(0, os.SEEK_END)
        text = orjson.dumps(manifest, option=orjson.OPT_INDENT_2)
        self._file.write(self._head(MANIFEST, len(text)) + text + b"\0" * (-len(text) % tarfile.BLOCKSIZE))
        self._file.write(b"\0" * tarfile.RECORDSIZE)

    def _head(self, name: str, size: int) -> bytes:
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, 0o600, int(self._moment.timestamp())
        # GNU's form holds a length of any size in the one block that was left for it.
        return member.tobuf(tarfile.GNU_FORMAT)


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was found whole; `offset` is where its dump begins."""

    path: Path
    manifest: Manifest
    offset: int

    async def feed(self, output: asyncio.StreamWriter, progress: Callable[[int, int], None]) -> None:
        """Send the dump to a program, which may end before it has read all of it."""
        done, total = 0, self.manifest.dump_bytes
        with self.path.open("rb") as file:
            file.seek(self.offset)
            while done < total and not output.is_closing():
                part = file.read(min(CHUNK, total - done))
                output.write(part)
                await output.drain()
                done += len(part)
                progress(done, total)
        output.close()


def read_backup(path: Path, progress: Callable[[int, int], None]) -> Backup:
    """Open a backup and check every byte of its dump; raises StartupError, with what is wrong, if it is not whole."""
    try:
        with tarfile.open(path, "r:") as tar:
            dump, text = tar.getmember(DUMP), tar.extractfile(tar.getmember(MANIFEST))
            manifest = _manifest(text.read(MAX_MANIFEST) if text else b"")
        found = _digest(path, dump.offset_data, dump.size, progress)
    except (tarfile.TarError, KeyError, ValueError, TypeError, EOFError) as error:
        raise StartupError(f"{path} is no backup of i-Shop, or was cut off: {error}.") from error
    except OSError as error:
        raise StartupError(f"{path} cannot be read: {error.strerror}.") from error
    if manifest.format != FORMAT:
        raise StartupError(f"{path} has format {manifest.format}; this i-Shop reads format {FORMAT}.")
    if (dump.size, found) != (manifest.dump_bytes, manifest.dump_sha256):
        raise StartupError(f"{path} is damaged: its dump is not the one that the manifest was written for.")
    return Backup(path, manifest, dump.offset_data)


def _manifest(text: bytes) -> Manifest:
    parts = orjson.loads(text)
    return Manifest(**{**parts, "created_at": datetime.fromisoformat(parts["created_at"])})


def _digest(path: Path, offset: int, size: int, progress: Callable[[int, int], None]) -> str:
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        file.seek(offset)
        while part := file.read(min(CHUNK, size - done)):
            digest.update(part)
            done += len(part)
            progress(done, size)
    return digest.hexdigest()
