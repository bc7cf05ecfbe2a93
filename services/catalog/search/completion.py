"""Completing what is being typed."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator

from services.catalog.search.folding import key, prefix_key, weak_prefix_key, words
from services.catalog.search.phrases import CommodityEntry, SynonymGroup

_LONGEST_SCAN = 200  # Phrases looked at per opening; one letter may begin thousands of names.
_MIDDLE = 4  # A phrase that has the words in its middle comes after those that begin with them.

_Filed = tuple[str, int, int, str]


class Completion:
    """Readable phrases, filed under the key of every word they may be looked up from."""

    def __init__(
        self, commodities: Iterable[CommodityEntry], groups: Iterable[SynonymGroup], names: Iterable[str]
    ) -> None:
        entries = tuple(commodities)
        ranked = [(entry.name_id, 0) for entry in entries]
        ranked += [(group.canonical, 0) for group in groups]
        ranked += [(phrase, 1) for entry in entries for phrase in entry.synonyms]
        ranked += [(entry.name_en, 2) for entry in entries]
        ranked += [(name, 3) for name in names]
        seen: set[str] = set()
        filed: set[_Filed] = set()
        for phrase, rank in ranked:
            parts = words(phrase)
            spelt = " ".join(map(key, parts))
            if spelt not in seen:  # Of several spellings the first, most trusted one is offered.
                seen.add(spelt)
                filed.update(_filed(phrase, parts, rank))
        self._filed = sorted(filed)

    def suggest(self, prefix: str, respelt: Callable[[str], str], limit: int) -> list[str]:
        """Return up to `limit` phrases for an opening; `respelt` corrects one finished word."""
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
        found: dict[str, tuple[int, int, str]] = {}
        for fold in (prefix_key, weak_prefix_key):
            folded = " ".join(fold(word) for part in parts for word in part.split())
            start = bisect_left(self._filed, (folded,))
            for spelt, rank, length, phrase in self._filed[start : start + _LONGEST_SCAN]:
                if not spelt.startswith(folded):
                    break
                found[phrase] = min((rank, length, phrase), found.get(phrase, (rank, length, phrase)))
        return [phrase for _, _, phrase in sorted(found.values())]


def _filed(phrase: str, parts: list[str], rank: int) -> Iterator[_Filed]:
    for start in range(len(parts)):
        for fold in (prefix_key, weak_prefix_key):
            yield " ".join(map(fold, parts[start:])), rank + (_MIDDLE if start else 0), len(phrase), phrase
