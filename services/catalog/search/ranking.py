"""Joining what the phrases of a query mean into one ranked list of commodities."""

from collections.abc import Mapping, Sequence

from services.catalog.search.phrases import PhraseIndex
from services.catalog.search.reader import Term
from services.catalog.search.segments import Segment

MAX_COMMODITIES = 24
"""Commodities that one understanding names at most."""

_BESIDE = 0.8  # A second phrase without "and" usually narrows the first (keripik pisang cokelat).
_USED_FOR = 0.4  # In "botol untuk madu" the honey is not what is wanted.
_ONLY_PURPOSE = 0.5  # Serves the purpose, but is not the thing that was named.
_NOT_FOR_IT = 0.8  # Is the thing named, but not known to serve the purpose.
_OUTSIDE = 0.6  # The query is about a thing that is not sold here.
_SINGLE_WORDS = 0.6  # What the words of a phrase mean one by one, where the phrase is only part of a name.

Weighted = dict[str, float]


def ranked(content: Sequence[Term], found: Sequence[Segment], phrases: PhraseIndex) -> tuple[tuple[str, float], ...]:
    """Return slugs with weights, strongest first.

    What several phrases mean is surer than what one means; what is named outweighs what it is for; wishes joined by
    "and" stand side by side, each with its best at the top, and of equal weights each wish gives its first in turn.
    """
    named = [segment for segment in found if segment.sense.commodities and not segment.purpose]
    outside = _is_outside(content, found)
    if outside:
        named = [segment for segment in named if not segment.sense.weak]
    several = any(content[segment.start].after_conjunction for segment in named[1:])
    weights: Weighted = {}
    places: dict[str, int] = {}
    for number, segment in enumerate(named):
        meaning = _meaning(segment, phrases)
        factor = segment.quality * (_OUTSIDE if outside else 1.0)
        if number:
            factor *= _beside(content[segment.start])
        if several:
            factor /= max(meaning.values())
        for place, slug in enumerate(sorted(meaning, key=lambda slug: -meaning[slug])):
            weights[slug] = _surer(weights.get(slug, 0.0), min(1.0, meaning[slug] * factor))
            places[slug] = min(place, places.get(slug, place))
    for segment in found:
        if segment.purpose:
            weights = _for_purpose(weights, segment)
    best = [(slug, round(weight, 3)) for slug, weight in weights.items()]
    best.sort(key=lambda item: (-item[1], places.get(item[0], len(places))))
    return tuple((slug, weight) for slug, weight in best[:MAX_COMMODITIES] if weight > 0)


def _surer(one: float, other: float) -> float:
    """Join two reasons for the same thing: surer than either, and never above 1."""
    return 1.0 - (1.0 - one) * (1.0 - other)


def _meaning(segment: Segment, phrases: PhraseIndex) -> Mapping[str, float]:
    weights = dict(segment.sense.commodities)
    if segment.sense.partial and len(segment.readings) > 1:  # "Coffee beans" is any coffee, not only the green beans.
        for reading in segment.readings:
            single = phrases.sense((reading.key,))
            if single and not single.weak:
                for slug, weight in single.commodities.items():
                    weights[slug] = _surer(weights.get(slug, 0.0), weight * _SINGLE_WORDS)
    return weights


def _beside(first: Term) -> float:
    if first.after_purpose:
        return _USED_FOR
    return 1.0 if first.after_conjunction else _BESIDE


def _for_purpose(weights: Weighted, segment: Segment) -> Weighted:
    serving = {slug: weight * segment.quality for slug, weight in segment.sense.commodities.items()}
    judged = {}
    for slug, weight in weights.items():
        serves = serving.get(slug, 0.0)
        judged[slug] = max(weight, serves) * (_NOT_FOR_IT + (1 - _NOT_FOR_IT) * serves)
    for slug, serves in serving.items():
        judged.setdefault(slug, serves * (_ONLY_PURPOSE if weights else 1.0))
    return judged


def _is_outside(content: Sequence[Term], found: Sequence[Segment]) -> bool:
    """Tell whether the query is about a thing outside the market (jaket kulit, kunci inggris)."""
    explained = {place for segment in found for place in range(segment.start, segment.end)}
    return any(term.ordinary for place, term in enumerate(content) if place not in explained)
