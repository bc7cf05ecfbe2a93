"""How fast Meilisearch is filled: `ishop reindex` of a market of its own."""

import os
import time
from dataclasses import dataclass
from typing import Final

from benchmarks.grounds import ISHOP, run_program, temporary_home
from ishop.home import Progress

DOCUMENTS: Final = 100_000
VENDORS: Final = 4_673
MOST_SECONDS: Final = 1800.0


@dataclass(frozen=True, slots=True)
class IndexRate:
    """So many documents in so many seconds, with the start of the servers and the swap."""

    documents: int
    seconds: float

    @property
    def rate(self) -> float:
        """Documents a second."""
        return self.documents / self.seconds


async def index_rate(say: Progress) -> IndexRate:
    """Seed a market, then index it."""
    with temporary_home() as home:
        environment = {"ISHOP_HOME": str(home), "PATH": os.environ.get("PATH", os.defpath)}
        log = home.parent / "index.log"
        say(f"Seeding {DOCUMENTS:,} products to fill Meilisearch with.")
        sizes = ["--products", str(DOCUMENTS), "--vendors", str(VENDORS)]
        await run_program([ISHOP, "seed", *sizes], log, MOST_SECONDS, environment)
        say("Filling Meilisearch.")
        started = time.perf_counter()
        await run_program([ISHOP, "reindex"], log, MOST_SECONDS, environment)
        return IndexRate(DOCUMENTS, time.perf_counter() - started)
