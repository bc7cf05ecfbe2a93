"""GET /v1/products/{id or slug}: the document with the live stock, and an ETag that sales do not change."""

from typing import Any

import pytest

from services.catalog.products.schemas import ProductDetail
from tests.catalog.shelves import Shelf

NOBODY = "019b76da-0000-7000-8000-000000000000"

PATH = "/v1/products/"
ONE_MORE = "UPDATE vendors.stock SET on_hand = on_hand + 1 WHERE vendor_id::text = $1"
NONE_LEFT = "UPDATE vendors.stock SET on_hand = 0, reserved = 0 WHERE vendor_id::text = $1"
ENDED_YESTERDAY = (
    "UPDATE catalog.product_documents SET certified_until = (now() AT TIME ZONE 'Asia/Makassar')::date - 1"
    " WHERE slug = $1"
)


async def stocked(shelf: Shelf) -> Any:
    """A product in stock, as lists show it."""
    return (await shelf.read("/v1/products", in_stock="true", limit=1))["items"][0]


async def available(shelf: Shelf, product_id: str) -> dict[str, int]:
    rows = await shelf.fetch(
        "SELECT s.id::text, greatest(0, t.on_hand - t.reserved) FROM catalog.skus s"
        " JOIN vendors.stock t ON t.sku_id = s.id WHERE s.product_id::text = $1",
        product_id,
    )
    return {row[0]: row[1] for row in rows}


class TestGetProduct:
    async def test_the_same_by_id_and_by_slug(self, shared_shelf: Shelf) -> None:
        item = await stocked(shared_shelf)
        by_id, by_slug = [await shared_shelf.read(PATH + item[key]) for key in ("id", "slug")]
        assert by_id == by_slug
        ProductDetail.model_validate(by_id)

    async def test_is_the_listed_item_with_the_number_available(self, shared_shelf: Shelf) -> None:
        item = await stocked(shared_shelf)
        detail = await shared_shelf.read(PATH + item["slug"])
        stock = await available(shared_shelf, item["id"])
        assert {sku["id"]: sku.pop("available") for sku in detail["skus"]} == stock
        assert detail == item

    async def test_texts_are_in_the_language_of_the_caller(self, shared_shelf: Shelf) -> None:
        slug = (await stocked(shared_shelf))["slug"]
        indonesian, english = [await shared_shelf.read(PATH + slug, language) for language in ("id", "en")]
        names = await shared_shelf.fetch("SELECT name_id, name_en FROM catalog.products WHERE slug = $1", slug)
        assert (indonesian["name"], english["name"]) == tuple(names[0])

    @pytest.mark.parametrize(
        "unknown", ["tidak-ada", NOBODY, NOBODY.replace("-", ""), "A B", "%F0%9F%8D%AF", "x" * 3000, "'; --"]
    )
    async def test_404_when_there_is_none(self, shared_shelf: Shelf, unknown: str) -> None:
        answer = await shared_shelf.get(PATH + unknown)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    async def test_404_when_it_is_not_published(self, shelf: Shelf) -> None:
        item = await stocked(shelf)
        rows = await shelf.fetch(
            "UPDATE catalog.products SET status = 'suspended' WHERE slug = $1 RETURNING id", item["slug"]
        )
        assert await shelf.refresh(rows[0][0]) == [rows[0][0]]
        assert (await shelf.get(PATH + item["slug"])).status_code == 404
        assert (await shelf.get(PATH + item["id"])).status_code == 404

    async def test_404_when_the_vendor_is_suspended(self, shelf: Shelf) -> None:
        item = await stocked(shelf)
        await shelf.fetch("UPDATE vendors.vendors SET status = 'suspended' WHERE id::text = $1", item["vendor"]["id"])
        await shelf.fetch("SELECT ops.emit_v1('vendors.vendor_changed.v1', ARRAY[$1])", item["vendor"]["id"])
        await shelf.work()
        assert (await shelf.get(PATH + item["slug"])).status_code == 404

    async def test_one_statement(self, shared_shelf: Shelf) -> None:
        item = await stocked(shared_shelf)
        for key in ("id", "slug"):
            with shared_shelf.count_queries() as statements:
                await shared_shelf.read(PATH + item[key])
            assert len(statements) == 1


class TestStock:
    async def test_shows_a_sale_at_once_under_the_same_etag(self, shelf: Shelf) -> None:
        item = await stocked(shelf)
        before = await shelf.get(PATH + item["slug"])
        sku = next(sku for sku in before.json()["skus"] if sku["available"] > 1)
        await shelf.fetch("UPDATE vendors.stock SET reserved = reserved + 1 WHERE sku_id::text = $1", sku["id"])
        after = await shelf.get(PATH + item["slug"])
        (changed,) = [each for each in after.json()["skus"] if each["id"] == sku["id"]]
        assert changed["available"] == sku["available"] - 1
        assert after.headers["ETag"] == before.headers["ETag"]

    async def test_304_when_only_the_number_has_changed(self, shelf: Shelf) -> None:
        item = await stocked(shelf)
        tag = (await shelf.get(PATH + item["slug"])).headers["ETag"]
        await shelf.fetch(
            "UPDATE vendors.stock SET on_hand = on_hand + 1 WHERE vendor_id::text = $1", item["vendor"]["id"]
        )
        again = await shelf.client.get(PATH + item["slug"], headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")

    async def test_new_etag_when_it_runs_out(self, shelf: Shelf) -> None:
        item = await stocked(shelf)
        before = await shelf.get(PATH + item["slug"])
        await shelf.sell_out(item["slug"])
        after = await shelf.get(PATH + item["slug"])
        assert after.headers["ETag"] != before.headers["ETag"]
        assert [(sku["available"], sku["in_stock"]) for sku in after.json()["skus"]] == [(0, False)] * len(item["skus"])

    async def test_out_of_stock_before_the_worker_has_heard_of_it(self, shelf: Shelf) -> None:
        item = await stocked(shelf)
        await shelf.fetch(
            "UPDATE vendors.stock SET on_hand = 0, reserved = 0 WHERE vendor_id::text = $1", item["vendor"]["id"]
        )
        detail = await shelf.read(PATH + item["slug"])
        assert not any(sku["in_stock"] or sku["available"] for sku in detail["skus"])

    async def test_nothing_available_when_a_needed_certificate_has_ended(self, shelf: Shelf) -> None:
        item = await stocked(shelf)
        before = await shelf.get(PATH + item["slug"])
        yesterday = "(now() AT TIME ZONE 'Asia/Makassar')::date - 1"
        await shelf.fetch(
            f"UPDATE catalog.product_documents SET certified_until = {yesterday} WHERE slug = $1", item["slug"]
        )
        after = await shelf.client.get(PATH + item["slug"], headers={"If-None-Match": before.headers["ETag"]})
        assert after.status_code == 200
        assert not any(sku["in_stock"] or sku["available"] for sku in after.json()["skus"])
