"""How many statements the routes send: the same for one line and for a hundred."""

from tests.orders.shops import Shop


async def basket(shop: Shop, size: int) -> list[tuple[object, int]]:
    """So many different skus of two vendors."""
    return [(await shop.add_sku(vendor=(shop.first, shop.second)[n % 2]), 1) for n in range(size)]


class TestQueries:
    async def test_placing_sends_five_whatever_the_size(self, shop: Shop) -> None:
        for size in (1, 100):
            lines = await basket(shop, size)
            with shop.count_queries() as statements:
                await shop.order(lines)  # type: ignore[arg-type]  # the skus are ids, made above.
            assert [one.split("(")[0].split()[-1] for one in (statements[0], statements[-1])] == [
                "ops.claim_v2",
                "ops.answer_v1",
            ]
            assert len(statements) == 5, statements

    async def test_reading_sends_one_whatever_the_size(self, shop: Shop) -> None:
        for size in (1, 100):
            order = await shop.order(await basket(shop, size))  # type: ignore[arg-type]  # see above.
            with shop.count_queries() as statements:
                await shop.read(order)
            assert len(statements) == 1, statements
            with shop.count_queries() as statements:
                await shop.first.client.get(f"/v1/vendor-orders/{order['vendor_orders'][0]['id']}")
            assert len(statements) == 1, statements

    async def test_lists_send_one_whatever_the_length(self, shop: Shop) -> None:
        lines = await basket(shop, 2)
        for _ in range(2):
            await shop.order(lines)  # type: ignore[arg-type]  # see above.
            for client, path in ((shop.consumer, "/v1/orders"), (shop.first.client, "/v1/vendor-orders")):
                with shop.count_queries() as statements:
                    assert (await client.get(path)).status_code == 200
                assert len(statements) == 1, statements
            with shop.count_queries() as statements:
                await shop.approver.get("/v1/bulk-orders")
            assert len(statements) == 1, statements

    async def test_moving_sends_the_same_for_one_line_and_a_hundred(self, shop: Shop) -> None:
        counts = []
        for size in (1, 100):
            order = await shop.order(await basket(shop, size))  # type: ignore[arg-type]  # see above.
            with shop.count_queries() as statements:
                await shop.consumer.post(f"/v1/orders/{order['id']}/cancel")
            counts.append(len(statements))
        assert counts == [5, 5]
