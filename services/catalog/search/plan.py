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

MEANT: Final = 0.5
"""Beside the best, what weighs less than this share of it is only related."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One way to answer a query. All that is set must hold; nothing set is any product.

    `commodities` are slugs with what each weighs, heaviest first; the weight of a product is its commodity's (1 where
    none is set) times `boost`. All `words` must stand in its texts, the last one may be the beginning of a word.
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
    if not meaning.commodities:
        return tuple(_placed(Branch(words=meaning.tokens), meaning))
    named = Branch(commodities=meaning.commodities)
    found = list(_placed(named, meaning))
    if meaning.unexplained:
        worded = replace(named, boost=WITH_ITS_WORDS, words=meaning.unexplained)
        found.extend(_placed(worded, meaning))
        found.extend(_placed(Branch(BY_ITS_NAME, words=meaning.tokens, only_names=True), meaning))
    return tuple(found)


def only_meant(branch: Branch) -> Branch:
    """The branch without what is only related: for lists that are sorted by something else than relevance, where it
    would come first as often as not."""
    least = MEANT * max((weight for _, weight in branch.commodities), default=0.0)
    return replace(branch, commodities=tuple(pair for pair in branch.commodities if pair[1] >= least))


def _placed(branch: Branch, meaning: Understanding) -> Iterator[Branch]:
    """The branch, and before it the same with the place and the certificates that the query names: wishes, not
    conditions, because "madu lombok timur" is better answered by honey from elsewhere than by nothing."""
    if meaning.regions or meaning.certificates:
        boost = branch.boost * FROM_ITS_PLACE
        yield replace(branch, boost=boost, regions=meaning.regions, certificates=meaning.certificates)
    yield branch
