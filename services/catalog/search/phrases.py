"""The phrase index: which commodities, regions and certificates a phrase of folded words means, and how surely.

Weights: 1.0 is the thing's own name or synonym; 0.95 the same words in another order; 0.8 and 0.7 several words out of
a longer name or synonym, or the noun that heads it; 0.6 and 0.5 another word of it; 0.4 something related. Curated
intents carry their own weights.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from services.catalog.search.folding import key, words
from services.catalog.search.language import Intent, Language
from services.catalog.search.vocabulary import Origin, Vocabulary

LONGEST_PHRASE = 5
RELATED = 0.4

_EXACT = 1.0
_REORDERED = 0.95
_HEADED = 0.7
_PART = 0.8
_OTHER_WORD = 0.6
_IN_CATEGORY = 0.6
_SAME_GROUP = 0.7
_PARENTHESIS = re.compile(r"\([^)]*\)")

Keys = tuple[str, ...]
Weighted = dict[str, float]


@dataclass(frozen=True, slots=True)
class CommodityEntry:
    """A commodity as the lexicon needs it: its names, and what else people call it."""

    slug: str
    name_id: str
    name_en: str
    category: str
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SynonymGroup:
    """One thing under many words; `related` are other things that may answer the same wish."""

    canonical: str
    variants: tuple[str, ...] = ()
    english: tuple[str, ...] = ()
    related: tuple[str, ...] = ()

    @property
    def phrases(self) -> tuple[str, ...]:
        """Every phrase that names the thing itself."""
        return (self.canonical, *self.variants, *self.english)


@dataclass(frozen=True, slots=True)
class Sense:
    """What a phrase means.

    A partial sense rests on something related, or on some words out of longer names; a weak one on a single such word
    that heads none of them.
    """

    commodities: Mapping[str, float]
    regions: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    partial: bool = False
    weak: bool = False


class PhraseIndex:
    """Senses by folded phrase; built once, read only."""

    def __init__(
        self,
        commodities: Iterable[CommodityEntry],
        groups: Iterable[SynonymGroup],
        language: Language,
        vocabulary: Vocabulary,
    ) -> None:
        self._language = language
        self._vocabulary = vocabulary
        self._named: dict[Keys, Weighted] = {}
        self._bags: dict[Keys, Weighted] = {}
        self._senses: dict[Keys, Sense] = {}
        self._purposes: dict[Keys, Sense] = {}
        self._joined: dict[str, tuple[str, ...]] = {}
        self._missing: dict[tuple[int, Keys], list[str]] = {}
        self._loose = {tuple(key(word) for word in self.phrase_words(phrase)) for phrase in language.loose}
        places = {word for region in language.regions for name in region.names for word in words(name)}
        self._nameless = language.modifiers | language.units | places
        slugs = set()
        for entry in commodities:
            slugs.add(entry.slug)
            self._add_commodity(entry)
        meanings = {phrase: dict(weights) for phrase, weights in self._named.items()}
        self._add_groups(tuple(groups), meanings)
        for intent in language.intents:
            for phrase, weights in self._intent(intent, slugs):
                _raise(meanings.setdefault(phrase, {}), weights)
                self._purposes[phrase] = Sense(weights)
        for intent in language.purposes:
            for phrase, weights in self._intent(intent, slugs):
                self._purposes[phrase] = Sense(weights)
        self._finish(meanings)

    def sense(self, phrase: Keys) -> Sense | None:
        """Return what a phrase means: as it stands, or else its words in any order."""
        if found := self._senses.get(phrase):
            return found
        weights = self._bags.get(tuple(sorted(phrase)))
        if not weights:
            return None
        strongest = max(weights.values())
        return Sense(weights, partial=strongest < _REORDERED, weak=len(phrase) == 1 and strongest < _HEADED)

    def purpose(self, phrase: Keys) -> Sense | None:
        """Return what is wanted when something is said to be for this."""
        return self._purposes.get(phrase)

    def joined(self, folded: str) -> tuple[str, ...]:
        """Return the words of a phrase written as one word, by the key of that word; else nothing."""
        return self._joined.get(folded, ())

    def missing(self, place: int, others: Keys) -> list[str]:
        """Return the words that complete a known phrase whose other words are `others`, at this place."""
        return self._missing.get((place, others), [])

    def phrase_words(self, phrase: str) -> tuple[str, ...]:
        """Cut a phrase as a query is cut: slang written out, fillers left out."""
        written_out = [part for word in words(phrase) for part in self._language.slang.get(word, word).split()]
        return tuple(word for word in written_out if not self._language.is_filler(word))[:LONGEST_PHRASE]

    def _learn(self, phrase: str, origin: Origin) -> Keys:
        parts = self.phrase_words(phrase)
        keys = tuple(self._vocabulary.add(word, origin) for word in parts)
        if len(parts) > 1:
            self._joined.setdefault(key("".join(parts)), parts)
        return keys

    def _add_commodity(self, entry: CommodityEntry) -> None:
        names = ((entry.name_id, Origin.NAME), (entry.name_en, Origin.ENGLISH))
        named = [(_PARENTHESIS.sub(" ", name), origin) for name, origin in names]
        named.extend((phrase, Origin.SYNONYM) for phrase in entry.synonyms)
        for phrase, origin in named:
            keys = self._learn(phrase, origin)
            if not keys:
                continue
            if keys in self._loose:
                _raise(self._named.setdefault(keys, {}), {entry.slug: RELATED})
                continue
            if len(keys) == len(words(phrase)):  # With a filler left out (madu asli) it is only a part of the name.
                _raise(self._named.setdefault(keys, {}), {entry.slug: _EXACT})
            for bag, weight in self._parts(phrase, keys, origin):
                _raise(self._bags.setdefault(bag, {}), {entry.slug: weight})
        category = self._learn(entry.category.replace("_", " "), Origin.LANGUAGE)
        if category:
            _raise(self._bags.setdefault(tuple(sorted(category)), {}), {entry.slug: _IN_CATEGORY})

    def _parts(self, phrase: str, keys: Keys, origin: Origin) -> Iterator[tuple[Keys, float]]:
        """Yield the words of a name in any order, then every choice of some of them that still names something."""
        loss = 0.1 if origin is Origin.SYNONYM else 0.0
        head = keys[-1 if origin is Origin.ENGLISH else 0]  # Kopi robusta Tambora is a kopi, Tambora coffee a coffee.
        yield tuple(sorted(keys)), _REORDERED
        bag = tuple(sorted(set(keys)))
        nameless = {each for word, each in zip(self.phrase_words(phrase), keys, strict=True) if word in self._nameless}
        for size in range(len(bag) - 1, 0, -1):
            for part in combinations(bag, size):
                if not nameless.issuperset(part):
                    yield part, (_PART if size > 1 or part[0] == head else _OTHER_WORD) - loss

    def _add_groups(self, groups: tuple[SynonymGroup, ...], meanings: dict[Keys, Weighted]) -> None:
        learned = []
        cores: dict[Keys, Weighted] = {}
        for group in groups:
            phrases = [self._learn(group.canonical, Origin.NAME)]
            phrases += [self._learn(phrase, Origin.VARIANT) for phrase in group.variants]
            phrases += [self._learn(phrase, Origin.ENGLISH) for phrase in group.english]
            core = self._core([phrase for phrase in phrases if phrase])
            learned.append((phrases, core, [self._learn(phrase, Origin.VARIANT) for phrase in group.related]))
            cores.setdefault(phrases[0], core)
        for phrases, core, related in learned:
            beside: Weighted = {}
            for phrase in filter(None, related):
                _raise(beside, dict.fromkeys(self._named.get(phrase) or cores.get(phrase, {}), RELATED))
            for phrase in filter(None, phrases):
                limit = _SAME_GROUP if phrase in self._named else _EXACT
                target = meanings.setdefault(phrase, {})
                _raise(target, {slug: min(weight, limit) for slug, weight in core.items()})
                _raise(target, beside)
            for phrase in filter(None, related):
                _raise(meanings.setdefault(phrase, {}), dict.fromkeys(core, RELATED))

    def _core(self, phrases: list[Keys]) -> Weighted:
        """Return the commodities that a group names: those its canonical phrase names, else those any phrase names."""
        core: Weighted = dict(self._bags.get(tuple(sorted(phrases[0])), {})) if phrases else {}
        strength = _EXACT
        for phrase in phrases:
            if named := self._named.get(phrase):
                _raise(core, dict.fromkeys(named, strength))
                strength = _SAME_GROUP if phrase is phrases[0] else strength
        return core

    def _intent(self, intent: Intent, slugs: set[str]) -> Iterator[tuple[Keys, Weighted]]:
        weights = {slug: weight for slug, weight in intent.commodities.items() if slug in slugs}
        for phrase in intent.phrases:
            keys = self._learn(phrase, Origin.LANGUAGE)
            if keys and weights:
                yield keys, weights

    def _finish(self, meanings: dict[Keys, Weighted]) -> None:
        for phrase, weights in meanings.items():
            merged = dict(weights)
            if phrase not in self._loose:
                _raise(merged, self._bags.get(tuple(sorted(phrase)), {}))
            if merged:
                self._senses[phrase] = Sense(merged, partial=max(merged.values()) <= RELATED)
        for region in self._language.regions:
            for name in region.names:
                self._place(name, regions=region.codes)
        for kind, phrases in self._language.certificates.items():
            for name in phrases:
                self._place(name, certificates=(kind,))
        for phrase in self._senses:
            for place in range(len(phrase) if len(phrase) > 1 else 0):
                others = phrase[:place] + phrase[place + 1 :]
                self._missing.setdefault((place, others), []).append(phrase[place])

    def _place(self, phrase: str, regions: tuple[str, ...] = (), certificates: tuple[str, ...] = ()) -> None:
        keys = self._learn(phrase, Origin.LANGUAGE)
        if keys and keys not in self._senses:  # A commodity of the same name is the nearer meaning.
            self._senses[keys] = Sense({}, regions, certificates)


def _raise(target: Weighted, weights: Mapping[str, float]) -> None:
    for slug, weight in weights.items():
        target[slug] = max(weight, target.get(slug, 0.0))
