"""A memory of public answers, each for less than a second: what many ask for at once, a service is asked for once.

There is nothing to invalidate: an answer is given again for at most LIFE_SECONDS, counted from the moment when its
service was asked, so who asks later than that after a change sees it.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.answers import LIFE_SECONDS, Answer
from gateway.routes import MIB
from ishop.settings import Settings
from ishop.telemetry.metrics import counter, gauge

MAX_ENTRIES: Final = 10_000
LARGEST_SHARE: Final = 8
"""An answer that would take more than one part in so many of the memory is not kept."""
OVERHEAD: Final = 2048
"""Bytes that an answer takes beside its address, heads and body: some twenty small objects of its header fields."""

ASKED: Final = counter(
    "ishop_public_cache_total",
    "Public reads by how they were answered: from the memory (`hit`), by asking the service (`miss`), or along with "
    "who was asking it already (`joined`).",
    "outcome",
)
BYTES: Final = gauge(
    "ishop_public_cache_bytes", "What the memory of public answers holds, those included that ended a moment ago."
)
ENTRIES: Final = gauge("ishop_public_cache_entries", "How many answers that is.")

Key = tuple[str, bytes, str]
"""Path and query as they were sent, and the language of the answer: all that a public answer may depend on."""


class Flight:
    """A service being asked."""

    __slots__ = ("_clock", "answer", "began")

    answer: asyncio.Future[Answer]

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.began = clock()

    def begin(self) -> None:
        """The service begins only now, behind others who were in line for it: it has read nothing yet."""
        self.began = self._clock()


class PublicCache:
    """At most `size` bytes of public answers. What is over goes first, then what was asked for the longest ago.

    What is over goes by itself, too: the last answers of a busy minute would stay until somebody asks for others.
    """

    def __init__(self, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._kept: OrderedDict[Key, Answer] = OrderedDict()
        self._bytes = 0
        self._flights: dict[Key, Flight] = {}
        self._sweeping: asyncio.TimerHandle | None = None
        self._uncounted_hits = 0
        """Counted with the next question, which is less than a second away as long as anybody asks."""
        self._hits, self._misses, self._joined = (ASKED.labels(outcome) for outcome in ("hit", "miss", "joined"))

    @classmethod
    def of(cls, settings: Settings) -> "PublicCache | None":
        """The memory that the settings ask for, if any."""
        return cls(settings.cache_mib * MIB) if settings.cache_mib else None

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """What it holds."""
        return self._bytes

    def find(self, key: Key) -> Answer | None:
        """The answer that is kept under `key`, if it may still be given."""
        kept = self._kept.get(key)
        if kept is None or kept.until <= self._clock():
            return None
        self._uncounted_hits += 1
        return kept

    async def ask(self, key: Key, service: Callable[[Flight], Awaitable[Answer]]) -> Answer | None:
        """What `service` answers; who asks meanwhile waits for the same answer, or for what kept it from coming.

        None where an answer that was waited for is the other caller's only: errors, above all. Who comes when the
        service has been at work for longer than an answer is kept waits, too, but then has it asked again, so nobody
        gets what is older. It is asked to the end even if the first caller hangs up: others may wait.
        """
        arrived = self._clock()
        while (flight := self._flights.get(key)) is not None:
            answer = await asyncio.shield(flight.answer)
            if not answer.life:
                return None
            if arrived < flight.began + answer.life:
                self._joined.inc()
                return answer
        self._misses.inc()
        self._hits.inc(self._uncounted_hits)
        self._uncounted_hits = 0
        started = Flight(self._clock)
        self._flights[key] = started
        started.answer = asyncio.ensure_future(service(started))
        started.answer.add_done_callback(lambda _: self._land(key, started))
        return await asyncio.shield(started.answer)

    async def close(self) -> None:
        """Forget everything, and ask no further."""
        for flight in self._flights.values():
            flight.answer.cancel()
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._kept.clear()

    def _land(self, key: Key, flight: Flight) -> None:
        del self._flights[key]
        if flight.answer.cancelled() or flight.answer.exception() is not None:
            return
        answer = flight.answer.result()
        size = _size(key, answer)
        answer.until = flight.began + answer.life
        now = self._clock()
        if answer.until > now and size * LARGEST_SHARE <= self._size:
            self._forget(key)
            self._make_room(size, now)
            self._kept[key] = answer
            self._bytes += size
            self._tell()
            if self._sweeping is None:
                self._sweep_later()

    def _sweep_later(self) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(LIFE_SECONDS, self._sweep)

    def _sweep(self) -> None:
        """Forget what is over, as long as there is anything."""
        self._sweeping = None
        now = self._clock()
        while self._kept and self._kept[oldest := next(iter(self._kept))].until <= now:
            self._forget(oldest)
        self._tell()
        if self._kept:
            self._sweep_later()

    def _tell(self) -> None:
        BYTES.set(self._bytes)
        ENTRIES.set(len(self._kept))

    def _make_room(self, size: int, now: float) -> None:
        while self._kept:
            oldest = next(iter(self._kept))
            enough = self._bytes + size <= self._size and len(self._kept) < MAX_ENTRIES
            if enough and self._kept[oldest].until > now:
                return
            self._forget(oldest)

    def _forget(self, key: Key) -> None:
        answer = self._kept.pop(key, None)
        if answer is not None:
            self._bytes -= _size(key, answer)


def _size(key: Key, answer: Answer) -> int:
    written = len(answer.head.written) + len(answer.not_modified.written)
    return OVERHEAD + len(key[0]) + len(key[1]) + written + len(answer.body)
