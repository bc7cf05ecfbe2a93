"""Completing what is being typed."""

from bisect import bisect_left
from collections.abc import Callable, Iterable

from services.catalog.search.folding import key, prefix_key, weak_prefix_key, words
from services.catalog.search.phrases import CommodityEntry, SynonymGroup

_LONGEST_SCAN = 500  # Phrases looked at per opening; one letter may begin thousands of names.
_MIDDLE = 4  # A phrase that has the words in its middle comes after those that begin with them.

_Filed = tuple[str, int, int, str]


class Completion:
    """Readable phrases, filed under the key of every word they may be looked up from."""

    def __init__(
        self, commodities: Iterable[CommodityEntry], groups: Iterable[SynonymGroup], names: Iterable[str]
    ) -> None:
        entries = tuple(commodities)
        market = [(entry.name_id, 0) for entry in entries]
        market += [(group.canonical, 0) for group in groups]
        market += [(phrase, 1) for entry in entries for phrase in entry.synonyms]
        market += [(entry.name_en, 2) for entry in entries]
        seen: set[str] = set()
        # Names are filed apart, so that however many there are, the market's own words are always looked at.
        self._files = (_file(market, seen), _file([(name, 3) for name in names], seen))

    def suggest(self, prefix: str, respelt: Callable[[str], str], limit: int) -> list[str]:
        """Return up to `limit` phrases for an opening; `respelt` corrects a finished word, or drops it as a filler."""
        typed = words(prefix)
        if not typed or limit <= 0:
            return []
        *finished, last = typed
        opening = [respelt(word) for word in finished]
        found = self._beginning([*opening, last])
        if not found:  # Nothing begins like this: the last word may be finished too, and misspelt.
            found = self._beginning([*opening, respelt(last)])
        return found[:limit]

    def _beginning(self, parts: list[str]) -> list[str]:
        found: dict[str, tuple[bool, int, int, str]] = {}
        literal = " ".join(parts)
        for fold in (prefix_key, weak_prefix_key):
            folded = " ".join(fold(word) for part in parts for word in part.split())
            for filed in self._files if folded else ():
                start = bisect_left(filed, (folded,))
                for spelt, rank, length, phrase in filed[start : start + _LONGEST_SCAN]:
                    if not spelt.startswith(folded):
                        break
                    # What has the very letters comes first: "k" begins kopi before cukli, though c and k are equated.
                    order = f" {literal}" not in f" {phrase.lower()}", rank, length, phrase
                    found[phrase] = min(order, found.get(phrase, order))
        return [order[-1] for order in sorted(found.values())]


def _file(ranked: Iterable[tuple[str, int]], seen: set[str]) -> list[_Filed]:
    filed: set[_Filed] = set()
    for phrase, rank in ranked:
        parts = words(phrase)
        spelt = " ".join(map(key, parts))
        if spelt not in seen:  # Of several spellings the first, most trusted one is offered.
            seen.add(spelt)
            for start in range(len(parts)):
                for fold in (prefix_key, weak_prefix_key):
                    opening = " ".join(map(fold, parts[start:]))
                    filed.add((opening, rank + (_MIDDLE if start else 0), len(phrase), phrase))
    return sorted(filed)
