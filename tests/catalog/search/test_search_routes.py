"""What search refuses, how it is cached, and what it costs."""

from typing import Any

import pytest

from tests.catalog.shelves import Shelf

PATH = "/v1/search/products"


class TestSearch:
    @pytest.mark.parametrize(
        ("parameters", "pointer", "code"),
        [
            ({"near": "abc"}, "/near", "not_a_place"),
            ({"near": "1"}, "/near", "not_a_place"),
            ({"near": "1,2,3"}, "/near", "not_a_place"),
            ({"near": "91,0"}, "/near", "not_a_place"),
            ({"near": "0,181"}, "/near", "not_a_place"),
            ({"near": "nan,nan"}, "/near", "not_a_place"),
            ({"near": ""}, "/near", "not_a_place"),
            ({"radius_km": 5}, "/radius_km", "needs_near"),
            ({"near": "-8.5,116", "radius_km": 0}, "/radius_km", "greater_than"),
            ({"near": "-8.5,116", "radius_km": 20_001}, "/radius_km", "less_than_equal"),
            ({"near": "-8.5,116", "radius_km": "inf"}, "/radius_km", "less_than_equal"),
            ({"sort": "distance"}, "/sort", "needs_near"),
            ({"sort": "cheapest"}, "/sort", "enum"),
            ({"page": 0}, "/page", "greater_than_equal"),
            ({"per_page": 101}, "/per_page", "less_than_equal"),
            ({"page": 51, "per_page": 20}, "/page", "too_far"),
            ({"facets": "colour"}, "/facets", "unknown_facet"),
            ({"price_min": 2, "price_max": 1}, "/price_max", "below_price_min"),
            ({"q": "x" * 1001}, "/q", "string_too_long"),
            ({"limit": 3}, "/limit", "unknown_parameter"),
        ],
    )
    async def test_422_names_the_parameter_that_is_wrong(
        self, shared_shelf: Shelf, parameters: dict[str, Any], pointer: str, code: str
    ) -> None:
        answer = await shared_shelf.get(PATH, **parameters)
        assert answer.status_code == 422
        assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)]

    @pytest.mark.parametrize(
        "q", ["'", '"', "gula & | ! ( ) : * <->", "\\", "%", "🍯", "مرحبا", "gula\tsemut\n", "a" * 1000, "1 2 3", ":*"]
    )
    async def test_reads_whatever_is_typed(self, shared_shelf: Shelf, q: str) -> None:
        assert (await shared_shelf.get(PATH, q=q)).status_code == 200

    @pytest.mark.parametrize("parameters", [{}, {"q": "gula arn"}, {"q": "madu lombok timur", "facets": "vendor"}])
    async def test_one_statement(self, shared_shelf: Shelf, parameters: dict[str, str]) -> None:
        await shared_shelf.read(PATH, q="gula")  # The first search builds the lexicon.
        with shared_shelf.count_queries() as statements:
            await shared_shelf.read(PATH, **parameters)
        assert len(statements) == 1

    async def test_no_statement_when_the_query_means_nothing(self, shared_shelf: Shelf) -> None:
        await shared_shelf.read(PATH, q="gula")
        with shared_shelf.count_queries() as statements:
            await shared_shelf.read(PATH, q="yang untuk dan")
        assert statements == []

    async def test_304_when_the_answer_is_the_same_however_long_it_took(self, shared_shelf: Shelf) -> None:
        first = await shared_shelf.get(PATH, q="kopi")
        again = await shared_shelf.client.get(
            PATH, params={"q": "kopi"}, headers={"If-None-Match": first.headers["ETag"]}
        )
        assert (again.status_code, again.content) == (304, b"")
        assert first.headers["Cache-Control"] == "public, max-age=1"

    async def test_a_new_synonym_is_known_once_the_lexicon_is_renewed(self, shelf: Shelf) -> None:
        assert (await shelf.read(PATH, q="blungkusan"))["total"] == 0
        await shelf.fetch(
            "INSERT INTO catalog.synonym_groups (canonical, variants, source)"
            " VALUES ('gula semut', ARRAY['blungkusan'], 'test')"
            " ON CONFLICT (canonical) DO UPDATE SET variants = synonym_groups.variants || excluded.variants"
        )
        lexicons = shelf.app.state.search._lexicons  # noqa: SLF001 - nobody waits a minute for a test.
        await lexicons._renew()  # noqa: SLF001
        hits = (await shelf.read(PATH, q="blungkusan"))["hits"]
        assert hits[0]["commodity"]["slug"] == "gula-semut"


class TestSuggestions:
    @pytest.mark.parametrize(
        ("q", "phrase"), [("gula ar", "gula aren"), ("merungg", "merunggai"), ("palm s", "palm sugar")]
    )
    async def test_complete_what_is_typed(self, shared_shelf: Shelf, q: str, phrase: str) -> None:
        answer = await shared_shelf.read("/v1/search/suggestions", q=q)
        assert phrase in [each.lower() for each in answer["suggestions"]]
        assert len(answer["suggestions"]) <= 8

    async def test_complete_the_name_of_a_vendor(self, shared_shelf: Shelf) -> None:
        name = await shared_shelf.value("SELECT name FROM vendors.vendors ORDER BY name LIMIT 1")
        assert name in (await shared_shelf.read("/v1/search/suggestions", q=name[:-2], limit=20))["suggestions"]

    async def test_none_when_nothing_begins_like_this(self, shared_shelf: Shelf) -> None:
        assert await shared_shelf.read("/v1/search/suggestions", q="xyzzyx") == {"suggestions": []}

    @pytest.mark.parametrize(("parameters", "pointer"), [({}, "/q"), ({"q": "a", "limit": 21}, "/limit")])
    async def test_422_names_the_parameter_that_is_wrong(
        self, shared_shelf: Shelf, parameters: dict[str, Any], pointer: str
    ) -> None:
        answer = await shared_shelf.get("/v1/search/suggestions", **parameters)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
