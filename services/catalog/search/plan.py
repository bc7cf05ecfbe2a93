"""From what a query means to what is looked for: the ways in which a product may answer it, for any engine."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from services.catalog.search.domain import Understanding

# A product that also carries the other words of the query, or comes from the place it names, goes before its equals and
# may pass a commodity that is meant a little more, but nothing that is only related passes what is named.
WITH_ITS_WORDS: Final = 1.2
FROM_ITS_PLACE: Final = 1.15
BY_ITS_NAME: Final = 0.9
"""Names that hold every word: below the commodity that is named, above what is guessed from single words."""

BY_ITS_TEXT: Final = 0.7
"""Texts that hold every word."""

MEANT: Final = 0.5
"""Beside the best, what weighs less than this share of it is only related."""

SURE: Final = 0.8
"""What weighs less rests on a single word out of a longer name."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One way to answer a query. All that is set must hold; nothing set is any product.

    `commodities` are slugs with what each weighs, heaviest first; the weight of a product is its commodity's (1 where
    none is set) times `boost`. All `words` must stand in its texts, or in its name and its vendor's where
    `only_names` says so; where no commodity is set, the last one may be the beginning of a word.
    """

    boost: float = 1.0
    commodities: tuple[tuple[str, float], ...] = ()
    words: tuple[str, ...] = ()
    only_names: bool = False
    regions: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()


EVERYTHING: Final[tuple[Branch, ...]] = (Branch(),)


def branches(meaning: Understanding) -> tuple[Branch, ...]:
    """The ways to answer; none where the query means nothing in this market, so that nothing is found, not noise."""
    if not meaning.commodities and not meaning.tokens:
        if not meaning.regions and not meaning.certificates:
            return ()
        return (Branch(regions=meaning.regions, certificates=meaning.certificates),)
    named = Branch(boost=BY_ITS_NAME, words=meaning.tokens, only_names=True)
    if not meaning.commodities:
        return (*_placed(named, meaning), *_placed(Branch(boost=BY_ITS_TEXT, words=meaning.tokens), meaning))
    meant = Branch(commodities=meaning.commodities)
    if not meaning.unexplained:
        return tuple(_placed(meant, meaning))
    worded = replace(meant, boost=WITH_ITS_WORDS, words=meaning.unexplained)
    return (*_placed(meant, meaning), *_placed(worded, meaning), *_placed(named, meaning))


def in_one_list(meaning: Understanding) -> tuple[Branch, ...]:
    """What a list shows that is sorted by something else than relevance: one branch, without what is only related,
    because that would come first as often as not. Words that no commodity explains decide where none is surely named.
    """
    surest = max((weight for _, weight in meaning.commodities), default=0.0)
    if surest and (surest >= SURE or not meaning.unexplained):
        meant = tuple((slug, 1.0) for slug, weight in meaning.commodities if weight >= MEANT * surest)
        return (Branch(commodities=meant),)
    if meaning.tokens:
        return (Branch(words=meaning.tokens),)
    return branches(meaning)


def _placed(branch: Branch, meaning: Understanding) -> Iterator[Branch]:
    """The branch, and before it the same with the place and the certificates that the query names: wishes, not
    conditions, because "madu lombok timur" is better answered by honey from elsewhere than by nothing."""
    if meaning.regions or meaning.certificates:
        boost = branch.boost * FROM_ITS_PLACE
        yield replace(branch, boost=boost, regions=meaning.regions, certificates=meaning.certificates)
    yield branch
