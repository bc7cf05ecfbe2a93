"""Corrections: the known words nearest to a misspelt one.

A symmetric-delete index: every known word is filed under itself and under itself with one or two letters left out, so
that a look-up costs a few dictionary reads, however many words are known.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

from services.catalog.search.folding import distance

_LONGEST_CORRECTED = 24
_CANDIDATES = 8  # More than are kept in the end: the reader refuses some.
_ONE_ERROR_FROM = 4
_TWO_ERRORS_FROM = 7
_FREE_FIRST_LETTER_FROM = 6
_TWO_ERRORS_KEPT_FROM = 5


def allowed_errors(word: str) -> int:
    """Return how many letters of a word may be wrong: none below 4 letters, 1 below 7, then 2."""
    if not _ONE_ERROR_FROM <= len(word) <= _LONGEST_CORRECTED or not word.isalpha():
        return 0
    return 1 if len(word) < _TWO_ERRORS_FROM else 2


class SpellingIndex:
    """Known folding keys, filed under every form they are spelt in."""

    def __init__(self, forms: Mapping[str, str], ranks: Mapping[str, int]) -> None:
        """`forms` maps each form to its key. Of two keys equally near, the one of lower rank is meant."""
        self._forms = forms
        self._ranks = ranks
        self._filed: dict[str, list[str]] = {}
        for form in forms:
            if _ONE_ERROR_FROM - 1 <= len(form) <= _LONGEST_CORRECTED and form.isalpha():
                for shorter in _shortened(form, 2 if len(form) >= _TWO_ERRORS_KEPT_FROM else 1):
                    self._filed.setdefault(shorter, []).append(form)

    def nearest(self, typed: Iterable[str], errors: int) -> list[tuple[str, int]]:
        """Return up to a few known keys, with their distance from the nearest of the forms typed, nearest first."""
        found: dict[str, tuple[int, bool, int]] = {}
        for folded in dict.fromkeys(typed) if errors else ():
            for form in {form for shorter in _shortened(folded, errors) for form in self._filed.get(shorter, ())}:
                far = distance(folded, form, errors)
                if far <= errors and _plausible(folded, form, far):
                    known = self._forms[form]
                    order = far, folded[:1] != form[:1], self._ranks[known]
                    found[known] = min(order, found.get(known, order))
        nearest = sorted((order, known) for known, order in found.items())
        return [(known, order[0]) for order, known in nearest[:_CANDIDATES]]


def _plausible(folded: str, known: str, far: int) -> bool:
    """Refuse what people do not mistype: the first letter of a short word, or two letters and the first one."""
    if far == 0 or folded[0] == known[0] or folded[1::-1] == known[:2]:
        return True
    return far == 1 and len(folded) >= _FREE_FIRST_LETTER_FROM


def _shortened(word: str, letters: int) -> Iterable[str]:
    yield word
    yield from _left_out(word, letters)


def _left_out(word: str, letters: int) -> Iterator[str]:
    places = range(len(word))
    for count in range(1, min(letters, len(word) - 1) + 1):
        for gone in combinations(places, count):
            if count == 1:
                yield word[: gone[0]] + word[gone[0] + 1 :]
            else:
                yield word[: gone[0]] + word[gone[0] + 1 : gone[1]] + word[gone[1] + 1 :]
