"""`ishop up` and other commands as processes of their own, as a new user runs them."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

ISHOP = Path(sys.executable).with_name("ishop")
START_SECONDS = 90
STOP_SECONDS = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(home: Path, port: int) -> dict[str, str]:
    """The environment of a new user who chose a home and a port, and nothing else."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ISHOP_", "MEILI_"))}
    return {**kept, "ISHOP_HOME": str(home), "ISHOP_PORT": str(port)}


class Process:
    """One `ishop up` with a home and a port of its own."""

    def __init__(self, home: Path, log: Path, **settings: str) -> None:
        self.port = free_port()
        self.environment = environment(home, self.port) | settings
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own program.
                [ISHOP, "up"], env=self.environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def wait_until_open(self) -> httpx.Client:
        url = f"http://127.0.0.1:{self.port}"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if httpx.get(f"{url}/readyz", trust_env=False).status_code == 200:
                    return httpx.Client(base_url=url, trust_env=False, timeout=20)
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError(f"not open after {START_SECONDS} s:\n{self.log.read_text()}")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another `ishop` command against the same market."""
        return subprocess.run(  # noqa: S603 - our own program.
            [ISHOP, *arguments], env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )

    def stop(self) -> None:
        """Ctrl-C: the terminal sends SIGINT to the whole group."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        try:
            self.process.wait(STOP_SECONDS)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
