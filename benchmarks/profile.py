"""Where the processor time of the market goes: py-spy looks at the running process 200 times a second."""

import asyncio
import re
import sysconfig
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.grounds import ISHOP, ROOT, GroundsFailed, run_program

RATE: Final = 200
PY_SPY: Final = ISHOP.with_name("py-spy")
FRAME: Final = re.compile(r"^(?P<function>.*) \((?P<file>.+?)(?::(?P<line>\d+))?\)$")
OURS: Final = ("ishop", "services", "gateway")
ENTRY: Final = ("ishop.cli", "ishop.up")
"""Below everything else on the stack of a process: what is done for them is done for the event loop."""
MAIN_THREAD: Final = "MainThread"
IN_GREENLET: Final = "sqlalchemy in its greenlet, on whose stack the caller does not stand"
LOOP: Final = "event loop and HTTP server"
STANDARD_LIBRARY: Final = Path(sysconfig.get_path("stdlib"))
GRACE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Frame:
    """A function on a stack and the package that it belongs to."""

    package: str
    function: str


@dataclass(frozen=True, slots=True)
class Profile:
    """Shares of the time in which the process worked, largest first; `busy` is how much of the time that was."""

    busy: float
    by_package: tuple[tuple[str, float], ...]
    """Where the work itself was done: the package of the innermost function."""
    by_function: tuple[tuple[str, float], ...]
    """The same by the innermost function itself."""
    by_our_function: tuple[tuple[str, float], ...]
    """For whom it was done: the innermost function of our own on the stack, with what it calls of others."""


async def profile(pid: int, seconds: int, work: Awaitable[object], directory: Path) -> Profile | str:
    """The profile of a process while `work` is done, which should take longer than `seconds`.

    Where looking into another process is not allowed (ptrace), the reason instead.
    """
    stacks = directory / "profile.txt"
    command: list[str | Path] = [
        PY_SPY, "record", f"--pid={pid}", f"--duration={seconds}", f"--rate={RATE}", "--format=raw",
        "--full-filenames", "--threads", f"--output={stacks}",
    ]  # fmt: skip
    task = asyncio.ensure_future(work)
    try:
        await run_program(command, directory / "py-spy.log", seconds + GRACE_SECONDS)
    except GroundsFailed as error:
        return str(error)
    finally:
        await task
    return summed(await asyncio.to_thread(stacks.read_text), seconds)


def summed(stacks: str, seconds: float) -> Profile:
    """The profile in py-spy's raw output: a stack a line, its thread first, the innermost function and a count last.

    Only the main thread counts, which serves all requests: py-spy takes threads that wait for work for busy ones.
    """
    packages: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    of_ours: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        thread, *frames = stack.split(";")
        if MAIN_THREAD in thread and frames:
            called = [frame_of(text) for text in frames]
            packages[called[-1].package.partition(".")[0]] += int(count)
            functions[f"{called[-1].package}: {called[-1].function}"] += int(count)
            of_ours[_done_for(called)] += int(count)
    busy = packages.total() / (seconds * RATE)
    return Profile(busy, _shares(packages), _shares(functions), _shares(of_ours))


def _done_for(frames: list[Frame]) -> str:
    """The innermost of our own functions, or what stands there where none of ours does."""
    for frame in reversed(frames):
        if frame.package.partition(".")[0] in OURS and not frame.package.startswith(ENTRY):
            return f"{frame.package}: {frame.function}"
    return IN_GREENLET if any(frame.package == "sqlalchemy" for frame in frames) else LOOP


def frame_of(text: str) -> Frame:
    """What py-spy calls `function (/path/to/file.py:12)`."""
    match = FRAME.match(text)
    if match is None:
        return Frame("unknown", text)
    return Frame(package_of(match["file"]), match["function"])


def package_of(file: str) -> str:
    """The distribution, the standard library's module, or our own package (of a service: the module)."""
    path = Path(file)
    if "site-packages" in path.parts:
        return path.parts[path.parts.index("site-packages") + 1].removesuffix(".py")
    if path.is_relative_to(ROOT):
        return ".".join(path.relative_to(ROOT).with_suffix("").parts)
    if path.is_relative_to(STANDARD_LIBRARY):
        return path.relative_to(STANDARD_LIBRARY).parts[0].removesuffix(".py")
    return path.name


def _shares(counts: Counter[str]) -> tuple[tuple[str, float], ...]:
    total = counts.total()
    return tuple((name, count / total) for name, count in counts.most_common())
