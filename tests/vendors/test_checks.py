"""What `ishop doctor` checks of this service finds what is broken, and nothing else."""

from uuid import uuid4

import pytest

from tests.vendors.stalls import Stall


class TestChecks:
    async def test_find_nothing_in_a_market_in_use(self, stall: Stall) -> None:
        sku, order = await stall.add_stock(10), uuid4()
        await stall.reserve(order, [(sku, 8)])
        await stall.owner.patch(f"/v1/stock/{sku}", json={"count": 5, "expected_count": 10})
        assert await stall.broken() == []
        await stall.ship(order)
        assert await stall.broken() == []

    @pytest.mark.parametrize(
        ("damage", "name", "example"),
        [
            (
                "UPDATE vendors.stock SET on_hand = 11 WHERE sku_id = $1",
                "stock equals the sums of its movements",
                "sku {sku}: on_hand 11, movements 10; reserved 4, movements 4",
            ),
            (
                "UPDATE vendors.reservations SET quantity = 3 WHERE sku_id = $1",
                "reserved stock equals what open vendor orders hold",
                "sku {sku}: reserved 4, held 3",
            ),
            (
                "UPDATE vendors.stock SET shortfall = 1 WHERE sku_id = $1",
                "the shortfall is what is reserved beyond on hand",
                "sku {sku}: on_hand 10, reserved 4, shortfall 1",
            ),
        ],
    )
    async def test_find_what_is_broken(self, stall: Stall, damage: str, name: str, example: str) -> None:
        sku = await stall.add_stock(10)
        await stall.reserve(uuid4(), [(sku, 4)])
        await stall.fetch(damage, sku)
        (finding,) = await stall.broken()
        assert (finding.name, finding.offenders) == (name, 1)
        assert finding.examples == (example.format(sku=sku),)

    async def test_find_a_movement_of_another_vendor(self, stall: Stall) -> None:
        await stall.add_stock(10)
        await stall.fetch("UPDATE vendors.stock_movements SET vendor_id = $1", stall.other)
        (finding,) = await stall.broken()
        assert (finding.name, finding.offenders) == ("movements belong to the vendor of their sku", 1)
