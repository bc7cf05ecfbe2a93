"""Light Indonesian and English affixes: which shorter words a word may be built on.

Nothing here decides; the caller keeps a stem only if its lexicon has it. That is what makes light rules safe where a
full stemmer over-stems (kerajinan to rajin, minuman to minum).
"""

from collections.abc import Iterator

_SHORTEST_STEM = 3
_SUFFIXES = ("nya", "kah", "lah", "pun", "kan", "an", "ku", "mu")
_PREFIXES = ("ber", "be", "di", "ter", "te", "me")
# The me- prefix melts into the first letter: the prefix as written, and what the stem may have begun with.
_NASALS = (
    ("meny", ("s",)),
    ("meng", ("", "k")),
    ("mem", ("", "p")),
    ("men", ("", "t")),
)
_ENGLISH = (("ies", "y"), ("es", ""), ("s", ""))


def stems(word: str) -> Iterator[str]:
    """Yield candidate stems, those that take least away first; the word itself is not among them."""
    seen = {word}
    queue = [word]
    for _ in range(2):  # Two rounds: tenunannya is tenun + an + nya.
        queue = [stem for base in queue for stem in _without_suffix(base)]
        yield from _fresh(queue, seen)
    for stem in [stem for base in sorted(seen, key=len, reverse=True) for stem in _without_prefix(base)]:
        yield from _fresh([stem], seen)
    for ending, replacement in _ENGLISH:
        if word.endswith(ending):
            yield from _fresh([word.removesuffix(ending) + replacement], seen)


def _fresh(candidates: list[str], seen: set[str]) -> Iterator[str]:
    for candidate in candidates:
        if len(candidate) >= _SHORTEST_STEM and candidate not in seen:
            seen.add(candidate)
            yield candidate


def _without_suffix(word: str) -> Iterator[str]:
    for suffix in _SUFFIXES:
        if word.endswith(suffix):
            yield word.removesuffix(suffix)


def _without_prefix(word: str) -> Iterator[str]:
    for written, openings in _NASALS:
        if word.startswith(written):
            for opening in openings:
                yield opening + word.removeprefix(written)
    for prefix in _PREFIXES:
        if word.startswith(prefix):
            yield word.removeprefix(prefix)
