"""GET /v1/categories, /v1/commodities and /v1/regions: public, in the caller's language, kept by caches."""

import pytest

from services.catalog.taxonomy.schemas import CategoryRead, CommodityRead, RegionRead
from tests.catalog.shelves import Shelf

PATHS = ("/v1/categories", "/v1/regions", "/v1/commodities", "/v1/commodities/gula-semut")


@pytest.mark.parametrize("path", PATHS)
class TestCaching:
    async def test_names_tag_age_and_language(self, shared_shelf: Shelf, path: str) -> None:
        answer = await shared_shelf.get(path, "en")
        assert answer.headers["Cache-Control"] == "public, max-age=300"
        assert answer.headers["Content-Language"] == "en"
        assert answer.headers["Vary"] == "Accept-Language"
        assert answer.headers["ETag"].endswith('-en"')

    async def test_304_when_the_caller_has_it(self, shared_shelf: Shelf, path: str) -> None:
        tag = (await shared_shelf.get(path)).headers["ETag"]
        again = await shared_shelf.client.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)

    async def test_200_when_the_caller_has_the_other_language(self, shared_shelf: Shelf, path: str) -> None:
        tag = (await shared_shelf.get(path, "id")).headers["ETag"]
        again = await shared_shelf.client.get(path, headers={"If-None-Match": tag, "Accept-Language": "en"})
        assert again.status_code == 200

    async def test_one_statement(self, shared_shelf: Shelf, path: str) -> None:
        with shared_shelf.count_queries() as statements:
            await shared_shelf.read(path)
        assert len(statements) == 1


class TestListCategories:
    async def test_all_in_the_order_of_the_shelves(self, shared_shelf: Shelf) -> None:
        page = await shared_shelf.read("/v1/categories", "en")
        rows = await shared_shelf.fetch("SELECT slug, name_en FROM catalog.categories ORDER BY position, slug")
        assert page == {"items": [{"slug": slug, "name": name} for slug, name in rows], "next_cursor": None}
        assert len([CategoryRead.model_validate(item) for item in page["items"]]) > 5

    async def test_422_when_a_parameter_is_unknown(self, shared_shelf: Shelf) -> None:
        answer = await shared_shelf.get("/v1/categories", colour="red")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/colour"


class TestListRegions:
    async def test_the_ten_regencies_of_ntb(self, shared_shelf: Shelf) -> None:
        page = await shared_shelf.read("/v1/regions")
        regions = [RegionRead.model_validate(item) for item in page["items"]]
        assert [region.code for region in regions] == [
            "52.01", "52.02", "52.03", "52.04", "52.05", "52.06", "52.07", "52.08", "52.71", "52.72",
        ]  # fmt: skip
        assert (regions[2].name, regions[2].island, regions[2].timezone) == ("Lombok Timur", "Lombok", "Asia/Makassar")
        assert page["next_cursor"] is None


class TestListCommodities:
    async def test_pages_give_each_commodity_once_by_slug(self, shared_shelf: Shelf) -> None:
        found = [item["slug"] for item in await shared_shelf.walk("/v1/commodities", limit=20)]
        rows = await shared_shelf.fetch("SELECT slug FROM catalog.commodities ORDER BY slug")
        assert found == [row[0] for row in rows]
        assert len(found) == 89

    async def test_those_of_the_category(self, shared_shelf: Shelf) -> None:
        found = await shared_shelf.walk("/v1/commodities", category="gula_pemanis", limit=2)
        assert {item["category"] for item in found} == {"gula_pemanis"}
        assert {"gula-semut", "gula-aren-cetak", "gula-aren-cair"} <= {item["slug"] for item in found}

    async def test_none_when_the_category_is_unknown(self, shared_shelf: Shelf) -> None:
        assert await shared_shelf.read("/v1/commodities", category="mobil") == {"items": [], "next_cursor": None}

    async def test_422_when_the_cursor_is_of_another_filter(self, shared_shelf: Shelf) -> None:
        cursor = (await shared_shelf.read("/v1/commodities", limit=2))["next_cursor"]
        answer = await shared_shelf.get("/v1/commodities", limit=2, cursor=cursor, category="gula_pemanis")
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "invalid_cursor")


class TestGetCommodity:
    async def test_texts_are_in_the_language_of_the_caller(self, shared_shelf: Shelf) -> None:
        indonesian = CommodityRead.model_validate(await shared_shelf.read("/v1/commodities/gula-semut", "id"))
        english = CommodityRead.model_validate(await shared_shelf.read("/v1/commodities/gula-semut", "en"))
        assert (indonesian.name, english.name) == ("Gula semut aren", "Granulated palm sugar")
        assert indonesian.description != english.description
        assert english.certificates == [["NIB"], ["PIRT", "BPOM_MD"], ["HALAL"]]
        assert "palm sugar" in english.synonyms

    async def test_404_when_there_is_none(self, shared_shelf: Shelf) -> None:
        answer = await shared_shelf.get("/v1/commodities/mobil", "en")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.headers["Content-Type"] == "application/problem+json"
