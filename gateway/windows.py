"""Where requests are counted: in the memory of this process, and with other gateways where they share their counts.

A window of a subject begins with its first request. What is counted together is counted
here as well, so that a gateway that is left alone goes on from what it has seen itself.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, Protocol

MAX_WINDOWS: Final = 100_000

Key = tuple[str, int]
"""The name of a window, and how many seconds one lasts."""
Window = tuple[int, int]
"""How many requests were counted in it, this one included, and in how many seconds it ends."""


class SharedWindows(Protocol):
    """Counters that several gateways share; `reached` while they do."""

    reached: bool

    async def hit(self, keys: Sequence[Key]) -> list[Window] | None:
        """Count one more in the window of each key; None where that cannot be done now."""

    async def forget(self, key: str) -> None:
        """Let `key` begin again."""

    async def close(self) -> None:
        """Give back what was opened."""


class WindowMemory:
    """Counters in memory, apart by the length of their windows: so the oldest is always the first to end."""

    def __init__(self) -> None:
        self._lengths: dict[int, OrderedDict[str, tuple[float, int]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._lengths.values()))

    def hit(self, key: str, seconds: int) -> Window:
        """Count one more in the window of `key`, or in a new one of so many seconds where that has ended."""
        windows = self._lengths.get(seconds)
        if windows is None:
            windows = self._lengths[seconds] = OrderedDict()
        now = time.time()
        ends, count = windows.get(key, (0.0, 0))
        if ends <= now:
            windows.pop(key, None)
            _make_room(windows, now)
            ends, count = now + seconds, 0
        windows[key] = (ends, count + 1)
        return count + 1, math.ceil(ends - now)

    def forget(self, key: str, seconds: int) -> None:
        """Let `key` begin again."""
        if seconds in self._lengths:
            self._lengths[seconds].pop(key, None)


def _make_room(windows: OrderedDict[str, tuple[float, int]], now: float) -> None:
    """For one more: the oldest that have ended go, or are too many."""
    while windows:
        oldest = next(iter(windows))
        if windows[oldest][0] > now and len(windows) < MAX_WINDOWS:
            return
        del windows[oldest]
