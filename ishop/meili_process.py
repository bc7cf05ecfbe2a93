"""A Meilisearch for one machine: the `meilisearch` program found on PATH, as a child of this process.

Where no such program is installed the market searches in PostgreSQL, so nothing here is needed to run it.
"""

import asyncio
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

import httpx

from ishop.child_process import LOOPBACK, POLL_SECONDS, choose_port, log_end, rotate_log, start_child, stop_child
from ishop.home import Progress, StartupError, log_progress, prepare_home, take_lock

PROGRAM = "meilisearch"
START_SECONDS = 60.0
VERSION_SECONDS = 10.0
PORT_TAKEN = "Address already in use"
STOP_STEPS = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))


def find_meilisearch() -> Path | None:
    """The `meilisearch` program on PATH, or None."""
    found = shutil.which(PROGRAM)
    return Path(found).resolve() if found else None


class EmbeddedMeilisearch:
    """One Meilisearch on 127.0.0.1 with its data in `<home>/meilisearch`, stopped with this process.

    Use it as an asynchronous context manager, in the main thread. Its index can always be built again from the
    database, so it is ended by SIGKILL when this process is killed, and data of another version, which Meilisearch
    refuses to open, is set aside and started afresh: the caller must then fill the index.
    """

    host: Final = LOOPBACK

    def __init__(self, home: Path, key: str, *, program: Path | None = None, progress: Progress = log_progress) -> None:
        self.home = home.expanduser().resolve()
        self.directory = self.home / "meilisearch"
        self.data = self.directory / "data.ms"
        self.log = self.home / "meilisearch.log"
        self.port = 0
        self._key = key
        self._program = program
        self._progress = progress
        self._lock: TextIO | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise RuntimeError("This Meilisearch has not been started.")
        return self._process.pid

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the program and return once it answers; raises StartupError, and leaves nothing running, if not."""
        if self._process is not None:
            raise RuntimeError("This Meilisearch has been started already.")
        program = self._program or find_meilisearch()
        if program is None:
            raise StartupError(f"There is no program `{PROGRAM}` on PATH.")
        prepare_home(self.home)
        self._lock = take_lock(self.home / "meilisearch.lock", f"The search index in {self.directory}")
        try:
            rotate_log(self.log)
            self._set_aside_other_version(program_version(program))
            await self._launch(program)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop the program and give its data directory free."""
        if self._process is not None:
            await stop_child(self._process, STOP_STEPS)
            self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _set_aside_other_version(self, version: str) -> None:
        if not self.data.exists() or not any(self.data.iterdir()):
            return
        stamp = self.data / "VERSION"
        made_by = stamp.read_text().strip() if stamp.exists() else ""
        if made_by == version:
            return
        aside = self.home / "meilisearch.old"
        shutil.rmtree(aside, ignore_errors=True)
        self.directory.rename(aside)
        self._progress(
            f"The search index was made by Meilisearch {made_by or 'of an unknown version'}; this is {version}. "
            f"The old one was moved to {aside} and a new one is started empty."
        )

    async def _launch(self, program: Path) -> None:
        self.directory.mkdir(mode=0o700, exist_ok=True)
        deadline = time.monotonic() + START_SECONDS
        while True:
            self.port = choose_port(self.home / "meilisearch.port")
            written = self.log.stat().st_size if self.log.exists() else 0
            self._process = start_child(
                self._command_line(program),
                log=self.log,
                death_signal=signal.SIGKILL,
                # In the environment and not among the arguments, which every user of the machine can read.
                environment={"MEILI_MASTER_KEY": self._key},
            )
            if await self._becomes_ready(self._process, deadline):
                return
            said = log_end(self.log, since=written)
            if PORT_TAKEN not in said:
                raise StartupError(f"Meilisearch did not start; {self.log} ends with:\n{said}")

    def _command_line(self, program: Path) -> list[str | Path]:
        return [
            program,
            "--http-addr",
            f"{LOOPBACK}:{self.port}",
            "--db-path",
            self.data,
            "--dump-dir",
            self.directory / "dumps",
            "--snapshot-dir",
            self.directory / "snapshots",
            "--env",
            "production",
            "--no-analytics",
            "--log-level",
            "WARN",  # Its information lines are one per request and would write down what people search for.
        ]

    async def _becomes_ready(self, process: subprocess.Popen[bytes], deadline: float) -> bool:
        """Whether it answers on /health; False when it ended instead."""
        # The machine's proxy settings are for the outside world, not for a child on the loopback address.
        async with httpx.AsyncClient(base_url=self.url, timeout=5, trust_env=False) as client:
            while process.poll() is None:
                try:
                    if (await client.get("/health")).is_success:
                        # Another program could own the port while ours is about to fail on it.
                        return process.poll() is None
                except httpx.TransportError:
                    pass
                if time.monotonic() > deadline:
                    raise StartupError(
                        f"Meilisearch did not answer after {START_SECONDS:.0f} s; {self.log} ends with:\n"
                        f"{log_end(self.log)}"
                    )
                await asyncio.sleep(POLL_SECONDS)
        return False


def program_version(program: Path) -> str:
    """The version that the program gives itself ("1.50.0"); raises StartupError when it cannot be run."""
    try:
        answer = subprocess.run(  # noqa: S603 - the program that the operator installed, without a shell.
            [program, "--version"], capture_output=True, text=True, check=True, timeout=VERSION_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise StartupError(f"The program {program} cannot be run: {error}.") from error
    return answer.stdout.strip().rpartition(" ")[2]
