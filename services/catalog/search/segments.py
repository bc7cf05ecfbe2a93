"""Reading the words of a query together: which stretches of it are phrases of the market.

Every stretch of up to five words is looked up under the likeliest readings of its words; then the cut of the query
that explains most of it is chosen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from services.catalog.search.folding import consonants, distance, key, prefix_key
from services.catalog.search.phrases import LONGEST_PHRASE, RELATED, PhraseIndex, Sense
from services.catalog.search.reader import Reading, Term
from services.catalog.search.vocabulary import Vocabulary

_IN_CONTEXT = 0.9
_WEAKEST_GUESS = 0.85  # A word with two errors does not also stand for a longer name it is part of.
_LONGEST_SPLIT_WORD = 3  # A word typed in up to three pieces is put together again.
_SHORTEST_IN_CONTEXT = 3
_TWO_ERRORS_FROM = 6
_READINGS_BY_LENGTH = {1: 4, 2: 4, 3: 3}


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of terms read as one phrase. `value` says how much of the query it explains."""

    start: int
    end: int
    readings: tuple[Reading, ...]
    sense: Sense
    quality: float
    purpose: bool
    value: float


def segments(terms: Sequence[Term], phrases: PhraseIndex, vocabulary: Vocabulary) -> list[Segment]:
    """Return the phrases that together explain the terms best, in the order typed, without overlap."""
    best: list[tuple[float, list[Segment]]] = [(0.0, [])]
    found = _Phrases(terms, phrases, vocabulary)
    for end in range(1, len(terms) + 1):
        value, chosen = best[end - 1]
        for start in range(max(0, end - LONGEST_PHRASE), end):
            for segment in found.between(start, end):
                if best[start][0] + segment.value > value:
                    value, chosen = best[start][0] + segment.value, [*best[start][1], segment]
        best.append((value, chosen))
    return best[-1][1]


class _Phrases:
    def __init__(self, terms: Sequence[Term], phrases: PhraseIndex, vocabulary: Vocabulary) -> None:
        self._terms = terms
        self._phrases = phrases
        self._vocabulary = vocabulary

    def between(self, start: int, end: int) -> Iterator[Segment]:
        """Yield the ways to read the terms from `start` up to `end` as one phrase."""
        stretch = self._terms[start:end]
        if self._terms[start].after_purpose and (segment := self._spelt(start, end, purpose=True)):
            yield segment
        segment = self._spelt(start, end, purpose=False)
        if segment is None and len(stretch) > 1 and not all(term.certain for term in stretch):
            segment = self._in_context(start, end) or self._in_pieces(start, end)
        if segment:
            yield segment

    def _spelt(self, start: int, end: int, *, purpose: bool) -> Segment | None:
        stretch = self._terms[start:end]
        if not all(term.readings for term in stretch):
            return None
        look_up = self._phrases.purpose if purpose else self._phrases.sense
        at_most = _READINGS_BY_LENGTH.get(len(stretch), 2)
        best: Segment | None = None
        for readings in product(*(term.readings[:at_most] for term in stretch)):
            sense = look_up(tuple(reading.key for reading in readings))
            if sense and not (sense.weak and readings[0].quality < _WEAKEST_GUESS):
                segment = _segment(start, end, readings, sense, purpose=purpose)
                if best is None or segment.value > best.value:
                    best = segment
        return best

    def _in_context(self, start: int, end: int) -> Segment | None:
        """Correct the one doubtful word of a phrase by its other words: `gula arn` can only be `gula aren`."""
        stretch = self._terms[start:end]
        doubtful = [place for place, term in enumerate(stretch) if not term.certain]
        if len(doubtful) != 1:
            return None
        place = doubtful[0]
        term = stretch[place]
        if term.ordinary or not term.typed.isalpha() or len(term.typed) < _SHORTEST_IN_CONTEXT:
            return None
        return self._completed(start, end, place)

    def _completed(self, start: int, end: int, place: int) -> Segment | None:
        stretch = self._terms[start:end]
        others = [term.readings[0] for position, term in enumerate(stretch) if position != place]
        nearest: tuple[int, str] | None = None
        for word in self._phrases.missing(place, tuple(reading.key for reading in others)):
            errors = self._errors_in_context(stretch[place].typed, word)
            if errors is not None and (nearest is None or (errors, word) < nearest):
                nearest = errors, word
        if nearest is None:
            return None
        word = nearest[1]
        shown = self._vocabulary.shown(word, stretch[place].typed)
        reading = Reading(word, shown, _IN_CONTEXT, corrected=True)
        readings = (*others[:place], reading, *others[place:])
        sense = self._phrases.sense(tuple(each.key for each in readings))
        return _segment(start, end, readings, sense, purpose=False) if sense else None

    def _errors_in_context(self, typed: str, word: str) -> int | None:
        """Return how far a typed word is from one that would complete a phrase; None where that is too far."""
        limit = 2 if len(typed) >= _TWO_ERRORS_FROM else 1
        as_typed = prefix_key(typed)
        near = [distance(key(typed), word, limit)]
        near.extend(distance(as_typed, prefix_key(written), limit) for written in self._vocabulary.written(word))
        if min(near) <= limit:
            return min(near)
        return limit if _without_vowels(key(typed), word) else None

    def _in_pieces(self, start: int, end: int) -> Segment | None:
        """Put together what was typed apart (ke ripik), or joined and split elsewhere (minyak kayuputih)."""
        stretch = self._terms[start:end]
        whole = "".join(term.typed for term in stretch)
        parts = self._phrases.joined(key(whole))
        if not parts and len(stretch) <= _LONGEST_SPLIT_WORD and self._vocabulary.of_market(key(whole)):
            parts = (whole,)
        readings = tuple(
            Reading(key(part), self._vocabulary.shown(key(part), part), 1.0, corrected=True) for part in parts
        )
        sense = self._phrases.sense(tuple(reading.key for reading in readings)) if readings else None
        return _segment(start, end, readings, sense, purpose=False) if sense else None


def _segment(start: int, end: int, readings: tuple[Reading, ...], sense: Sense, *, purpose: bool) -> Segment:
    """Value a phrase: long ones above their parts, sure ones above guesses, what is only related least."""
    quality = 1.0
    for reading in readings:
        quality *= reading.quality
    size = end - start
    strongest = max(sense.commodities.values(), default=1.0)
    if sense.weak:
        value = 0.6
    elif size == 1 and strongest <= RELATED:
        value = 0.45
    else:
        value = size + (size - 1) / 2 + (0.6 if purpose else 0)
    return Segment(start, end, readings, sense, quality, purpose, value * quality)


def _without_vowels(folded: str, word: str) -> bool:
    """Tell whether a word was typed with vowels left out, as in short messages: `kdlai` for `kedelai`."""
    if folded[0] != word[0] or len(folded) >= len(word):
        return False
    if consonants(folded) != consonants(word):
        return False
    left = iter(word)
    return all(letter in left for letter in folded)
