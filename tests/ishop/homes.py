"""Homes for the tests of server programs, and a process with a server that a test may kill."""

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from ishop.home import Account

FAST = {"fsync": "off"}
"""Server settings for tests that do not ask what survives a power cut."""


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A new home that every user can pass through to; pytest's own temporary directory is closed to other users."""
    parent = Path(tempfile.mkdtemp(prefix="ishop-test-"))
    parent.chmod(0o755)
    try:
        yield parent / "home"
    finally:
        shutil.rmtree(parent)


@asynccontextmanager
async def other_process(script: str, *arguments: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python process in a session of its own that runs `script`; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        *(str(argument) for argument in arguments),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@contextmanager
def program_of(account: Account | None, *command: object) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs as this user (None: as ourselves) and that nobody supervises; killed at the end."""
    process = subprocess.Popen(  # noqa: S603 - the tests write the command.
        [str(part) for part in command],
        user=account.uid if account else None,
        group=account.gid if account else None,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def process_user(pid: int) -> dict[str, list[str]]:
    """What /proc says about a process: `Uid:`, `Gid:`, `Groups:`, `CapEff:` and more."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {line.split()[0]: line.split()[1:] for line in lines if line}


async def read_line(process: asyncio.subprocess.Process) -> str:
    """The next line that the process prints."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        return (await process.stdout.readline()).decode().strip()


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until the condition holds; raises TimeoutError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        await asyncio.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
