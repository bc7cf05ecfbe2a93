"""The product index follows the database, is rebuilt without an empty moment, heals, and may be down."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from services.catalog.search import indexing
from services.catalog.search.index.writer import IndexFailure, IndexWriter, NoSuchIndex
from services.catalog.search.indexed import index_uid
from services.catalog.search.indexing import follow, reconcile
from services.catalog.search.jobs import index_drift, reindex
from tests.catalog.shelves import Shelf, open_shelf
from tests.databases import TestDatabase

PATH = "/v1/search/products"
RENAMED = """
WITH renamed AS (UPDATE vendors.vendors SET name = 'Rumah Zamrud Khatulistiwa' WHERE id = $1 RETURNING id)
SELECT ops.emit_v1('vendors.vendor_changed.v1', ARRAY(SELECT id::text FROM renamed))
"""
LARGEST_VENDOR = "SELECT vendor_id FROM catalog.product_documents GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
ANY_PRODUCT = "SELECT product_id FROM catalog.product_documents ORDER BY product_id LIMIT 1"
DEARER = "UPDATE catalog.skus SET price = price + 1000 WHERE product_id = $1"


async def found(shelf: Shelf, q: str, **parameters: Any) -> list[Any]:
    answer = await shelf.read(PATH, q=q, per_page=100, **parameters)
    assert answer["engine"] == "meilisearch"
    return list(answer["hits"])


async def versions(shelf: Shelf) -> dict[UUID, int]:
    rows = await shelf.fetch("SELECT product_id, version FROM catalog.product_documents")
    return {row[0]: row[1] for row in rows}


def indexed_versions(shelf: Shelf) -> dict[UUID, int]:
    writer, uid = IndexWriter(shelf.settings), index_uid(shelf.settings)
    return writer.versions_of(uid, [product_id for page in writer.all_ids(uid) for product_id in page])


async def price_up(shelf: Shelf, product_id: UUID) -> None:
    """A change as a vendor makes it: the document is rebuilt and the index hears of it in the same transaction."""
    await shelf.fetch(DEARER, product_id)
    await shelf.refresh(product_id)


@pytest.mark.meilisearch
async def test_a_refusal_is_told_in_the_words_of_meilisearch(indexed: Shelf) -> None:
    stranger = indexed.settings.model_copy(update={"meili_key": SecretStr("not-the-master-key")})
    with pytest.raises(IndexFailure, match="invalid_api_key"):
        await asyncio.to_thread(IndexWriter(stranger).exists, index_uid(stranger))
    writer = IndexWriter(indexed.settings)
    assert not await asyncio.to_thread(writer.exists, "never-made")
    with pytest.raises(NoSuchIndex):
        await asyncio.to_thread(writer.count, "never-made")


@pytest.mark.meilisearch
class TestFollow:
    async def test_a_sold_out_product_says_so_in_the_index(self, indexed: Shelf) -> None:
        slug = (await found(indexed, "gula semut", in_stock="true"))[0]["slug"]
        await indexed.sell_out(slug)
        assert slug not in [hit["slug"] for hit in await found(indexed, "gula semut", in_stock="true")]
        assert slug in [hit["slug"] for hit in await found(indexed, "gula semut", in_stock="false")]

    async def test_a_renamed_vendor_is_found_with_all_products(self, indexed: Shelf) -> None:
        vendor = await indexed.value(LARGEST_VENDOR)
        await indexed.fetch(RENAMED, vendor)
        await indexed.work()
        answer = await indexed.read(PATH, q="zamrud khatulistiwa", per_page=100)
        assert {hit["vendor"]["id"] for hit in answer["hits"]} == {str(vendor)}
        assert answer["total"] == await indexed.value(
            "SELECT count(*) FROM catalog.product_documents WHERE vendor_id = $1", vendor
        )
        assert indexed_versions(indexed) == await versions(indexed)

    async def test_a_suspended_vendor_is_gone(self, indexed: Shelf) -> None:
        vendor = await indexed.value(LARGEST_VENDOR)
        await indexed.fetch("UPDATE vendors.vendors SET status = 'suspended' WHERE id = $1", vendor)
        await indexed.fetch("SELECT ops.emit_v1('vendors.vendor_changed.v1', ARRAY[$1::uuid::text])", vendor)
        await indexed.work()
        assert await found(indexed, "", vendor=str(vendor)) == []
        assert indexed_versions(indexed) == await versions(indexed)

    async def test_an_older_document_never_overwrites_a_newer_one(self, indexed: Shelf) -> None:
        product_id = await indexed.value(ANY_PRODUCT)
        followers = []
        for _ in range(8):
            await price_up(indexed, product_id)
            followers.append(asyncio.create_task(follow(indexed.settings, indexed.database, [product_id])))
        await asyncio.gather(*followers)
        assert indexed_versions(indexed) == await versions(indexed)

    async def test_makes_no_index_of_its_own(self, indexed: Shelf) -> None:
        writer, uid = IndexWriter(indexed.settings), index_uid(indexed.settings)
        writer.delete(uid)
        await follow(indexed.settings, indexed.database, [await indexed.value(ANY_PRODUCT)])
        assert not writer.exists(uid)

    async def test_what_was_committed_is_indexed_after_meilisearch_was_away(
        self, indexed: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slug = (await found(indexed, "gula semut", in_stock="true"))[0]["slug"]
        async with AsyncExitStack() as away:
            context = away.enter_context(monkeypatch.context())
            context.setattr("services.catalog.search.index.writer.REQUEST_SECONDS", 0.000_001)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(indexed.sell_out(slug), 1.5)
        await asyncio.sleep(1)
        await indexed.work()
        assert indexed_versions(indexed) == await versions(indexed)
        assert slug in [hit["slug"] for hit in await found(indexed, "gula semut", in_stock="false")]


@pytest.mark.meilisearch
class TestReindex:
    async def test_no_search_meets_an_empty_index(self, indexed: Shelf) -> None:
        total = (await indexed.read(PATH))["total"]
        rebuilding = asyncio.create_task(reindex(indexed.settings, indexed.database, lambda *_: None))
        asked = 0
        while not rebuilding.done():
            answer = await indexed.read(PATH, q="")
            assert (answer["engine"], answer["total"]) == ("meilisearch", total)
            asked += 1
        await rebuilding
        assert asked > 5
        assert (await indexed.read(PATH))["total"] == total

    async def test_holds_what_changed_meanwhile(self, indexed: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(indexing, "BATCH", 20)
        rows = await indexed.fetch("SELECT product_id FROM catalog.product_documents ORDER BY product_id")
        first, second, gone = rows[0][0], rows[1][0], rows[2][0]
        begun = asyncio.Event()

        def progress(phase: str, done: int, total: int) -> None:
            if phase == "products" and 0 < done < total:
                begun.set()

        rebuilding = asyncio.create_task(reindex(indexed.settings, indexed.database, progress))
        await begun.wait()
        await price_up(indexed, first)
        await price_up(indexed, second)
        await indexed.fetch("UPDATE catalog.products SET status = 'archived' WHERE id = $1", gone)
        await indexed.refresh(gone)
        assert not rebuilding.done()
        await rebuilding
        assert indexed_versions(indexed) == await versions(indexed)
        assert gone not in indexed_versions(indexed)

    async def test_tells_how_far_it_is(self, indexed: Shelf) -> None:
        told: list[tuple[str, int, int]] = []
        await reindex(indexed.settings, indexed.database, lambda *state: told.append(state))
        count = len(await versions(indexed))
        assert told == [("products", 0, count), ("products", count, count), ("index", 1, 1)]

    async def test_the_old_index_stays_when_it_fails_and_the_next_one_clears_up(self, indexed: Shelf) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("no more")

        writer, uid = IndexWriter(indexed.settings), index_uid(indexed.settings)
        with pytest.raises(RuntimeError, match="no more"):
            await reindex(indexed.settings, indexed.database, fail)
        assert len(writer.leftovers(f"{uid}_")) == 1
        assert indexed_versions(indexed) == await versions(indexed)
        await reindex(indexed.settings, indexed.database, lambda *_: None)
        assert writer.leftovers(f"{uid}_") == []

    async def test_two_at_once_come_one_after_the_other(self, indexed: Shelf) -> None:
        await asyncio.gather(*(reindex(indexed.settings, indexed.database, lambda *_: None) for _ in range(2)))
        assert indexed_versions(indexed) == await versions(indexed)


async def _missing(shelf: Shelf, product_id: UUID) -> None:
    IndexWriter(shelf.settings).write(index_uid(shelf.settings), [], [product_id])


async def _stale(shelf: Shelf, product_id: UUID) -> None:
    await price_up(shelf, product_id)


async def _orphan(shelf: Shelf, product_id: UUID) -> None:
    await shelf.fetch("UPDATE catalog.products SET status = 'archived' WHERE id = $1", product_id)
    await shelf.refresh(product_id)


@pytest.mark.meilisearch
class TestDrift:
    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing is on its way in these tests."""
        monkeypatch.setattr(indexing, "SETTLE_SECONDS", 0.0)

    async def test_none_after_a_rebuild(self, indexed: Shelf) -> None:
        assert await index_drift(indexed.settings, indexed.database) == []

    @pytest.mark.parametrize(
        ("damage", "sentence"),
        [
            (_missing, "product {id}: version {now} in the database, none in the index"),
            (_stale, "product {id}: version {now} in the database, {then} in the index"),
            (_orphan, "product {id}: version none in the database, {then} in the index"),
        ],
    )
    async def test_is_told_and_healed(
        self, indexed: Shelf, damage: Callable[[Shelf, UUID], Awaitable[None]], sentence: str
    ) -> None:
        product_id = await indexed.value(ANY_PRODUCT)
        then = (await versions(indexed))[product_id]
        await damage(indexed, product_id)
        now = (await versions(indexed)).get(product_id)
        assert await index_drift(indexed.settings, indexed.database) == [
            sentence.format(id=product_id, then=then, now=now)
        ]
        await reconcile(indexed.settings, indexed.database, lambda *_: None)
        await indexed.work()
        assert await index_drift(indexed.settings, indexed.database) == []

    async def test_a_missing_index_is_told_and_built(self, indexed: Shelf) -> None:
        uid = index_uid(indexed.settings)
        IndexWriter(indexed.settings).delete(uid)
        assert await index_drift(indexed.settings, indexed.database) == [f"there is no index {uid}"]
        await reconcile(indexed.settings, indexed.database, lambda *_: None)
        assert await index_drift(indexed.settings, indexed.database) == []
        assert indexed_versions(indexed) == await versions(indexed)

    async def test_new_synonyms_are_told_and_built_in(self, indexed: Shelf) -> None:
        await indexed.fetch(
            "INSERT INTO catalog.synonym_groups (canonical, variants, source) VALUES ('blungkus', '{bungkus}', 'test')"
        )
        uid = index_uid(indexed.settings)
        assert await index_drift(indexed.settings, indexed.database) == [
            f"the index {uid} has other settings: synonyms"
        ]
        await reconcile(indexed.settings, indexed.database, lambda *_: None)
        assert await index_drift(indexed.settings, indexed.database) == []


class TestWithoutMeilisearch:
    async def test_nothing_drifts_and_nothing_is_reconciled(self, shared_shelf: Shelf) -> None:
        assert await index_drift(shared_shelf.settings, shared_shelf.database) == []
        await reconcile(shared_shelf.settings, shared_shelf.database, lambda *_: None)

    async def test_postgres_answers_at_once_when_nobody_listens(self, shelf: Shelf) -> None:
        settings = shelf.settings.model_copy(update={"meili_url": "http://127.0.0.1:9"})
        async with open_shelf(TestDatabase(shelf.settings), settings) as cut_off:
            await cut_off.read(PATH, q="kopi")
            began = time.perf_counter()
            answer = await cut_off.read(PATH, q="gula arn", facets="region")
            assert time.perf_counter() - began < 0.25
        assert answer["engine"] == "postgres"
        assert answer["hits"][0]["commodity"]["slug"] == "gula-aren-cetak"
        assert answer["facets"]["region"]

    @pytest.mark.meilisearch
    async def test_postgres_answers_while_there_is_no_index(self, indexed: Shelf) -> None:
        IndexWriter(indexed.settings).delete(index_uid(indexed.settings))
        answer = await indexed.read(PATH, q="kopi")
        assert (answer["engine"], answer["total"] > 0) == ("postgres", True)

    @pytest.mark.meilisearch
    async def test_postgres_answers_when_the_key_is_wrong(self, indexed: Shelf) -> None:
        settings = indexed.settings.model_copy(update={"meili_key": None})
        async with open_shelf(TestDatabase(indexed.settings), settings) as cut_off:
            assert (await cut_off.read(PATH, q="kopi"))["engine"] == "postgres"
