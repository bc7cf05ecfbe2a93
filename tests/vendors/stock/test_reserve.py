"""What the orders service does with stock: vendors.reserve_v1, release_v1 and ship_v1."""

from uuid import uuid4

import asyncpg
import pytest

from ishop.settings import Role
from tests.vendors.stalls import RESERVE, Stall


class TestReserve:
    async def test_takes_one_line(self, stall: Stall) -> None:
        sku, order = await stall.add_stock(10), uuid4()
        assert await stall.reserve(order, [(sku, 4)]) == []
        assert await stall.level(sku) == (10, 4, 0, 1)
        assert await stall.movements(sku) == [("reserve", 0, 4)]
        rows = await stall.fetch(
            "SELECT sku_id, quantity, state FROM vendors.reservations WHERE vendor_order_id = $1", order
        )
        assert [tuple(row) for row in rows] == [(sku, 4, "held")]
        assert await stall.broken() == []

    async def test_takes_all_lines_of_several_vendor_orders_and_sums_those_of_one_sku(self, stall: Stall) -> None:
        first, second = await stall.add_stock(10), await stall.add_stock(10)
        orders = [uuid4(), uuid4()]
        lines = [(orders[0], first, 3), (orders[0], second, 1), (orders[0], first, 4), (orders[1], first, 3)]
        connection = await stall.database.connect(Role.orders)
        try:
            assert await connection.fetch(RESERVE, *map(list, zip(*lines, strict=True))) == []
        finally:
            await connection.close()
        assert await stall.level(first) == (10, 10, 0, 1)
        assert await stall.level(second) == (10, 1, 0, 1)
        assert sorted(await stall.movements(first)) == [("reserve", 0, 3), ("reserve", 0, 7)]
        assert await stall.take_emitted() == [str(first)]
        assert await stall.broken() == []

    async def test_takes_nothing_and_names_what_is_short_when_one_line_is(self, stall: Stall) -> None:
        enough, short, gone = await stall.add_stock(10), await stall.add_stock(4), uuid4()
        before = await stall.everything()
        found = await stall.reserve(uuid4(), [(enough, 1), (short, 3), (short, 2), (gone, 1)])
        assert sorted(map(tuple, found)) == sorted([(short, 5, 4), (gone, 1, 0)])
        assert await stall.everything() == before

    @pytest.mark.parametrize(("on_hand", "available"), [(4, 4), (0, 0)])
    async def test_names_what_is_available_when_a_single_line_is_short(
        self, stall: Stall, on_hand: int, available: int
    ) -> None:
        sku = await stall.add_stock(on_hand)
        before = await stall.everything()
        assert [tuple(row) for row in await stall.reserve(uuid4(), [(sku, 5)])] == [(sku, 5, available)]
        assert await stall.everything() == before

    async def test_is_short_when_there_is_no_such_sku(self, stall: Stall) -> None:
        sku = uuid4()
        assert [tuple(row) for row in await stall.reserve(uuid4(), [(sku, 1)])] == [(sku, 1, 0)]

    async def test_takes_nothing_while_a_sku_has_a_shortfall(self, stall: Stall) -> None:
        sku = await stall.add_stock(10)
        await stall.reserve(uuid4(), [(sku, 10)])
        await stall.owner.patch(f"/v1/stock/{sku}", json={"count": 7, "expected_count": 10})
        assert await stall.level(sku) == (7, 10, 3, 2)
        assert [tuple(row) for row in await stall.reserve(uuid4(), [(sku, 1)])] == [(sku, 1, 0)]

    async def test_announces_a_sku_when_its_last_unit_is_taken(self, stall: Stall) -> None:
        first, second = await stall.add_stock(2), await stall.add_stock(2)
        await stall.reserve(uuid4(), [(first, 1)])
        assert await stall.take_emitted() == []
        await stall.reserve(uuid4(), [(first, 1)])
        assert await stall.take_emitted() == [str(first)]
        await stall.reserve(uuid4(), [(second, 1), (second, 1)])
        assert await stall.take_emitted() == [str(second)]

    @pytest.mark.parametrize("quantity", [0, -1])
    @pytest.mark.parametrize("lines", [1, 2])
    async def test_is_refused_by_the_table_when_a_quantity_is_not_positive(
        self, stall: Stall, quantity: int, lines: int
    ) -> None:
        sku, other = await stall.add_stock(10), await stall.add_stock(10)
        before = await stall.everything()
        with pytest.raises(asyncpg.CheckViolationError):
            await stall.reserve(uuid4(), [(sku, quantity), (other, 1)][:lines])
        assert await stall.everything() == before

    async def test_is_refused_when_a_vendor_order_reserves_a_sku_again(self, stall: Stall) -> None:
        sku, order = await stall.add_stock(10), uuid4()
        await stall.reserve(order, [(sku, 1)])
        with pytest.raises(asyncpg.UniqueViolationError):
            await stall.reserve(order, [(sku, 1)])
        assert await stall.level(sku) == (10, 1, 0, 1)


class TestRelease:
    async def test_gives_back_what_the_vendor_orders_hold(self, stall: Stall) -> None:
        first, second = await stall.add_stock(10), await stall.add_stock(10)
        orders = [uuid4(), uuid4()]
        await stall.reserve(orders[0], [(first, 3), (second, 10)])
        await stall.reserve(orders[1], [(first, 4)])
        await stall.take_emitted()
        assert await stall.release(*orders) == 3
        assert await stall.level(first) == (10, 0, 0, 1)
        assert await stall.level(second) == (10, 0, 0, 1)
        assert sorted((await stall.movements(first))[2:]) == [("release", 0, -4), ("release", 0, -3)]
        assert await stall.take_emitted() == [str(second)]
        assert await stall.broken() == []

    async def test_does_nothing_the_second_time(self, stall: Stall) -> None:
        sku, order = await stall.add_stock(10), uuid4()
        await stall.reserve(order, [(sku, 3)])
        assert await stall.release(order) == 1
        before = await stall.everything()
        assert await stall.release(order) == 0
        assert await stall.release(order, out_of_stock=True) == 0
        assert await stall.ship(order) == 0
        assert await stall.everything() == before

    async def test_does_nothing_when_the_vendor_order_holds_nothing(self, stall: Stall) -> None:
        before = await stall.everything()
        assert await stall.release(uuid4()) == 0
        assert await stall.everything() == before

    async def test_clears_the_shortfall_first(self, stall: Stall) -> None:
        sku, orders = await stall.add_stock(10), [uuid4(), uuid4()]
        await stall.reserve(orders[0], [(sku, 4)])
        await stall.reserve(orders[1], [(sku, 6)])
        await stall.owner.patch(f"/v1/stock/{sku}", json={"count": 5, "expected_count": 10})
        assert await stall.level(sku) == (5, 10, 5, 2)
        await stall.release(orders[0])
        assert await stall.level(sku) == (5, 6, 1, 2)
        await stall.release(orders[1])
        assert await stall.level(sku) == (5, 0, 0, 2)
        assert await stall.broken() == []


class TestOutOfStock:
    async def test_lowers_on_hand_so_that_nobody_else_buys_it(self, stall: Stall) -> None:
        sku, order = await stall.add_stock(10), uuid4()
        await stall.reserve(order, [(sku, 4)])
        await stall.release(order, out_of_stock=True)
        assert await stall.level(sku) == (6, 0, 0, 2)
        assert await stall.movements(sku) == [("reserve", 0, 4), ("out_of_stock", -4, -4)]
        assert await stall.broken() == []

    async def test_lowers_it_only_by_what_no_count_has_said_before(self, stall: Stall) -> None:
        sku, orders = await stall.add_stock(10), [uuid4(), uuid4()]
        await stall.reserve(orders[0], [(sku, 4)])
        await stall.reserve(orders[1], [(sku, 6)])
        await stall.owner.patch(f"/v1/stock/{sku}", json={"count": 7, "expected_count": 10})
        await stall.release(orders[0], out_of_stock=True)
        # The vendor counted 7, three less than sold; of the four that are missing now, these three were known.
        assert await stall.level(sku) == (6, 6, 0, 3)
        assert await stall.broken() == []

    async def test_shares_the_missing_goods_out_when_several_orders_end_at_once(self, stall: Stall) -> None:
        sku, orders = await stall.add_stock(10), sorted([uuid4(), uuid4()])
        await stall.reserve(orders[0], [(sku, 4)])
        await stall.reserve(orders[1], [(sku, 6)])
        await stall.owner.patch(f"/v1/stock/{sku}", json={"count": 7, "expected_count": 10})
        assert await stall.release(*orders, out_of_stock=True) == 2
        assert await stall.level(sku) == (0, 0, 0, 3)
        assert (await stall.movements(sku))[3:] == [("out_of_stock", -4, -4), ("out_of_stock", -3, -6)]
        assert await stall.broken() == []


class TestShip:
    async def test_lowers_on_hand_and_reserved(self, stall: Stall) -> None:
        first, second, order = await stall.add_stock(10), await stall.add_stock(5), uuid4()
        await stall.reserve(order, [(first, 4), (second, 5)])
        await stall.take_emitted()
        assert await stall.ship(order) == 2
        assert await stall.level(first) == (6, 0, 0, 2)
        assert await stall.level(second) == (0, 0, 0, 2)
        assert await stall.movements(first) == [("reserve", 0, 4), ("ship", -4, -4)]
        # What can be ordered did not change by shipping what was sold.
        assert await stall.take_emitted() == []
        assert await stall.broken() == []

    async def test_does_nothing_the_second_time(self, stall: Stall) -> None:
        sku, order = await stall.add_stock(10), uuid4()
        await stall.reserve(order, [(sku, 4)])
        await stall.ship(order)
        before = await stall.everything()
        assert await stall.ship(order) == 0
        assert await stall.release(order) == 0
        assert await stall.everything() == before

    async def test_stops_at_zero_when_a_count_fell_below_what_is_reserved(self, stall: Stall) -> None:
        sku, orders = await stall.add_stock(10), [uuid4(), uuid4()]
        await stall.reserve(orders[0], [(sku, 4)])
        await stall.reserve(orders[1], [(sku, 6)])
        await stall.owner.patch(f"/v1/stock/{sku}", json={"count": 7, "expected_count": 10})
        await stall.ship(orders[0])
        assert await stall.level(sku) == (3, 6, 3, 3)
        await stall.ship(orders[1])
        assert await stall.level(sku) == (0, 0, 0, 4)
        assert (await stall.movements(sku))[3:] == [("ship", -4, -4), ("ship", -3, -6)]
        assert await stall.broken() == []
