"""Gates over the judged queries, typing errors at random, and properties of every answer."""

import math
import random
import string
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.catalog.search.domain import MAX_COMMODITIES, MAX_WORDS, Lexicon, load_language
from services.catalog.search.folding import words
from tests.catalog.search.demo_lexicon import ENTRIES, GROUPS, JUDGED, slugs, understand


@dataclass(frozen=True)
class Scores:
    recall: float
    ndcg: float
    none_right: float


def _scores(judged: list[dict[str, Any]]) -> Scores:
    """Mean recall and nDCG of the first five commodities, and the share of queries without answer that got none."""
    recalls, gains, nones = [], [], []
    for row in judged:
        found, expected = slugs(row["query"])[:5], row["expected"]
        if row["kind"] == "none":
            nones.append(not found)
        elif expected:
            wanted = min(5, len(expected))
            recalls.append(len(set(found) & set(expected)) / wanted)
            gain = sum(1 / math.log2(place + 2) for place, slug in enumerate(found) if slug in expected)
            gains.append(gain / sum(1 / math.log2(place + 2) for place in range(wanted)))
    return Scores(sum(recalls) / len(recalls), sum(gains) / len(gains), sum(nones) / len(nones))


class TestQuality:
    @pytest.mark.parametrize("part", ["tuning", "held_out", "fresh"])
    def test_judged_queries_find_their_commodities(self, part: str, record_property: Any) -> None:
        scores = _scores([row for row in JUDGED if row["set"] == part])
        record_property("scores", str(scores))
        assert scores.recall >= 0.98, scores
        assert scores.ndcg >= 0.97, scores
        assert scores.none_right == 1.0, scores

    def test_there_are_enough_judged_queries(self) -> None:
        assert len(JUDGED) >= 150
        assert {row["set"] for row in JUDGED} == {"tuning", "held_out", "fresh"}
        known = {entry.slug for entry in ENTRIES}
        assert all(set(row["expected"]) <= known for row in JUDGED)

    def test_judged_regions_and_certificates_are_read_and_no_others(self) -> None:
        for row in JUDGED:
            found = understand(row["query"])
            assert set(found.regions) == set(row.get("regions", [])), row
            assert set(found.certificates) == set(row.get("certificates", [])), row
            assert not {slug for slug, _ in found.commodities} & set(row.get("refused", [])), row

    def test_every_name_and_synonym_finds_its_commodity(self) -> None:
        for entry in ENTRIES:
            for phrase in (entry.name_id, entry.name_en, *entry.synonyms):
                assert entry.slug in slugs(phrase)[:5], phrase

    def test_random_typing_errors_are_mostly_forgiven(self) -> None:
        """One random letter lost, added, changed or swapped in one word of every name and synonym."""
        results = list(_misspelt(random.Random(7)))  # noqa: S311 - a fixed seed makes the errors repeatable.
        assert len(results) > 700
        assert sum(results) / len(results) >= 0.94


def _misspelt(chance: random.Random) -> Iterator[bool]:
    for entry in ENTRIES:
        for phrase in (entry.name_id, entry.name_en, *entry.synonyms):
            parts = phrase.split()
            long = [place for place, part in enumerate(parts) if len(part) >= 4]
            if long:
                place = chance.choice(long)
                parts[place] = _with_error(parts[place], chance)
                yield entry.slug in slugs(" ".join(parts))[:5]


def _with_error(word: str, chance: random.Random) -> str:
    place, letter = chance.randrange(len(word) - 1), chance.choice(string.ascii_lowercase)
    return chance.choice(
        (
            word[:place] + word[place + 1 :],
            word[:place] + letter + word[place:],
            word[:place] + letter + word[place + 1 :],
            word[:place] + word[place + 1] + word[place] + word[place + 2 :],
        )
    )


MARKET_WORDS = sorted({word for entry in ENTRIES for text in (entry.name_id, *entry.synonyms) for word in words(text)})
ODD = ["untuk", "dan", "2kg", "\0", "🍕", "مرحبا", "oleh2", "a" * 300, "ﷺ", "İ", "-", ","]


class TestBounds:
    @pytest.mark.parametrize(
        "query",
        [
            "",
            " ",
            "\0" * 500,
            "🍕" * 10_000,
            "a" * 10_000,
            "minyak " * 2_000,
            "مرحبا بالعالم",
            "ﷺ" * 300,
            "dan untuk yang",
        ],
    )
    def test_strange_queries_are_safe(self, query: str) -> None:
        started = time.perf_counter()
        found = understand(query)
        assert time.perf_counter() - started < 0.25
        assert len(found.tokens) <= MAX_WORDS

    @given(st.one_of(st.text(max_size=300), st.lists(st.sampled_from(MARKET_WORDS + ODD), max_size=20).map(" ".join)))
    @settings(max_examples=300, deadline=None)
    def test_answers_are_well_formed_and_repeatable(self, query: str) -> None:
        found = understand(query)
        assert found == understand(query)
        assert len(found.tokens) <= MAX_WORDS
        assert found.text == " ".join(found.tokens)
        assert "\0" not in found.text
        assert len(found.commodities) <= MAX_COMMODITIES
        ranked = [weight for _, weight in found.commodities]
        assert ranked == sorted(ranked, reverse=True)
        assert all(0 < weight <= 1 for weight in ranked)
        assert len(set(slugs(query))) == len(ranked)

    def test_two_lexicons_of_the_same_data_answer_alike(self) -> None:
        again = Lexicon.build(ENTRIES, GROUPS, load_language())
        assert all(again.understand(row["query"]).commodities == understand(row["query"]).commodities for row in JUDGED)
