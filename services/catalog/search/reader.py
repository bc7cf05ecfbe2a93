"""Reading a query word by word: what every typed word may be, before the words are read together."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from services.catalog.search.affixes import stems
from services.catalog.search.folding import (
    MAX_WORDS,
    consonants,
    distance,
    full_key,
    key,
    without_doubles,
    without_weak_e,
    words,
)
from services.catalog.search.language import Language
from services.catalog.search.phrases import PhraseIndex
from services.catalog.search.spelling import SpellingIndex, allowed_errors
from services.catalog.search.vocabulary import Vocabulary

_RESPELT = 0.98
_STEMMED = 0.97
_TRANSLATED = 0.97
_ERROR_COST = 0.1
_GUESSED = 1 - _ERROR_COST
_SHORTEST_HALF = 3
_SHORTEST_TARGET = 4
_LONG = 6
_CANDIDATES = 4


@dataclass(frozen=True, slots=True)
class Reading:
    """One possible reading of a word: its key, the text to show, how sure it is, and whether it corrects the typing."""

    key: str
    text: str
    quality: float
    corrected: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a query. `readings` are the surest first; none means that the lexicon does not know the word."""

    typed: str
    readings: tuple[Reading, ...] = ()
    filler: bool = False
    ordinary: bool = False
    after_purpose: bool = False
    after_conjunction: bool = False

    @property
    def certain(self) -> bool:
        """Tell whether the word was recognised without guessing at letters."""
        return bool(self.readings) and self.readings[0].quality > _GUESSED


class Reader:
    """Turns a query into terms, with the vocabulary and the phrases of one lexicon."""

    def __init__(self, language: Language, vocabulary: Vocabulary, phrases: PhraseIndex) -> None:
        self._language = language
        self._vocabulary = vocabulary
        self._phrases = phrases
        self._spelling = SpellingIndex(vocabulary.forms(), vocabulary.origins)
        self._translations: dict[str, list[str]] = {}
        for word, meaning in language.words.items():
            self._translations.setdefault(key(word), []).append(key(meaning))

    def terms(self, query: str) -> list[Term]:
        """Return at most `MAX_WORDS` terms, fillers among them, in the order typed."""
        typed = [part for word in words(query) for part in self._language.slang.get(word, word).split()]
        read: list[Term] = []
        purpose = conjunction = False
        for word, filler in self._marked(self._single(typed[:MAX_WORDS])):
            if filler:
                purpose = purpose or word in self._language.purpose_words
                conjunction = conjunction or word in self._language.conjunctions
                read.append(Term(word, filler=True))
                continue
            read.extend(
                replace(part, after_purpose=purpose, after_conjunction=conjunction) for part in self._term(word)
            )
            purpose = conjunction = False
        return read[:MAX_WORDS]

    def _single(self, typed: list[str]) -> list[str]:
        """Take doubled words once (keripik-keripik), unless the doubling is the name itself (oleh-oleh)."""
        kept: list[str] = []
        for word in typed:
            if not kept or word != kept[-1] or self._phrases.sense((key(word), key(word))):
                kept.append(word)
        return kept

    def _marked(self, typed: list[str]) -> Iterator[tuple[str, bool]]:
        """Mark fillers: stop words, and quantities such as `1 kg` or `500gr`."""
        units = self._language.units
        for place, word in enumerate(typed):
            number = word.rstrip("abcdefghijklmnopqrstuvwxyz")
            if number.isdecimal():
                following = typed[place + 1] if place + 1 < len(typed) else ""
                yield word, word.removeprefix(number) in units or (number == word and following in units)
            else:
                counted = word in units and place > 0 and typed[place - 1].isdecimal()
                yield word, counted or self._language.is_filler(word)

    def _term(self, word: str) -> list[Term]:
        folded = key(word)
        spelt = self._vocabulary.spelt(word)
        if spelt and self._vocabulary.of_market(folded):
            return [Term(word, self._known(word, folded, corrected=False))]
        if word in self._language.ordinary or word in self._language.modifiers or word in self._language.protected:
            return [Term(word, ordinary=word in self._language.ordinary)]
        if folded in self._vocabulary:
            return [Term(word, self._known(word, folded, corrected=not spelt))]
        if stemmed := self._stemmed(word):
            return [Term(word, stemmed)]
        return self._split(word, folded) or [Term(word, self._corrected(word))]

    def _known(self, word: str, folded: str, *, corrected: bool) -> tuple[Reading, ...]:
        shown = self._vocabulary.shown(folded, word)
        quality = _RESPELT if corrected else 1.0
        own = Reading(folded, shown, quality, corrected)
        return (own, *self._translated(folded, shown, quality * _TRANSLATED, corrected=corrected))

    def _translated(self, folded: str, text: str, quality: float, *, corrected: bool) -> Iterator[Reading]:
        for meaning in self._translations.get(folded, ()):
            yield Reading(meaning, text, quality, corrected)

    def _stemmed(self, word: str) -> tuple[Reading, ...]:
        for stem in stems(word):
            folded = key(stem)
            if self._vocabulary.spelt(stem) and self._vocabulary.of_market(folded):
                shown = self._vocabulary.shown(folded, stem)
                translated = self._translated(folded, shown, _STEMMED * _TRANSLATED, corrected=False)
                return (Reading(folded, shown, _STEMMED), *translated)
        return ()

    def _corrected(self, word: str) -> tuple[Reading, ...]:
        readings: list[Reading] = []
        for known, errors in self._spelling.nearest((key(word), full_key(word)), allowed_errors(word)):
            if len(readings) < _CANDIDATES and any(
                self._plausible(word, known, written, errors) for written in self._vocabulary.written(known)
            ):
                shown = self._vocabulary.shown(known, word)
                quality = 1 - _ERROR_COST * errors
                readings.append(Reading(known, shown, quality, corrected=True))
                readings.extend(self._translated(known, shown, quality * _TRANSLATED, corrected=True))
        return tuple(readings)

    def _plausible(self, word: str, known: str, written: str, errors: int) -> bool:
        """Refuse a correction that only the folding makes look near: the letters as written must be near too.

        A short word is corrected to a word of the trade only, and no word to an English one by two letters: English
        is full of words that differ by so little. Two errors must leave the consonants standing, all but one.
        """
        native = self._vocabulary.native(known)
        if len(word) < _LONG and not (native and len(written) >= _SHORTEST_TARGET):
            return False
        if errors > 1 and not (
            native and len(written) >= _LONG and distance(consonants(key(word)), consonants(known), 1) <= 1
        ):
            return False
        allowed = allowed_errors(word)
        return any(
            distance(fold(word), fold(written), allowed) <= allowed for fold in (without_doubles, without_weak_e)
        )

    def _split(self, word: str, folded: str) -> list[Term]:
        """Read words written together: a whole phrase (kayuputih), or two known words that make one."""
        parts = self._phrases.joined(folded)
        for cut in range(_SHORTEST_HALF, len(word) - _SHORTEST_HALF + 1):
            if parts:
                break
            left, right = word[:cut], word[cut:]
            both = key(left), key(right)
            if all(map(self._vocabulary.of_market, both)) and self._phrases.sense(both):
                parts = (left, right)
        return [Term(part, self._known(part, key(part), corrected=True)) for part in parts]
