"""Server programs as children of this process: started in a session of their own, ended with us even by SIGKILL."""

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from ishop import child_exec
from ishop.home import Account, StartupError

LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.02
# Below the ports that Linux hands to outgoing connections (32768 and up), so that a remembered port is rarely lost.
FIRST_PORT, LAST_PORT = 20000, 32000
LOG_KEPT_BYTES = 10 * 1024 * 1024
LOG_TAIL_BYTES = 4096


def start_child(
    program: Sequence[str | Path],
    *,
    log: Path,
    death_signal: signal.Signals,
    account: Account | None = None,
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a server program that receives `death_signal` when this process ends.

    It runs as `account` (None: as ourselves), in its own session so that Ctrl-C reaches only us, with both outputs
    appended to `log`. Raises RuntimeError outside the main thread: Linux sends the signal when the *thread* that
    started the child ends. Raises StartupError on other systems, which have no such signal.
    """
    if sys.platform != "linux":
        raise StartupError("Servers are started here on Linux only. Elsewhere use `docker compose up`.")
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("Start server programs from the main thread: they end with the thread that started them.")
    identity = (child_exec.STAY, child_exec.STAY) if account is None else (account.uid, account.gid)
    wrapper = [sys.executable, "-I", "-S", child_exec.__file__, os.getpid(), int(death_signal), *identity]
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(  # noqa: S603 - the command line is built here, never by a caller of the API.
            [str(argument) for argument in (*wrapper, *program)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"} | (environment or {}),
            start_new_session=True,
        )
    finally:
        os.close(output)


async def wait_for_end(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether the child ended within `seconds`."""
    deadline = time.monotonic() + seconds
    while process.poll() is None:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True


async def stop_child(process: subprocess.Popen[bytes], steps: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send the signals of `steps` one after the other, waiting the seconds beside each, until the child has ended."""
    for signal_number, seconds in steps:
        if process.poll() is not None:
            return
        process.send_signal(signal_number)
        if await wait_for_end(process, seconds):
            return


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def choose_port(remembered: Path) -> int:
    """The port written in `remembered` when it is still free, otherwise another free one, written there."""
    try:
        port = int(remembered.read_text())
    except (FileNotFoundError, ValueError):
        port = 0
    if port and is_free(port):
        return port
    for _ in range(1000):
        port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT)
        if is_free(port):
            remembered.write_text(f"{port}\n")
            return port
    raise StartupError(f"No free port was found on {LOOPBACK} between {FIRST_PORT} and {LAST_PORT}.")


def rotate_log(log: Path) -> None:
    """Keep one old log once the current one is over 10 MB; called before a start, when nothing writes to it."""
    if log.exists() and log.stat().st_size > LOG_KEPT_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))


def log_end(log: Path, *, since: int = 0) -> str:
    """The last lines of a log, at most 4 KiB, leaving out everything before byte `since`."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(since, end - LOG_TAIL_BYTES))
        return file.read().decode(errors="replace").strip()
