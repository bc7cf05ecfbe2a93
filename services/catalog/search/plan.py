"""From what a query means to what is looked for: the ways in which a product may answer it, for any engine."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from services.catalog.search.domain import Understanding

# A product that also carries the other words of the query, or comes from the place it names, goes before its equals and
# may pass a commodity that is meant a little more.
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


Commodities = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Branch:
    """One way to answer a query. All that is set must hold; nothing set is any product.

    `commodities` are slugs with what each weighs, heaviest first; the weight of a product is its commodity's (1 where
    none is set) times `boost`. A boost above 1 only moves products forward: another branch gives them too. All `words`
    must stand in a product's texts, or in its name and its vendor's where `only_names` says so; where no commodity is
    set, the last one may be the beginning of a word, if few products have it as a whole one.
    """

    boost: float = 1.0
    commodities: Commodities = ()
    words: tuple[str, ...] = ()
    only_names: bool = False
    regions: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()


EVERYTHING: Final[tuple[Branch, ...]] = (Branch(),)


def branches(meaning: Understanding) -> tuple[Branch, ...]:
    """The ways to answer; none where the query means nothing in this market, so that nothing is found, not noise.

    What only moves products forward stands before the branches that it is a part of.
    """
    if not meaning.commodities and not meaning.tokens:
        if not meaning.regions and not meaning.certificates:
            return ()
        return (Branch(regions=meaning.regions, certificates=meaning.certificates),)
    named = _placed(Branch(boost=BY_ITS_NAME, words=meaning.tokens, only_names=True), meaning)
    if not meaning.commodities:
        return (*named, *_placed(Branch(boost=BY_ITS_TEXT, words=meaning.tokens), meaning))
    meant, related = _meant_and_related(meaning)
    found = [*_placed(Branch(commodities=meant), meaning)]
    if meaning.unexplained:
        worded = Branch(boost=WITH_ITS_WORDS, commodities=meant, words=meaning.unexplained)
        found = [*_placed(worded, meaning), *named, *found]
    return (*found, Branch(commodities=related)) if related else tuple(found)


def in_one_list(meaning: Understanding) -> tuple[Branch, ...]:
    """What a list shows that is sorted by something else than relevance: one branch, without what is only related,
    because that would come first as often as not. Words that no commodity explains decide where none is surely named.
    """
    meant, _ = _meant_and_related(meaning)
    if meant and (meant[0][1] >= SURE or not meaning.unexplained):
        return (Branch(commodities=tuple((slug, 1.0) for slug, _ in meant)),)
    if meaning.tokens:
        return (Branch(words=meaning.tokens),)
    return branches(meaning)


def _meant_and_related(meaning: Understanding) -> tuple[Commodities, Commodities]:
    least = MEANT * max((weight for _, weight in meaning.commodities), default=0.0)
    return (
        tuple(pair for pair in meaning.commodities if pair[1] >= least),
        tuple(pair for pair in meaning.commodities if pair[1] < least),
    )


def _placed(branch: Branch, meaning: Understanding) -> Iterator[Branch]:
    """The branch, and before it the same with the place and the certificates that the query names: wishes, not
    conditions, because "madu lombok timur" is better answered by honey from elsewhere than by nothing."""
    if meaning.regions or meaning.certificates:
        boost = branch.boost * FROM_ITS_PLACE
        yield replace(branch, boost=boost, regions=meaning.regions, certificates=meaning.certificates)
    yield branch
