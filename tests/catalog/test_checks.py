"""What `ishop doctor` checks of this service finds what is broken, and nothing else."""

from uuid import UUID

import pytest

from tests.catalog.shelves import Shelf

CHECK = "every product for sale has its document, equal to the tables of truth"
OUTDATED = "has an outdated document"
FIRST = "SELECT product_id FROM catalog.product_documents WHERE in_stock ORDER BY product_id LIMIT 1"
NONE_LEFT = """
WITH emptied AS (
    UPDATE vendors.stock SET on_hand = 0, reserved = 0
    WHERE sku_id IN (SELECT id FROM catalog.skus WHERE product_id = $1) RETURNING sku_id
)
SELECT ops.emit_v1('vendors.stock_availability_changed.v1', (SELECT array_agg(sku_id::text) FROM emptied))
"""


class TestChecks:
    async def test_find_nothing_in_the_demo_market(self, shared_shelf: Shelf) -> None:
        assert await shared_shelf.broken() == []

    @pytest.mark.parametrize(
        ("damage", "sentence"),
        [
            ("UPDATE catalog.product_documents SET price_from = 1 WHERE product_id = $1", OUTDATED),
            ("UPDATE catalog.product_documents SET in_stock = false WHERE product_id = $1", OUTDATED),
            (
                "UPDATE catalog.product_documents SET document_en = '{}' WHERE product_id = $1",
                OUTDATED,
            ),
            ("UPDATE catalog.skus SET price = price + 1 WHERE product_id = $1", OUTDATED),
            ("DELETE FROM catalog.product_documents WHERE product_id = $1", "has no document"),
            ("UPDATE catalog.products SET status = 'archived' WHERE id = $1", "is not for sale but has a document"),
        ],
    )
    async def test_find_what_is_broken(self, shelf: Shelf, damage: str, sentence: str) -> None:
        product_id: UUID = await shelf.value(FIRST)
        slug = await shelf.value("SELECT slug FROM catalog.products WHERE id = $1", product_id)
        await shelf.fetch(damage, product_id)
        (finding,) = await shelf.broken()
        assert (finding.name, finding.offenders, finding.examples) == (CHECK, 1, (f"{slug} {sentence}",))

    async def test_find_what_is_broken_at_the_edges_of_slices(self, shelf: Shelf) -> None:
        products = [row[0] for row in await shelf.fetch("SELECT id FROM catalog.products ORDER BY id")]
        assert len(products) > 201  # So that there are two slices.
        damaged = [products[place] for place in (0, 199, 200, -1)]
        await shelf.fetch("UPDATE catalog.product_documents SET price_from = 1 WHERE product_id = ANY ($1)", damaged)
        (finding,) = await shelf.broken()
        assert finding.offenders == 4

    async def test_leave_alone_what_is_on_its_way(self, shelf: Shelf) -> None:
        product_id = await shelf.value(FIRST)
        await shelf.fetch(NONE_LEFT, product_id)
        assert await shelf.broken() == []
        await shelf.fetch("DELETE FROM ops.outbox")
        assert len(await shelf.broken()) == 1
