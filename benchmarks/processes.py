"""What a process used, as Linux tells it: processor time and memory."""

import asyncio
import os
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from ishop.home import CLUSTER

TICKS: Final = os.sysconf("SC_CLK_TCK")
LOOK_SECONDS: Final = 0.01
MIB: Final = 1024.0
"""Of the kilobytes that /proc counts in."""


Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class Memory:
    """In MiB. `pss` counts a page that n processes share as 1/n; `peak` is the most that was resident so far."""

    rss: float
    pss: float
    peak: float


def cpu_seconds(pid: int) -> float:
    """Processor time of a process since its start, its ended children left out."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS


def cpu_seconds_of_server(home: Path) -> float:
    """Processor time of the PostgreSQL of this home: of the server, its helpers, and its sessions, also the ended."""
    postmaster = int((home / CLUSTER / "postmaster.pid").read_text().splitlines()[0])
    fields = _stat(postmaster)
    ended = (int(fields[13]) + int(fields[14])) / TICKS
    return ended + sum(_cpu_or_nothing(pid) for pid in (postmaster, *children(postmaster)))


def children(parent: int) -> list[int]:
    """The processes that this one started and that still are."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if int(_stat(int(entry.name))[1]) == parent:
                    found.append(int(entry.name))
            except OSError:
                continue  # It ended while we looked.
    return found


def memory(pid: int) -> Memory:
    """What a process holds now; raises PermissionError for another user's process."""
    rollup = _sizes(Path(f"/proc/{pid}/smaps_rollup"))
    return Memory(
        rss=rollup["Rss"] / MIB, pss=rollup["Pss"] / MIB, peak=_sizes(Path(f"/proc/{pid}/status"))["VmHWM"] / MIB
    )


async def memory_while(work: Awaitable[Done], *pids: int) -> tuple[list[Memory], Done]:
    """What processes held at most while `work` was done, in the order of `pids`, and what came of the work."""
    most = [memory(pid) for pid in pids]
    task = asyncio.ensure_future(work)
    while not task.done():
        now = [memory(pid) for pid in pids]
        most = [max(pair, key=lambda one: one.rss) for pair in zip(most, now, strict=True)]
        await asyncio.sleep(LOOK_SECONDS)
    return most, await task


def memory_of_tree(pid: int) -> float:
    """MiB that a process and those that it started hold together, what they share counted once."""
    return sum(memory(one).pss for one in (pid, *children(pid)))


def name(pid: int) -> str:
    """The name of its program."""
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _cpu_or_nothing(pid: int) -> float:
    try:
        return cpu_seconds(pid)
    except OSError:
        return 0.0


def _stat(pid: int) -> list[str]:
    """The fields behind the program's name, which may hold spaces and brackets: state, parent, ..."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _sizes(path: Path) -> dict[str, int]:
    sizes = {}
    for line in path.read_text().splitlines():
        label, _, rest = line.partition(":")
        parts = rest.split()
        if len(parts) == 2 and parts[1] == "kB":
            sizes[label] = int(parts[0])
    return sizes
