"""How Meilisearch is told to treat the product index."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from services.catalog.search.domain import SynonymGroup
from services.catalog.search.language import load_language

SEARCHABLE: Final = (
    "marker",
    "name_id",
    "name_en",
    "maker",
    "commodity_texts",
    "place",
    "description_id",
    "description_en",
)
"""In the order in which a match counts; the marker stands first, so that its match weighs exactly what it is given."""

FILTERABLE: Final = (
    "_geo",
    "category",
    "certificates",
    "certified_until",
    "commodity",
    "in_stock",
    "price_from",
    "region",
    "vendor",
    "vendor_id",
)

# An explicit order goes before everything; what is in stock goes before its equals, and those come in an order that is
# always the same and that no vendor can choose.
RANKING: Final = (
    "sort",
    "words",
    "typo",
    "proximity",
    "attribute",
    "exactness",
    "in_stock:desc",
    "turn:asc",
)


def configuration(groups: Iterable[SynonymGroup]) -> dict[str, Any]:
    """The settings of the index, with the synonyms and stop words of the market."""
    return {
        "searchableAttributes": list(SEARCHABLE),
        "filterableAttributes": list(FILTERABLE),
        "sortableAttributes": ["_geo", "in_stock", "made", "price_from", "turn"],
        "displayedAttributes": [
            "_geo",
            "commodity",
            "document_en",
            "document_id",
            "id",
            "in_stock",
            "price_from",
            "version",
        ],
        "rankingRules": list(RANKING),
        "stopWords": sorted(load_language().stop_words),
        "synonyms": _synonyms(groups),
        # Misspelt words of the market are corrected before; what is left to Meilisearch are long words of names.
        "typoTolerance": {
            "enabled": True,
            "minWordSizeForTypos": {"oneTypo": 6, "twoTypos": 10},
            "disableOnWords": [],
            "disableOnAttributes": ["description_en", "description_id", "marker"],
            "disableOnNumbers": True,
        },
        "faceting": {"maxValuesPerFacet": 200, "sortFacetValuesBy": {"*": "count"}},
        "pagination": {"maxTotalHits": 1000},
        "proximityPrecision": "byAttribute",
    }


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """The names of the settings that are not as they should be."""
    return [name for name, value in wanted.items() if found.get(name) != value]


def _synonyms(groups: Iterable[SynonymGroup]) -> dict[str, list[str]]:
    """Every phrase of a group stands for all others; what is only related is no synonym."""
    alike: dict[str, set[str]] = {}
    for group in groups:
        for phrase in group.phrases:
            alike.setdefault(phrase, set()).update(group.phrases)
    return {phrase: sorted(others - {phrase}) for phrase, others in sorted(alike.items()) if others - {phrase}}
