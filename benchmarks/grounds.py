"""Where the measurement takes place: a market of its own in a temporary home, and what stands beside it.

The market is a real one: `ishop up` as a process of its own, PostgreSQL with durability on, the standard demo market.
Everything listens on 127.0.0.1 and ends with this process, even when it is killed.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from ishop.child_process import LOOPBACK, choose_port, log_end, start_child, stop_child, wait_for_end
from ishop.home import Progress, load_secrets
from ishop.laptop import reached
from ishop.settings import Role, Settings

ROOT: Final = Path(__file__).parents[1]
ISHOP: Final = Path(sys.executable).with_name("ishop")
OPEN_SECONDS: Final = 180.0
POLL_SECONDS: Final = 0.05
STOP_STEPS: Final = ((signal.SIGTERM, 60.0), (signal.SIGKILL, 5.0))
OURS: Final = ("ISHOP_", "MEILI_")


class GroundsFailed(Exception):
    """A server of the measurement did not start; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server process of the measurement."""

    pid: int
    port: int
    started_in: float
    """Seconds from its start until it answered."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """The servers. `sql_search` searches the same market with PostgreSQL, where `market` does it with Meilisearch."""

    home: Path
    settings: Settings
    market: Server
    hello: Server
    sql_search: Server | None

    @property
    def superuser_dsn(self) -> str:
        """The market's database, as the superuser."""
        password = load_secrets(self.home).superuser_password
        return (
            f"postgresql://postgres:{password}@{LOOPBACK}:{self.settings.database_port}/{self.settings.database_name}"
        )


def forget_environment() -> None:
    """Take this shell's i-Shop out of the environment: the measurement must never touch the market that it names."""
    for name in list(os.environ):
        if name.startswith(OURS):
            del os.environ[name]


@asynccontextmanager
async def opened(progress: Progress) -> AsyncIterator[Grounds]:
    """A market that is open, and the hello server; everything is stopped and removed at the end."""
    with temporary_home() as home:
        market_environment = {"ISHOP_HOME": str(home), "ISHOP_RATE_LIMITS": "off"}
        async with (
            server("hello", [sys.executable, "-m", "benchmarks.hello"], home, {}) as hello,
            server("market", [ISHOP, "up"], home, market_environment, path="/healthz") as market,
            reached(Settings(_env_file=None, home=home), progress) as settings,
        ):
            beside = _sql_search(home, settings) if settings.meili_url is not None else nullcontext()
            async with beside as sql_search:
                yield Grounds(home, settings, market, hello, sql_search)


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A new home that the unprivileged user of PostgreSQL can pass through to, removed at the end."""
    parent = Path(tempfile.mkdtemp(prefix="ishop-bench-"))
    parent.chmod(0o755)
    try:
        yield parent / "home"
    finally:
        shutil.rmtree(parent, ignore_errors=True)


@asynccontextmanager
async def server(
    name: str, command: list[str | Path], home: Path, environment: Mapping[str, str], *, path: str = "/"
) -> AsyncIterator[Server]:
    """Start `command` with a free ISHOP_PORT and wait until it answers at `path`; stopped at the end."""
    port = choose_port(home.parent / f"{name}.port")
    log = home.parent / f"{name}.log"
    process = start_program(command, log, {**environment, "ISHOP_PORT": str(port)})
    started = time.perf_counter()
    try:
        await _answers(process, f"http://{LOOPBACK}:{port}{path}", log)
        yield Server(process.pid, port, time.perf_counter() - started)
    finally:
        await stop_child(process, STOP_STEPS)


def start_program(
    command: list[str | Path], log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a program of the measurement that ends with this process; it finds our packages and those of the shell."""
    surroundings = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(ROOT), **(environment or {})}
    return start_child(command, log=log, death_signal=signal.SIGTERM, environment=surroundings)


async def run_program(
    command: list[str | Path], log: Path, seconds: float, environment: Mapping[str, str] | None = None
) -> str:
    """Run a program to its end and return what it wrote; raises GroundsFailed when it fails or takes too long."""
    await asyncio.to_thread(log.unlink, missing_ok=True)
    process = start_program(command, log, environment)
    try:
        ended = await wait_for_end(process, seconds)
    finally:
        await stop_child(process, STOP_STEPS)
    said = await asyncio.to_thread(log.read_text, errors="replace")
    if not ended or process.returncode != 0:
        raise GroundsFailed(f"{Path(command[0]).name} failed ({process.returncode if ended else 'too slow'}):\n{said}")
    return said


def _sql_search(home: Path, settings: Settings) -> AbstractAsyncContextManager[Server]:
    """The market's gateway and services once more, on the same database, without Meilisearch."""
    secrets = load_secrets(home)
    environment = {
        "ISHOP_DATABASE_HOST": settings.database_host,
        "ISHOP_DATABASE_PORT": str(settings.database_port),
        **{role.variable: settings.password(role) for role in Role},
        "ISHOP_SIGNING_KEY": secrets.signing_key,
        "ISHOP_RATE_LIMITS": "off",
    }
    return server("sql-search", [ISHOP, "serve", "market"], home, environment, path="/healthz")


async def _answers(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Return when the server gives any answer that is not an error."""
    deadline = time.monotonic() + OPEN_SECONDS
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if (await client.get(url)).is_success:
                    return
            except httpx.TransportError:
                await asyncio.sleep(POLL_SECONDS)
    raise GroundsFailed(f"A server did not answer at {url}; its log ends with:\n{log_end(log)}")
