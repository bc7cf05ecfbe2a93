"""The lexicon of the demo market, as the tests of search ask it."""

import json
from pathlib import Path
from typing import Any

from services.catalog.search.domain import CommodityEntry, Lexicon, SynonymGroup, Understanding, load_language

DATA = Path(__file__).parents[3] / "demo" / "data"
JUDGED: list[dict[str, Any]] = json.loads(Path(__file__).with_name("judged_queries.json").read_text())["queries"]
ENTRIES = [
    CommodityEntry(row["slug"], row["name_id"], row["name_en"], row["category"], tuple(row["synonyms"]))
    for row in json.loads((DATA / "commodities.json").read_text())
]
GROUPS = [
    SynonymGroup(row["canonical"], tuple(row["variants"]), tuple(row["english"]), tuple(row["related"]))
    for row in json.loads((DATA / "synonyms.json").read_text())
]
NAMES = ["UD Berkah Sejahtera", "Koperasi Rinjani Lestari", "Sabuk Mas"]
LEXICON = Lexicon.build(ENTRIES, GROUPS, load_language(), NAMES)


def understand(query: str) -> Understanding:
    return LEXICON.understand(query)


def slugs(query: str) -> list[str]:
    return [slug for slug, _ in understand(query).commodities]


def weights(query: str) -> dict[str, float]:
    return dict(understand(query).commodities)
