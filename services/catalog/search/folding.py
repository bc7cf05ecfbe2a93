"""Spelling: how a query is cut into words, and the key under which spellings of one word meet.

Readable words are kept as they were typed; only *keys* are compared. A key is never shown and never stored, so its
rules may change between releases.
"""

import re
import unicodedata
from functools import lru_cache

MAX_QUERY_LENGTH = 200
"""Characters of a query that are read; a longer one is cut, never refused."""

MAX_WORDS = 16
"""Words of a query that are read."""

CONJUNCTION = "dan"
"""The word that stands for a comma, an ampersand, a plus or a slash between two wishes."""

_APOSTROPHES = re.compile(r"['’‘`´ʼ]")
_DIGIT_GROUP = re.compile(r"(?<=\d)[.,](?=\d)")
_SEPARATOR = re.compile(r"[,;/&+|]")
_DOUBLED = re.compile(r"([a-z]{3,})2([a-z]{0,3})")
_REPEATED = re.compile(r"(.)\1+")
_OLD_SPELLING = re.compile(r"oe|dj|tj")
_WEAK_E = re.compile(r"^([bdgkpst])e([rl])(?=[aeiou])")
_OPEN_END = re.compile(r"(?:ai|ay|ei|ey|ie|e|y)$")
_DIGRAPHS = (("nj", "ny"), ("ch", "k"), ("kh", "k"), ("ph", "p"), ("x", "ks"))
_SAME_SOUND = str.maketrans({"c": "k", "q": "k", "v": "p", "f": "p", "z": "s", "j": "s"})
_VOWELS = frozenset("aeiou")
_FULL_RULES_FROM = 4  # Shorter words (teh, sie, tri) carry too little to lose a letter.


def words(text: str) -> list[str]:
    """Cut `text` into lower-case words of letters and digits, without diacritics, at most `MAX_WORDS`.

    Hyphens and all other signs separate; a comma, `&`, `+` or `/` also says "and". The written doubling `oleh2`
    becomes `oleh oleh`.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text[:MAX_QUERY_LENGTH]) if not unicodedata.combining(c))
    plain = _DIGIT_GROUP.sub("", _APOSTROPHES.sub("", plain.lower()[:MAX_QUERY_LENGTH]))
    plain = _SEPARATOR.sub(f" {CONJUNCTION} ", plain)
    found: list[str] = []
    for word in "".join(c if c.isalnum() else " " for c in plain).split():
        doubled = _DOUBLED.fullmatch(word)
        found.extend((doubled[1], doubled[1] + doubled[2]) if doubled else (word,))
    return found[:MAX_WORDS]


@lru_cache(maxsize=16_384)
def key(word: str) -> str:
    """Return the folding key of one cleaned word: the same for `kripik` and `keripik`, `tjengkeh` and `cengke`.

    Repeated letters collapse, the spelling before 1972 is read (oe, dj, tj, nj), letters that are mixed up when typing
    by ear are equated (k/c/q, v/f/p, z/s/j), the weak e of kr-/ker- goes, a final h goes, final e/ai/ay/y become i.
    Folding a key again gives the same key.
    """
    folded = _fold(word)
    while (again := _fold(folded)) != folded:  # One rule may make room for another; two rounds are usual.
        folded = again
    return folded


def full_key(word: str) -> str:
    """Return the key of a word with its weak e left in: letters swapped around it are one error (terasi, tersai)."""
    return _without_end(word, prefix_key(word))


def _fold(word: str) -> str:
    return _without_end(word, weak_prefix_key(word))


def _without_end(word: str, folded: str) -> str:
    if len(word) >= _FULL_RULES_FROM:
        folded = _OPEN_END.sub("i", folded.rstrip("h") or folded)
    return _REPEATED.sub(r"\1", folded)


@lru_cache(maxsize=16_384)
def prefix_key(word: str) -> str:
    """Return the key of an unfinished word: letters equated, but nothing taken from its end or its first syllable."""
    folded = _REPEATED.sub(r"\1", word)
    if _OLD_SPELLING.search(folded):
        # Only a word that shows the old spelling has the old j (= y): kajoe is kayu, but jahe stays jahe.
        folded = folded.replace("dj", "\0").replace("tj", "c").replace("oe", "u").replace("j", "y").replace("\0", "j")
    for digraph, single in _DIGRAPHS:
        folded = folded.replace(digraph, single)
    return _REPEATED.sub(r"\1", folded.translate(_SAME_SOUND))


def consonants(word: str) -> str:
    """Return a word without its vowels."""
    return "".join(c for c in word if c not in _VOWELS)


def without_doubles(word: str) -> str:
    """Return a word without repeated letters, its letters not equated."""
    return _REPEATED.sub(r"\1", word)


def without_weak_e(word: str) -> str:
    """Return a word without repeated letters and the weak e of its first syllable, its letters not equated."""
    return _WEAK_E.sub(r"\1\2", without_doubles(word))


def weak_prefix_key(word: str) -> str:
    """Return `prefix_key` without the weak e of the first syllable, so that `krip` begins `keripik`."""
    return _WEAK_E.sub(r"\1\2", prefix_key(word))


def distance(left: str, right: str, limit: int) -> int:
    """Count the letters added, lost, changed or swapped with a neighbour; `limit + 1` stands for "more than that"."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        two_before, before, row = before, row, [i]
        for j, b in enumerate(right, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, two_before[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return min(row[-1], limit + 1)
