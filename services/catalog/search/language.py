"""What the query step knows of language in general, apart from the commodities: curated data, read from a document.

The shipped document is `language.json` beside this module; `Language.parse` takes any document of the same form.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Self

Weights = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Intent:
    """Phrases that name a wish instead of a product (oleh-oleh, masuk angin), and what answers it."""

    phrases: tuple[str, ...]
    commodities: Weights


@dataclass(frozen=True, slots=True)
class Region:
    """Names under which people know one region or an island, and the codes meant, the nearest meaning first."""

    codes: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Language:
    """Word lists of the query step.

    `stop_words` say nothing about the product and are dropped. `purpose_words` (untuk, for) announce what a thing is
    for; `conjunctions` join two wishes. A number before one of the `units` is a quantity. `slang` maps short forms to
    full words. `modifiers` (kering, merah) narrow a name and mean nothing alone. `protected` words lose no affix;
    neither they nor the `ordinary` words, which name things outside the market, are ever corrected. `words` maps
    English and regional words to the Indonesian word of the same meaning. `loose` phrases are never an exact name of
    a commodity, whatever its synonyms say. `purposes` are intents that count only after a purpose word.
    """

    stop_words: frozenset[str]
    purpose_words: frozenset[str]
    conjunctions: frozenset[str]
    units: frozenset[str]
    slang: Mapping[str, str]
    modifiers: frozenset[str]
    protected: frozenset[str]
    ordinary: frozenset[str]
    words: Mapping[str, str]
    loose: tuple[str, ...]
    regions: tuple[Region, ...]
    certificates: Mapping[str, tuple[str, ...]]
    intents: tuple[Intent, ...]
    purposes: tuple[Intent, ...]

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """Read a document of the form of `language.json`; a missing part raises KeyError with its name."""
        return cls(
            stop_words=frozenset(document["stop_words"]),
            purpose_words=frozenset(document["purpose_words"]),
            conjunctions=frozenset(document["conjunctions"]),
            units=frozenset(document["units"]),
            slang=dict(document["slang"]),
            modifiers=frozenset(document["modifiers"]),
            protected=frozenset(document["protected"]),
            ordinary=frozenset(document["ordinary"]),
            words=dict(document["words"]),
            loose=tuple(document["loose"]),
            regions=tuple(Region(tuple(row["codes"]), tuple(row["names"])) for row in document["regions"]),
            certificates={kind: tuple(phrases) for kind, phrases in document["certificates"].items()},
            intents=_intents(document["intents"]),
            purposes=_intents(document["purposes"]),
        )

    def is_filler(self, word: str) -> bool:
        """Tell whether a word says nothing about the product wanted."""
        return word in self.stop_words or word in self.purpose_words or word in self.conjunctions


def load_language() -> Language:
    """Read the shipped language document."""
    return Language.parse(json.loads(files(__package__).joinpath("language.json").read_text(encoding="utf-8")))


def _intents(rows: list[dict[str, Any]]) -> tuple[Intent, ...]:
    return tuple(Intent(tuple(row["phrases"]), dict(row["commodities"])) for row in rows)
