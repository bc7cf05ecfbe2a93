"""GET /v1/search/products: one suite, against every engine."""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from services.catalog.search.index import ways
from services.catalog.search.places import Place, distance_km
from services.catalog.search.schemas import SearchAnswer
from tests.catalog.search.demo_lexicon import JUDGED
from tests.catalog.shelves import Shelf

PATH = "/v1/search/products"
VISIBLE = "d.certified_until >= (now() AT TIME ZONE 'Asia/Makassar')::date"
MATARAM = "-8.5833,116.1167"


async def search(shelf: Shelf, q: str = "", language: str = "id", **parameters: Any) -> Any:
    answer = await shelf.read(PATH, language, q=q, **{"per_page": 100, **parameters})
    engine = "postgres" if shelf.settings.meili_url is None else "meilisearch"
    assert answer["engine"] == engine
    return answer


async def slugs(shelf: Shelf, q: str = "", **parameters: Any) -> list[str]:
    """All hits, page by page."""
    found: list[str] = []
    page = 1
    while True:
        answer = await search(shelf, q, page=page, **parameters)
        found.extend(hit["slug"] for hit in answer["hits"])
        if len(answer["hits"]) < 100:
            assert answer["total"] == len(found)
            return found
        page += 1


async def expected(shelf: Shelf, condition: str = "true", order: str = "d.product_id DESC") -> list[str]:
    rows = await shelf.fetch(
        f"SELECT d.slug FROM catalog.product_documents d WHERE {VISIBLE} AND {condition} ORDER BY {order}"
    )
    return [row[0] for row in rows]


def commodities(hits: Iterable[Any]) -> list[str]:
    return [hit["commodity"]["slug"] for hit in hits]


class TestMeaning:
    @pytest.mark.parametrize("q", ["gula arn", "palm sugar", "GULA  AREN", "gula-aren", "gulla arenn", "jaggery"])
    async def test_gula_aren_first_however_it_is_called(self, searched: Shelf, q: str) -> None:
        found = commodities((await search(searched, q))["hits"])
        assert found[0] == "gula-aren-cetak"
        assert set(found[:4]) <= {"gula-aren-cetak", "gula-aren-cair", "gula-semut"}
        assert commodities((await search(searched, q, per_page=1))["hits"]) == found[:1]

    async def test_equals_take_turns(self, searched: Shelf) -> None:
        found = commodities((await search(searched, "minyak"))["hits"])
        assert found[:3] == ["minyak-goreng-kelapa", "vco", "minyak-kayu-putih"]
        assert len(set(found[:6])) == 6

    async def test_judged_queries_find_their_commodities(self, searched: Shelf, record_property: Any) -> None:
        rows = await searched.fetch(
            f"SELECT d.commodity_slug, count(*) FROM catalog.product_documents d WHERE {VISIBLE} GROUP BY 1"
        )
        there = {row[0]: row[1] for row in rows}
        gains, recalls = [], []
        for judged in JUDGED:
            wanted = set(judged["expected"])
            found = commodities((await search(searched, judged["query"]))["hits"])
            if not wanted:
                continue
            gain = sum(1 / math.log2(place + 2) for place, slug in enumerate(found[:10]) if slug in wanted)
            ideal = min(10, sum(there[slug] for slug in wanted))
            gains.append(gain / sum(1 / math.log2(place + 2) for place in range(ideal)))
            first = list(dict.fromkeys(found))[:5]
            recalls.append(len(wanted & set(first)) / min(5, len(wanted)))
        ndcg, recall = sum(gains) / len(gains), sum(recalls) / len(recalls)
        record_property("ndcg", ndcg)
        record_property("recall", recall)
        assert ndcg >= 0.95
        assert recall >= 0.97

    async def test_nothing_when_the_query_means_nothing_sold_here(self, searched: Shelf) -> None:
        for judged in JUDGED:
            if judged["kind"] == "none":
                answer = await search(searched, judged["query"])
                assert (answer["hits"], answer["total"], answer["total_is_exact"]) == ([], 0, True), judged["query"]

    async def test_suggests_the_query_as_it_was_read(self, searched: Shelf) -> None:
        assert (await search(searched, "gula arn"))["suggestion"] == "gula aren"
        assert (await search(searched, "gula aren"))["suggestion"] is None

    async def test_products_from_the_named_place_go_first(self, searched: Shelf) -> None:
        rows = await searched.fetch(
            f"SELECT d.region_code, count(*) FROM catalog.product_documents d WHERE {VISIBLE}"
            " AND d.commodity_slug = 'minyak-goreng-kelapa' GROUP BY 1"
        )
        there = {row[0]: row[1] for row in rows}
        hits = (await search(searched, "minyak goreng kelapa lombok timur"))["hits"]
        places = [hit["vendor"]["region_code"] for hit in hits if hit["commodity"]["slug"] == "minyak-goreng-kelapa"]
        assert places[: there["52.03"]] == ["52.03"] * there["52.03"]
        assert Counter(places) == there

    async def test_a_named_place_alone_is_where_all_hits_come_from(self, searched: Shelf) -> None:
        assert set(await slugs(searched, "lombok timur")) == set(await expected(searched, "d.region_code = '52.03'"))

    async def test_a_named_certificate_alone_is_one_that_all_hits_have(self, searched: Shelf) -> None:
        assert set(await slugs(searched, "halal")) == set(
            await expected(searched, "'HALAL' = ANY (d.certificate_kinds)")
        )

    async def test_certified_products_go_first_when_the_certificate_is_named(self, searched: Shelf) -> None:
        hits = (await search(searched, "keripik pisang halal"))["hits"]
        named = [hit for hit in hits if hit["commodity"]["slug"] == "keripik-pisang"]
        halal = [any(each["kind"] == "HALAL" for each in hit["certificates"]) for hit in named]
        assert halal == sorted(halal, reverse=True)
        assert hits[: len(named)] == named

    async def test_a_vendor_by_its_name(self, searched: Shelf) -> None:
        rows = await searched.fetch(
            f"SELECT v.name, array_agg(d.slug) FROM catalog.product_documents d JOIN vendors.vendors v ON"
            f" v.id = d.vendor_id WHERE {VISIBLE} GROUP BY v.id ORDER BY count(*) DESC LIMIT 5"
        )
        for name, products in rows:
            found = await slugs(searched, name)
            assert set(found[: len(products)]) == set(products), name

    async def test_the_end_of_the_last_word_may_be_missing(self, searched: Shelf) -> None:
        name = await searched.value("SELECT name FROM vendors.vendors ORDER BY length(name) DESC LIMIT 1")
        whole, typed = await slugs(searched, name), await slugs(searched, name[:-2])
        assert whole
        assert whole[0] in typed

    async def test_in_stock_goes_before_its_equals(self, searched: Shelf) -> None:
        slug = (await slugs(searched, "gula semut"))[0]
        await searched.sell_out(slug)
        hits = [
            hit for hit in (await search(searched, "gula semut"))["hits"] if hit["commodity"]["slug"] == "gula-semut"
        ]
        stocked = [any(sku["in_stock"] for sku in hit["skus"]) for hit in hits]
        assert len(hits) > 1
        assert stocked == sorted(stocked, reverse=True)
        assert not stocked[-1]


class TestFilters:
    async def test_any_product_when_the_query_is_blank(self, searched: Shelf) -> None:
        assert set(await slugs(searched)) == set(await slugs(searched, "   ")) == set(await expected(searched))

    @pytest.mark.parametrize(
        ("parameters", "condition"),
        [
            ({"category": "gula_pemanis"}, "d.category_slug = 'gula_pemanis'"),
            ({"commodity": "susu-kedelai-segar"}, "d.commodity_slug = 'susu-kedelai-segar'"),
            ({"region": "52.03"}, "d.region_code = '52.03'"),
            ({"certificate": "HALAL"}, "'HALAL' = ANY (d.certificate_kinds)"),
            ({"price_min": 50_000}, "d.price_from >= 50000"),
            ({"price_max": 20_000}, "d.price_from <= 20000"),
            ({"price_min": 20_000, "price_max": 30_000}, "d.price_from BETWEEN 20000 AND 30000"),
            ({"in_stock": "true"}, "d.in_stock"),
            ({"region": "52.01", "in_stock": "true"}, "d.region_code = '52.01' AND d.in_stock"),
        ],
    )
    async def test_those_that_pass(self, searched: Shelf, parameters: dict[str, Any], condition: str) -> None:
        wanted = await expected(searched, condition)
        assert wanted
        assert await slugs(searched, sort="newest", **parameters) == wanted
        assert set(await slugs(searched, **parameters)) == set(wanted)

    async def test_those_of_the_vendor_by_id_or_slug(self, searched: Shelf) -> None:
        vendor = (await search(searched, per_page=1))["hits"][0]["vendor"]
        wanted = set(await expected(searched, f"d.vendor_id = '{vendor['id']}'"))
        assert set(await slugs(searched, vendor=vendor["id"])) == wanted
        assert set(await slugs(searched, vendor=vendor["slug"])) == wanted

    async def test_filters_narrow_what_the_query_means(self, searched: Shelf) -> None:
        every = await search(searched, "minyak")
        cheap = await search(searched, "minyak", price_max=40_000)
        wanted = {hit["slug"] for hit in every["hits"] if hit["price_from"]["amount"] <= 40_000}
        assert {hit["slug"] for hit in cheap["hits"]} == wanted
        assert 0 < cheap["total"] < every["total"]

    @pytest.mark.parametrize(
        ("parameters", "condition"),
        [
            ({"commodity": "gula-semut"}, "d.commodity_slug = 'gula-semut'"),
            ({"region": "52.01"}, "d.region_code = '52.01'"),
            ({"certificate": "HALAL"}, "'HALAL' = ANY (d.certificate_kinds)"),
            ({"price_min": 18_500, "price_max": 31_000}, "d.price_from BETWEEN 18500 AND 31000"),
            ({"price_min": 90_000, "price_max": 120_000}, "d.price_from BETWEEN 90000 AND 120000"),
            ({"price_min": 900, "price_max": 900_000_000}, "d.price_from BETWEEN 900 AND 900000000"),
            ({"in_stock": "false"}, "NOT d.in_stock"),
        ],
    )
    async def test_words_keep_what_they_mean_beside_a_filter(
        self, searched: Shelf, parameters: dict[str, Any], condition: str
    ) -> None:
        await searched.sell_out((await slugs(searched, "gula semut"))[0])
        passing, found = set(await expected(searched, condition)), set()
        for words in ("minyak", "koperasi", "lombok", "gula semut"):
            every = set(await slugs(searched, words))
            assert set(await slugs(searched, words, **parameters)) == every & passing
            found |= every & passing
        assert found

    @pytest.mark.parametrize("few", [1, ways.FEW])
    @pytest.mark.parametrize(
        ("parameters", "condition"),
        [
            ({}, "true"),
            ({"price_min": 18_500, "price_max": 31_000}, "d.price_from BETWEEN 18500 AND 31000"),
            ({"certificate": "PIRT"}, "'PIRT' = ANY (d.certificate_kinds)"),
            (
                {"category": "minyak", "certificate": "HALAL", "price_max": 60_000},
                "d.category_slug = 'minyak' AND 'HALAL' = ANY (d.certificate_kinds) AND d.price_from <= 60000",
            ),
            ({"commodity": "gula-semut"}, "d.commodity_slug = 'gula-semut'"),
            ({"certificate": "NOBODY_HAS_IT"}, "false"),
        ],
    )
    async def test_the_nearest_of_those_that_pass(
        self, searched: Shelf, parameters: dict[str, Any], condition: str, few: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ways, "FEW", few)
        wanted = await expected(searched, condition)
        assert wanted or condition == "false"
        found = await slugs(searched, sort="distance", near=MATARAM, **parameters)
        assert sorted(found) == sorted(wanted)

    @pytest.mark.parametrize("value", ['" OR price_from > 0 OR vendor = "', "'; DROP TABLE x --", "a\\", '\\"', "x y"])
    async def test_nothing_when_a_filter_tries_to_be_more(self, searched: Shelf, value: str) -> None:
        for name in ("category", "commodity", "region", "vendor", "certificate"):
            assert (await search(searched, **{name: value}))["total"] == 0

    @pytest.mark.parametrize("term", ["in_stock:true", "part:0", "region:52.01", "category:minyak"])
    async def test_nothing_when_a_certificate_is_called_as_another_term(self, searched: Shelf, term: str) -> None:
        assert await slugs(searched, "koperasi")
        assert (await search(searched, "koperasi", certificate=term))["total"] == 0

    async def test_nothing_of_a_vendor_whose_certificates_ended(self, searched: Shelf) -> None:
        slug = (await slugs(searched, "garam spa"))[0]
        await searched.expire(slug)
        assert slug not in await slugs(searched, "garam spa")
        assert slug not in await slugs(searched)


class TestOrder:
    @pytest.mark.parametrize("q", ["", "minyak"])
    async def test_by_price(self, searched: Shelf, q: str) -> None:
        rising = [hit["price_from"]["amount"] for hit in (await search(searched, q, sort="price"))["hits"]]
        falling = [hit["price_from"]["amount"] for hit in (await search(searched, q, sort="-price"))["hits"]]
        assert rising == sorted(rising)
        assert falling == sorted(falling, reverse=True)
        assert len(set(rising)) > 3

    async def test_newest_first(self, searched: Shelf) -> None:
        assert await slugs(searched, sort="newest") == await expected(searched)

    async def test_what_is_only_related_is_left_out_of_sorted_lists(self, searched: Shelf) -> None:
        ranked, cheapest = await slugs(searched, "gula semut"), await slugs(searched, "gula semut", sort="price")
        related = set(ranked) - set(cheapest)
        assert set(cheapest) < set(ranked)
        assert ranked.index(cheapest[0]) < min(map(ranked.index, related))

    @pytest.mark.parametrize("q", ["", "kopi"])
    async def test_nearest_first(self, searched: Shelf, q: str) -> None:
        hits = (await search(searched, q, sort="distance", near=MATARAM))["hits"]
        distances = [hit["distance_km"] for hit in hits]
        assert distances == sorted(distances)
        place = await searched.fetch(
            "SELECT latitude, longitude FROM catalog.product_documents WHERE slug = $1", hits[-1]["slug"]
        )
        assert distances[-1] == pytest.approx(distance_km(Place.parse(MATARAM), Place(*place[0])), abs=0.01)

    async def test_only_what_is_within_the_radius(self, searched: Shelf) -> None:
        rows = await searched.fetch(
            f"SELECT d.slug, d.latitude, d.longitude FROM catalog.product_documents d WHERE {VISIBLE}"
        )
        here = Place.parse(MATARAM)
        wanted = {slug for slug, *there in rows if distance_km(here, Place(*there)) <= 25}
        for sort in ("relevance", "price", "distance"):
            assert set(await slugs(searched, near=MATARAM, radius_km=25, sort=sort)) == wanted
        assert 0 < len(wanted) < len(rows)
        near_coffee = set(await slugs(searched, "kopi", near=MATARAM, radius_km=25))
        assert near_coffee == set(await slugs(searched, "kopi")) & wanted

    async def test_distance_is_null_without_a_place(self, searched: Shelf) -> None:
        assert {hit["distance_km"] for hit in (await search(searched, "kopi"))["hits"]} == {None}


class TestFacets:
    async def test_count_all_hits_most_first(self, searched: Shelf) -> None:
        names = "category,commodity,region,vendor,certificate"
        answer = await search(searched, "minyak", facets=names)
        hits = answer["hits"]
        assert answer["total"] == len(hits)
        counted = {
            "category": Counter(hit["category"] for hit in hits),
            "commodity": Counter(commodities(hits)),
            "region": Counter(hit["vendor"]["region_code"] for hit in hits),
            "certificate": Counter(kind for hit in hits for kind in {each["kind"] for each in hit["certificates"]}),
        }
        for name, counts in counted.items():
            assert answer["facets"][name] == counts
            assert list(answer["facets"][name].values()) == sorted(counts.values(), reverse=True)
        vendors = Counter(hit["vendor"]["slug"] for hit in hits)
        assert len(answer["facets"]["vendor"]) == min(20, len(vendors))
        assert sorted(answer["facets"]["vendor"].values(), reverse=True) == sorted(vendors.values(), reverse=True)[:20]
        assert all(vendors[slug] == count for slug, count in answer["facets"]["vendor"].items())

    async def test_only_those_asked_for(self, searched: Shelf) -> None:
        assert set((await search(searched, "kopi", facets="region, category"))["facets"]) == {"region", "category"}
        assert (await search(searched, "kopi"))["facets"] == {}

    async def test_empty_when_nothing_is_found(self, searched: Shelf) -> None:
        assert (await search(searched, "qwertyuiop", facets="region"))["facets"] == {"region": {}}
        assert (await search(searched, category="mobil", facets="region"))["facets"] == {"region": {}}


class TestPages:
    async def test_give_every_hit_once(self, searched: Shelf) -> None:
        whole = [hit["slug"] for hit in (await search(searched, "minyak"))["hits"]]
        parts: list[str] = []
        for page in range(1, len(whole) // 7 + 2):
            answer = await search(searched, "minyak", page=page, per_page=7)
            assert (answer["page"], answer["per_page"], answer["total"]) == (page, 7, len(whole))
            parts.extend(hit["slug"] for hit in answer["hits"])
        assert sorted(parts) == sorted(whole)

    async def test_empty_behind_the_last_with_the_same_total_and_facets(self, searched: Shelf) -> None:
        first = await search(searched, "kopi", per_page=10, facets="region")
        beyond = await search(searched, "kopi", per_page=10, page=100, facets="region")
        assert beyond["hits"] == []
        assert (beyond["total"], beyond["facets"]) == (first["total"], first["facets"])
        assert beyond["total_is_exact"] is True

    async def test_hits_have_the_shape_of_the_contract(self, searched: Shelf) -> None:
        for language in ("id", "en"):
            answer = await search(searched, "kopi", language, near=MATARAM, facets="category")
            SearchAnswer.model_validate(answer)

    async def test_hits_are_the_listed_products(self, searched: Shelf) -> None:
        for language in ("id", "en"):
            hit = (await search(searched, "kopi", language))["hits"][0]
            listed = await searched.read("/v1/products", language, vendor=hit["vendor"]["slug"], limit=100)
            (product,) = [item for item in listed["items"] if item["id"] == hit["id"]]
            del hit["price_from"], hit["distance_km"]
            assert hit == product
