"""The words the lexicon knows, each with the spelling it prefers to show."""

from enum import IntEnum

from services.catalog.search.folding import distance, full_key, key

_FAR = 9  # Spellings of one key are never this far apart.


class Origin(IntEnum):
    """Where a word was met, the most trusted spelling first; of two near words the more trusted is meant."""

    NAME = 0
    """Indonesian names of commodities and canonical words of synonym groups."""
    ENGLISH = 1
    LANGUAGE = 2
    """The curated phrases and words of the language document."""
    SYNONYM = 3
    VARIANT = 4
    OTHER = 5
    """Names of vendors and products: known, but no part of the market's own words."""


class Vocabulary:
    """Words by folding key. The most trusted spelling of a key is the one that corrections show."""

    def __init__(self) -> None:
        self.origins: dict[str, int] = {}
        self._shown: dict[str, str] = {}
        self._spellings: dict[str, Origin] = {}
        self._written: dict[str, list[str]] = {}
        self._native: set[str] = set()
        self._foreign: set[str] = set()

    def add(self, word: str, origin: Origin) -> str:
        """Learn a cleaned word and return its folding key."""
        folded = key(word)
        if origin < self.origins.get(folded, len(Origin)):
            self.origins[folded] = origin
            self._shown[folded] = word
        if word not in self._spellings:
            self._written.setdefault(folded, []).append(word)
        self._spellings[word] = min(origin, self._spellings.get(word, origin))
        if origin in (Origin.ENGLISH, Origin.LANGUAGE):
            self._foreign.add(folded)
        elif origin is Origin.NAME:
            self._native.add(folded)
        return folded

    def __contains__(self, folded: str) -> bool:
        return folded in self.origins

    def of_market(self, folded: str) -> bool:
        """Tell whether a key belongs to the market's own words, not only to the name of a vendor or a product."""
        return self.origins.get(folded, Origin.OTHER) < Origin.OTHER

    def native(self, folded: str) -> bool:
        """Tell whether a key is a word of the market's own trade, not one of English or of general language only."""
        return folded in self._native or folded not in self._foreign

    def written(self, folded: str) -> list[str]:
        """Return every spelling met of a key."""
        return self._written.get(folded, [])

    def forms(self) -> dict[str, str]:
        """Return every key, folded fully and with the weak e kept, mapped to the key."""
        full = {full_key(word): folded for folded, spellings in self._written.items() for word in spellings}
        return full | {folded: folded for folded in self._written}

    def spelt(self, word: str) -> bool:
        """Tell whether exactly this spelling was met."""
        return word in self._spellings

    def shown(self, folded: str, typed: str) -> str:
        """Return the spelling to show for a key: as `typed` where no spelling of it is more to be trusted, else the
        trusted one that is nearest to it (coffe is coffee, though kopi has the same key)."""
        if typed in self._spellings and self._trust(typed) <= self._trust(self._shown[folded]):
            return typed
        best = self._shown[folded]
        others = (word for word in self._written[folded] if self._trust(word) <= self._trust(best))
        return min((best, *others), key=lambda word: distance(typed, word, _FAR))

    def _trust(self, word: str) -> int:
        """Names and curated words are trusted first; synonyms and variants may be misspelt on purpose."""
        origin = self._spellings[word]
        return 0 if origin <= Origin.LANGUAGE else 1 if origin < Origin.OTHER else 2
