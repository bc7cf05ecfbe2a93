"""The stored documents: what changes them, what does not, and that the newest state wins."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from ishop.settings import Role
from tests.catalog.shelves import Shelf

ANY_PRODUCT = "SELECT product_id FROM catalog.product_documents WHERE in_stock ORDER BY product_id LIMIT 1"
OVERTAKEN_JOB = "catalog.certificates_of_the_day"


async def document(shelf: Shelf, product_id: UUID) -> Any:
    (row,) = await shelf.fetch("SELECT * FROM catalog.product_documents WHERE product_id = $1", product_id)
    return row


async def waiting(shelf: Shelf) -> list[str]:
    rows = await shelf.fetch("SELECT key FROM ops.outbox WHERE topic = 'catalog.product_changed.v1' ORDER BY key")
    return [row[0] for row in rows]


class TestRefresh:
    async def test_an_unchanged_document_keeps_its_version(self, shelf: Shelf) -> None:
        rows = await shelf.fetch("SELECT product_id, version, changed_at FROM catalog.product_documents")
        assert await shelf.refresh(*(row[0] for row in rows)) == []
        assert await shelf.fetch("SELECT product_id, version, changed_at FROM catalog.product_documents") == rows

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE catalog.skus SET price = price + 500 WHERE product_id = $1",
            "UPDATE catalog.skus SET name = name || '!' WHERE product_id = $1",
            "UPDATE catalog.products SET description_en = 'Another text.' WHERE id = $1",
            "DELETE FROM catalog.price_tiers t USING catalog.skus s WHERE s.id = t.sku_id AND s.product_id = $1",
            "UPDATE vendors.stock SET on_hand = 0 WHERE sku_id IN (SELECT id FROM catalog.skus WHERE product_id = $1)",
        ],
    )
    async def test_a_changed_product_gets_a_higher_version(self, shelf: Shelf, change: str) -> None:
        product_id = await shelf.value(
            "SELECT s.product_id FROM catalog.skus s JOIN catalog.price_tiers t ON t.sku_id = s.id"
            " JOIN catalog.product_documents d ON d.product_id = s.product_id AND d.in_stock LIMIT 1"
        )
        before = await document(shelf, product_id)
        await shelf.fetch(change, product_id)
        assert await shelf.refresh(product_id) == [product_id]
        assert (await document(shelf, product_id))["version"] > before["version"]
        assert await shelf.broken() == []

    @pytest.mark.parametrize("status", ["draft", "in_review", "suspended", "archived"])
    async def test_what_is_not_published_loses_its_document_and_gets_it_back(self, shelf: Shelf, status: str) -> None:
        product_id = await shelf.value(ANY_PRODUCT)
        before = await document(shelf, product_id)
        await shelf.fetch("UPDATE catalog.products SET status = $2 WHERE id = $1", product_id, status)
        assert await shelf.refresh(product_id) == [product_id]
        assert await shelf.refresh(product_id) == []
        await shelf.fetch("UPDATE catalog.products SET status = 'published' WHERE id = $1", product_id)
        assert await shelf.refresh(product_id) == [product_id]
        after = await document(shelf, product_id)
        assert after["document_id"] == before["document_id"]
        assert after["version"] > before["version"]

    async def test_no_document_when_no_pack_is_active(self, shelf: Shelf) -> None:
        product_id = await shelf.value(ANY_PRODUCT)
        await shelf.fetch("UPDATE catalog.skus SET active = false WHERE product_id = $1", product_id)
        assert await shelf.refresh(product_id) == [product_id]
        assert await shelf.fetch("SELECT FROM catalog.product_documents WHERE product_id = $1", product_id) == []

    async def test_the_newest_state_wins_when_many_refresh_at_once(self, shelf: Shelf) -> None:
        product_id = await shelf.value(ANY_PRODUCT)
        dsn = shelf.settings.database_dsn(Role.migrator)

        async def dearer() -> None:
            connection = await asyncpg.connect(dsn)
            try:
                for _ in range(10):
                    async with connection.transaction():
                        await connection.execute(
                            "UPDATE catalog.skus SET price = price + 1 WHERE product_id = $1", product_id
                        )
                    await connection.execute("SELECT catalog.refresh_documents(ARRAY[$1::uuid])", product_id)
            finally:
                await connection.close()

        await asyncio.gather(*(dearer() for _ in range(4)))
        cheapest = await shelf.value("SELECT min(price) FROM catalog.skus WHERE product_id = $1", product_id)
        assert (await document(shelf, product_id))["price_from"] == cheapest
        assert await shelf.broken() == []


class TestJobs:
    async def test_only_products_that_changed_are_sent_to_the_index(self, shelf: Shelf) -> None:
        product_id = await shelf.value(ANY_PRODUCT)
        skus = [
            str(row[0]) for row in await shelf.fetch("SELECT id FROM catalog.skus WHERE product_id = $1", product_id)
        ]
        topic = shelf.jobs.topics["vendors.stock_availability_changed.v1"]
        await topic.handler(skus)
        assert await waiting(shelf) == []
        await shelf.fetch("UPDATE vendors.stock SET on_hand = 0, reserved = 0 WHERE sku_id = ANY ($1::uuid[])", skus)
        await topic.handler(skus)
        assert await waiting(shelf) == [str(product_id)]
        assert (await document(shelf, product_id))["in_stock"] is False

    async def test_unknown_keys_do_nothing(self, shelf: Shelf) -> None:
        nobody = "00000000-0000-7000-8000-000000000000"
        for topic in shelf.jobs.topics.values():
            await topic.handler([nobody])
        assert await waiting(shelf) == []

    async def test_a_certificate_that_ended_yesterday_leaves_the_document_the_day_after(self, shelf: Shelf) -> None:
        product_id = await shelf.value(
            "SELECT product_id FROM catalog.product_documents WHERE 'HALAL' = ANY (certificate_kinds) LIMIT 1"
        )
        vendor = (await document(shelf, product_id))["vendor_id"]
        await shelf.fetch(
            "UPDATE vendors.certificates SET valid_from = '2020-01-01',"
            " valid_until = (now() AT TIME ZONE 'Asia/Makassar')::date - 1 WHERE vendor_id = $1 AND kind = 'HALAL'",
            vendor,
        )
        await shelf.schedule(OVERTAKEN_JOB)
        assert "HALAL" in (await document(shelf, product_id))["certificate_kinds"]
        await shelf.fetch("UPDATE catalog.product_documents SET changed_at = now() - interval '2 days'")
        await shelf.schedule(OVERTAKEN_JOB)
        assert "HALAL" not in (await document(shelf, product_id))["certificate_kinds"]
        assert str(product_id) in await waiting(shelf)
        assert await shelf.broken() == []

    async def test_a_certificate_that_begins_today_enters_the_document(self, shelf: Shelf) -> None:
        vendor = await shelf.value("SELECT vendor_id FROM catalog.product_documents LIMIT 1")
        await shelf.fetch(
            "INSERT INTO vendors.certificates (vendor_id, kind, number, valid_from)"
            " VALUES ($1, 'MEREK', 'IDM000000001', (now() AT TIME ZONE 'Asia/Makassar')::date)",
            vendor,
        )
        await shelf.fetch("UPDATE catalog.product_documents SET changed_at = now() - interval '2 days'")
        await shelf.schedule(OVERTAKEN_JOB)
        rows = await shelf.fetch("SELECT certificate_kinds FROM catalog.product_documents WHERE vendor_id = $1", vendor)
        assert all("MEREK" in row[0] for row in rows)
        assert await shelf.broken() == []
