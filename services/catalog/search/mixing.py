"""Mixing equals: where a query means several commodities equally, each shows its first product before any shows its
second one. "Palm sugar" begins with gula aren and shows gula semut beside it; "madu dan kopi" shows both at the top.

Engines order equals by stock and then at random, not by turns, so a window of hits is mixed at a time.
"""

from collections.abc import Iterable, Sequence
from itertools import chain, groupby, zip_longest
from typing import Final

from services.catalog.search.index.port import EngineHit
from services.catalog.search.plan import Branch

WINDOW: Final = 40
"""Hits that are mixed together, at least; enough that a commodity that is meant is among them."""


def needs_mixing(branches: Iterable[Branch]) -> bool:
    """Whether a branch has commodities of equal weight."""
    return any(len({weight for _, weight in branch.commodities}) < len(branch.commodities) for branch in branches)


def window(page: int, per_page: int) -> tuple[int, int]:
    """The page and its size to ask an engine for, so that it holds the hits of `page` and its neighbours."""
    size = per_page * -(-WINDOW // per_page)
    return (page - 1) * per_page // size + 1, size


def mixed(hits: Sequence[EngineHit], branches: Sequence[Branch]) -> list[EngineHit]:
    """The hits with their equals in turns, commodities in the order in which the query names them."""
    named = list(dict.fromkeys(slug for branch in branches for slug, _ in branch.commodities))
    turns = {slug: turn for turn, slug in enumerate(named)}
    return [
        hit
        for _, equals in groupby(hits, key=lambda hit: (round(hit.score, 6), hit.in_stock))
        for hit in _in_turns(equals, turns)
    ]


def _in_turns(equals: Iterable[EngineHit], turns: dict[str, int]) -> Iterable[EngineHit]:
    of_commodity: dict[str, list[EngineHit]] = {}
    for hit in equals:
        of_commodity.setdefault(hit.commodity, []).append(hit)
    first = sorted(of_commodity, key=lambda slug: turns.get(slug, len(turns)))
    rounds = zip_longest(*(of_commodity[slug] for slug in first))
    return (hit for hit in chain.from_iterable(rounds) if hit is not None)
