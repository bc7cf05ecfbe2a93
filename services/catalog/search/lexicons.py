"""The lexicon of this process: built at the first search, renewed in the background, never waited for again."""

import asyncio
import logging
import time
from typing import Final

from ishop.database import Database
from services.catalog.search.domain import Lexicon
from services.catalog.search.language import load_language
from services.catalog.search.repository import Words, read_words

logger = logging.getLogger(__name__)

FRESH_SECONDS: Final = 60.0
"""How long a changed synonym or a new vendor's name may take until search knows it."""


class Lexicons:
    """Gives the newest lexicon; a stale one goes on serving while the next is built in a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lexicon: Lexicon | None = None
        self._words: Words | None = None
        self._looked = 0.0
        self._renewal: asyncio.Task[None] | None = None

    async def current(self) -> Lexicon:
        """The lexicon; waits only where there is none yet, and raises what kept it from being built then."""
        if self._lexicon is None:
            await asyncio.shield(self._renew())
        elif time.monotonic() - self._looked > FRESH_SECONDS:
            self._renew().add_done_callback(_report)
        if self._lexicon is None:
            raise RuntimeError("The lexicon was not built.")
        return self._lexicon

    async def close(self) -> None:
        """Stop a renewal that is under way."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])

    def _renew(self) -> asyncio.Task[None]:
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._build())
        return self._renewal

    async def _build(self) -> None:
        self._looked = time.monotonic()
        async with self._database.reading() as session:
            words = await read_words(session)
        if words == self._words:
            return
        # A thread, so that requests are served meanwhile.
        self._lexicon = await asyncio.to_thread(_lexicon, words)
        self._words = words


def _lexicon(words: Words) -> Lexicon:
    return Lexicon.build(words.commodities, words.synonyms, load_language(), words.names)


def _report(renewal: asyncio.Task[None]) -> None:
    if not renewal.cancelled() and (error := renewal.exception()) is not None:
        logger.warning("The search lexicon could not be renewed, the old one goes on serving: %s", type(error).__name__)
