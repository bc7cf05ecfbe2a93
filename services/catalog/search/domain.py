"""What a search query means: the one step that stands before every search engine.

It folds the spelling, corrects it against the market's own words, strips affixes and maps what is meant to
commodities, regions and certificates. Pure: it is built from plain data and answers from memory, so that "gula arn",
"palm sugar" and "merunggai" find their product whichever engine serves the search.

A query is read up to `MAX_QUERY_LENGTH` characters and `MAX_WORDS` words; whatever it holds, nothing is raised.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from services.catalog.search.completion import Completion
from services.catalog.search.folding import MAX_QUERY_LENGTH, MAX_WORDS, words
from services.catalog.search.language import Language, load_language
from services.catalog.search.phrases import CommodityEntry, PhraseIndex, SynonymGroup
from services.catalog.search.ranking import MAX_COMMODITIES, ranked
from services.catalog.search.reader import Reader, Reading, Term
from services.catalog.search.segments import Segment, segments
from services.catalog.search.vocabulary import Origin, Vocabulary

__all__ = [
    "MAX_COMMODITIES",
    "MAX_QUERY_LENGTH",
    "MAX_WORDS",
    "CommodityEntry",
    "Language",
    "Lexicon",
    "SynonymGroup",
    "Term",
    "Understanding",
    "load_language",
]

QUERIES_REMEMBERED = 1024
"""People search for the same few words; the routes let no query be longer than 1,000 characters."""
_BELIEVED_FROM = 6
_BELIEVED_QUALITY = 0.9


@dataclass(frozen=True, slots=True)
class Understanding:
    """What a query means.

    `text` and `tokens` are the corrected words to match as free text; fillers, and words fully said by `regions`,
    `certificates` or a purpose, are gone, so both may be empty. `commodities` are slugs with a weight above 0 up to 1,
    strongest first: 1.0 is named, 0.4 only related. `unexplained` are those of the tokens that no phrase of the market
    explains, such as the name of a vendor. `regions` are region codes, the nearest meaning first.
    `suggestion` is the whole query as it should have been typed, where a correction was made.
    """

    text: str = ""
    tokens: tuple[str, ...] = ()
    unexplained: tuple[str, ...] = ()
    commodities: tuple[tuple[str, float], ...] = ()
    regions: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    suggestion: str | None = None


class Lexicon:
    """Everything the query step knows; built from data, then read only, so that threads may share it."""

    def __init__(
        self, language: Language, vocabulary: Vocabulary, phrases: PhraseIndex, completion: Completion
    ) -> None:
        self._vocabulary = vocabulary
        self._phrases = phrases
        self._reader = Reader(language, vocabulary, phrases)
        self._completion = completion
        self._understood = functools.lru_cache(maxsize=QUERIES_REMEMBERED)(self._understand)

    @classmethod
    def build(
        cls,
        commodities: Iterable[CommodityEntry],
        synonyms: Iterable[SynonymGroup],
        language: Language,
        names: Iterable[str] = (),
    ) -> Self:
        """Build a lexicon. `names` (of vendors, of products) are known words and completions, but mean no commodity."""
        entries, groups, others = tuple(commodities), tuple(synonyms), tuple(names)
        vocabulary = Vocabulary()
        phrases = PhraseIndex(entries, groups, language, vocabulary)
        for word, meaning in language.words.items():
            vocabulary.add(meaning, Origin.SYNONYM)
            vocabulary.add(word, Origin.LANGUAGE)
        for name in others:
            for word in words(name):
                if not language.is_filler(word):
                    vocabulary.add(word, Origin.OTHER)
        return cls(language, vocabulary, phrases, Completion(entries, groups, others))

    def understand(self, query: str) -> Understanding:
        """Say what a query means. Never raises; the same query always has the same answer, so it is remembered."""
        return self._understood(query)

    def _understand(self, query: str) -> Understanding:
        terms = self._reader.terms(query)
        content = [term for term in terms if not term.filler]
        if not content:
            return Understanding()
        found = segments(content, self._phrases, self._vocabulary)
        shown, corrected = _corrected_words(content, found)
        tokens = _free_text(found, shown)
        explained = {place for segment in found for place in range(segment.start, segment.end)}
        return Understanding(
            text=" ".join(tokens),
            tokens=tokens,
            unexplained=tuple(
                word for place, text in enumerate(shown) if place not in explained for word in text.split()
            ),
            commodities=ranked(content, found, self._phrases),
            regions=tuple(dict.fromkeys(code for segment in found for code in segment.sense.regions)),
            certificates=tuple(dict.fromkeys(kind for segment in found for kind in segment.sense.certificates)),
            suggestion=_suggestion(terms, shown) if corrected else None,
        )

    def suggest(self, prefix: str, limit: int = 8) -> list[str]:
        """Complete what is being typed to readable phrases, at most `limit`, the likeliest first.

        Errors in finished words are forgiven; an error in the last word only where nothing begins as it is typed.
        """
        return self._completion.suggest(prefix, self._respelt, limit)

    def _respelt(self, word: str) -> str:
        terms = [term for term in self._reader.terms(word) if not term.filler]
        return " ".join(term.readings[0].text if term.readings else term.typed for term in terms)


def _corrected_words(content: Sequence[Term], found: Sequence[Segment]) -> tuple[list[str], bool]:
    """Return every content word as it is now read, and whether one of them was corrected."""
    readings: list[tuple[Reading, ...]] = [term.readings[:1] if _believed(term) else () for term in content]
    for segment in found:
        if len(segment.readings) == segment.end - segment.start:
            for place, reading in enumerate(segment.readings, start=segment.start):
                readings[place] = (reading,)
        else:  # Pieces were put together: the first place takes all the words.
            readings[segment.start : segment.end] = [segment.readings, *([()] * (segment.end - segment.start - 1))]
    gone = {place for segment in found for place in range(segment.start, segment.end)}
    shown = [
        " ".join(reading.text for reading in choice) if choice else ("" if place in gone else term.typed)
        for place, (term, choice) in enumerate(zip(content, readings, strict=True))
    ]
    return shown, any(reading.corrected for choice in readings for reading in choice)


def _believed(term: Term) -> bool:
    """Tell whether a word outside every phrase is shown as it was read: only a long word with a single error is."""
    return term.certain or (
        bool(term.readings) and len(term.typed) >= _BELIEVED_FROM and term.readings[0].quality >= _BELIEVED_QUALITY
    )


def _free_text(found: Sequence[Segment], shown: Sequence[str]) -> tuple[str, ...]:
    said = {
        place
        for segment in found
        if segment.purpose or not segment.sense.commodities
        for place in range(segment.start, segment.end)
    }
    tokens = [word for place, text in enumerate(shown) if place not in said for word in text.split()]
    return tuple(tokens[:MAX_WORDS])


def _suggestion(terms: Sequence[Term], shown: Sequence[str]) -> str:
    content = iter(shown)
    return " ".join(filter(None, (term.typed if term.filler else next(content) for term in terms)))
