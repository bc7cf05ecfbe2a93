"""A storm: parts of a market are killed and started again at random moments, alone, together and during a start."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from benchmarks.faults.parts import WORKER, Parts
from benchmarks.faults.verdict import Fault
from benchmarks.prove.outcome import Say

AWAY_SECONDS: Final = 1.0
APART_SECONDS: Final = 2.0
"""How long after the first kill of a spell the others may come: while it is away, while it starts, and after that."""
AT_ONCE: Final = 0.3
"""How often they come in the same moment."""
VICTIMS: Final = ((1, 5), (2, 4), (3, 1))
"""How many parts a spell kills, and how often."""
SAID_EVERY: Final = 10


@dataclass
class Storm:
    """Kills each of `victims` as often as the others, give or take one.

    The worker is first: what it had begun is taken over when its last sign of life is old enough, and while that
    passes, all else is killed.
    """

    parts: Parts
    say: Say
    victims: Sequence[str]
    calm_seconds: float
    """The longest pause before the next kill when everything serves again."""
    random: Random = field(default_factory=Random)
    faults: list[Fault] = field(default_factory=list)
    _deck: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._shuffle()
        self._deck.sort(key=WORKER.__eq__)

    async def rage(self, cycles: int, *, also_while: asyncio.Event | None = None) -> None:
        """Kill and restart `cycles` times, and then on until `also_while` is set; return when everything serves."""
        while (rest := cycles - len(self.faults)) > 0 or (also_while is not None and not also_while.is_set()):
            await asyncio.sleep(self.random.uniform(0, self.calm_seconds))
            before = len(self.faults) // SAID_EVERY
            await self._spell(max(rest, 1))
            if len(self.faults) // SAID_EVERY > before:
                self.say(f"{len(self.faults)} kills, {self.parts_killed()}")

    def parts_killed(self) -> str:
        """How often each part was killed, in words."""
        killed = Counter(fault.part for fault in self.faults)
        return ", ".join(f"{part} {killed[part]}" for part in self.victims)

    def spared(self) -> list[str]:
        """The victims that were never killed."""
        return sorted(set(self.victims) - {fault.part for fault in self.faults})

    async def _spell(self, most: int) -> None:
        counts, weights = zip(*VICTIMS, strict=True)
        victims = self._deal(min(most, self.random.choices(counts, weights)[0]))
        apart = 0.0 if self.random.random() < AT_ONCE else APART_SECONDS
        kills = [
            self._kill(victim, self.random.uniform(0, apart) if place else 0) for place, victim in enumerate(victims)
        ]
        moments = await asyncio.gather(*kills)
        whole = await self.parts.wait_until_ready(*self.parts.all)
        self.faults += [Fault(*moment, whole) for moment in moments]

    async def _kill(self, part: str, delay: float) -> tuple[str, float, float, float]:
        """The part, when it was killed, when it was started again, and when it was ready."""
        await asyncio.sleep(delay)
        killed = time.monotonic()
        await self.parts.end(part)
        await asyncio.sleep(self.random.uniform(0, AWAY_SECONDS))
        started = time.monotonic()
        await self.parts.start_again(part)
        return part, killed, started, await self.parts.wait_until_ready(part)

    def _deal(self, count: int) -> list[str]:
        """The next victims, no part twice and none too often."""
        if not self._deck:
            self._shuffle()
        dealt, self._deck = self._deck[-count:], self._deck[:-count]
        return dealt[::-1]

    def _shuffle(self) -> None:
        self._deck = self.random.sample(self.victims, len(self.victims))
