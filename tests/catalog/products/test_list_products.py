"""GET /v1/products: filters, order, pages, and what is hidden."""

from datetime import timedelta
from typing import Any

import pytest

from services.catalog.products.schemas import ProductRead
from tests.catalog.shelves import Shelf

DAY = timedelta(days=1)
VISIBLE = "d.certified_until >= (now() AT TIME ZONE 'Asia/Makassar')::date"


async def slugs(shelf: Shelf, **parameters: Any) -> list[str]:
    return [item["slug"] for item in await shelf.walk("/v1/products", limit=100, **parameters)]


async def expected(shelf: Shelf, condition: str, order: str = "d.product_id DESC", *values: object) -> list[str]:
    rows = await shelf.fetch(
        f"SELECT d.slug FROM catalog.product_documents d WHERE {VISIBLE} AND {condition} ORDER BY {order}", *values
    )
    return [row[0] for row in rows]


class TestListProducts:
    async def test_newest_first_in_pages_without_gap_or_repetition(self, shared_shelf: Shelf) -> None:
        found = [item["slug"] for item in await shared_shelf.walk("/v1/products", limit=7)]
        assert found == await expected(shared_shelf, "true")
        assert len(found) == len(set(found)) > 200

    @pytest.mark.parametrize(
        ("sort", "order"),
        [("price", "d.price_from, d.product_id"), ("-price", "d.price_from DESC, d.product_id DESC")],
    )
    async def test_by_price_in_pages(self, shared_shelf: Shelf, sort: str, order: str) -> None:
        found = [item["slug"] for item in await shared_shelf.walk("/v1/products", limit=9, sort=sort)]
        assert found == await expected(shared_shelf, "true", order)

    async def test_items_have_the_shape_of_the_contract(self, shared_shelf: Shelf) -> None:
        page = await shared_shelf.read("/v1/products")
        assert len(page["items"]) == 20
        for item in page["items"]:
            ProductRead.model_validate(item)
            assert "available" not in item["skus"][0]

    async def test_texts_are_in_the_language_of_the_caller(self, shared_shelf: Shelf) -> None:
        indonesian, english = [
            (await shared_shelf.read("/v1/products", language, limit=1))["items"][0] for language in ("id", "en")
        ]
        assert indonesian["id"] == english["id"]
        assert indonesian["description"] != english["description"]

    @pytest.mark.parametrize(
        ("parameter", "value", "condition"),
        [
            ("category", "gula_pemanis", "d.category_slug = 'gula_pemanis'"),
            ("commodity", "gula-semut", "d.commodity_slug = 'gula-semut'"),
            ("region", "52.03", "d.region_code = '52.03'"),
            ("certificate", "HALAL", "'HALAL' = ANY (d.certificate_kinds)"),
            ("price_min", 50_000, "d.price_from >= 50000"),
            ("price_max", 20_000, "d.price_from <= 20000"),
            ("in_stock", "true", "d.in_stock"),
        ],
    )
    async def test_those_that_pass_the_filter(
        self, shared_shelf: Shelf, parameter: str, value: object, condition: str
    ) -> None:
        found = await slugs(shared_shelf, **{parameter: value})
        assert found == await expected(shared_shelf, condition)
        assert found

    async def test_those_that_pass_all_filters(self, shared_shelf: Shelf) -> None:
        found = await slugs(shared_shelf, category="gula_pemanis", price_max=40_000, in_stock="true", sort="price")
        condition = "d.category_slug = 'gula_pemanis' AND d.price_from <= 40000 AND d.in_stock"
        assert found == await expected(shared_shelf, condition, "d.price_from, d.product_id")

    async def test_those_of_the_vendor_by_id_or_slug(self, shared_shelf: Shelf) -> None:
        vendor = (await shared_shelf.read("/v1/products", limit=1))["items"][0]["vendor"]
        wanted = await expected(shared_shelf, "d.vendor_id::text = $1", "d.product_id DESC", vendor["id"])
        assert await slugs(shared_shelf, vendor=vendor["id"]) == wanted
        assert await slugs(shared_shelf, vendor=vendor["slug"]) == wanted
        assert await slugs(shared_shelf, vendor=vendor["id"].upper()) == wanted
        assert wanted

    @pytest.mark.parametrize(
        "filters",
        [
            {"category": "mobil"},
            {"commodity": "mobil"},
            {"vendor": "tidak-ada"},
            {"vendor": "00000000-0000-7000-8000-000000000000"},
            {"certificate": "x"},
            {"price_min": 2**53 - 1},
            {"region": "'; DROP TABLE"},
        ],
    )
    async def test_nothing_when_the_filter_fits_none(self, shared_shelf: Shelf, filters: dict[str, Any]) -> None:
        assert await shared_shelf.read("/v1/products", **filters) == {"items": [], "next_cursor": None}

    @pytest.mark.parametrize(
        ("parameters", "pointer", "code"),
        [
            ({"price_min": -1}, "/price_min", "greater_than_equal"),
            ({"price_max": 2**53}, "/price_max", "less_than_equal"),
            ({"price_min": 9, "price_max": 8}, "/price_max", "below_price_min"),
            ({"limit": 0}, "/limit", "greater_than_equal"),
            ({"limit": 101}, "/limit", "less_than_equal"),
            ({"sort": "name"}, "/sort", "enum"),
            ({"in_stock": "perhaps"}, "/in_stock", "bool_parsing"),
            ({"colour": "red"}, "/colour", "unknown_parameter"),
            ({"cursor": "nonsense"}, "/cursor", "invalid_cursor"),
        ],
    )
    async def test_422_names_the_parameter_that_is_wrong(
        self, shared_shelf: Shelf, parameters: dict[str, Any], pointer: str, code: str
    ) -> None:
        answer = await shared_shelf.get("/v1/products", **parameters)
        assert answer.status_code == 422
        assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)]

    @pytest.mark.parametrize("other", [{"sort": "price"}, {"category": "gula_pemanis"}, {"in_stock": "true"}])
    async def test_422_when_the_cursor_is_of_another_list(self, shared_shelf: Shelf, other: dict[str, str]) -> None:
        cursor = (await shared_shelf.read("/v1/products", limit=1))["next_cursor"]
        answer = await shared_shelf.get("/v1/products", limit=1, cursor=cursor, **other)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "invalid_cursor")

    async def test_one_statement_for_twenty(self, shared_shelf: Shelf) -> None:
        with shared_shelf.count_queries() as statements:
            assert len((await shared_shelf.read("/v1/products", limit=20))["items"]) == 20
        assert len(statements) == 1

    async def test_304_when_the_caller_has_the_page(self, shared_shelf: Shelf) -> None:
        first = await shared_shelf.get("/v1/products", limit=3)
        again = await shared_shelf.client.get(
            "/v1/products", params={"limit": 3}, headers={"If-None-Match": first.headers["ETag"]}
        )
        assert (again.status_code, again.content) == (304, b"")
        assert first.headers["Cache-Control"] == "public, max-age=1"


class TestHidden:
    async def test_not_listed_when_a_needed_certificate_has_ended(self, shelf: Shelf) -> None:
        slug = (await slugs(shelf, commodity="gula-semut"))[0]
        await shelf.expire(slug)
        assert slug not in await slugs(shelf)
        assert slug not in await slugs(shelf, commodity="gula-semut")

    async def test_not_listed_from_the_day_after_the_last_one(self, shelf: Shelf) -> None:
        slug = (await slugs(shelf))[0]
        today = await shelf.value("SELECT (now() AT TIME ZONE 'Asia/Makassar')::date")
        await shelf.fetch("UPDATE catalog.product_documents SET certified_until = $2 WHERE slug = $1", slug, today)
        assert slug in await slugs(shelf)
        await shelf.fetch(
            "UPDATE catalog.product_documents SET certified_until = $2::date - 1 WHERE slug = $1", slug, today
        )
        assert slug not in await slugs(shelf)

    async def test_says_out_of_stock_once_the_last_pack_is_gone(self, shelf: Shelf) -> None:
        slug = (await slugs(shelf, in_stock="true"))[0]
        await shelf.sell_out(slug)
        assert slug in await slugs(shelf, in_stock="false")
        assert slug not in await slugs(shelf, in_stock="true")
