"""How many statements the routes send: the same for one line and for a hundred."""

from tests.orders.shops import Shop, order_body


async def basket(shop: Shop, size: int) -> list[tuple[object, int]]:
    """So many different skus of two vendors."""
    return [(await shop.add_sku(vendor=(shop.first, shop.second)[n % 2]), 1) for n in range(size)]


class TestQueries:
    async def test_placing_sends_two_whatever_the_size(self, shop: Shop) -> None:
        for size in (1, 100):
            lines = await basket(shop, size)
            with shop.count_queries() as statements:
                await shop.order(lines)  # type: ignore[arg-type]  # the skus are ids, made above.
            assert len(statements) == 2, statements
            assert ("catalog.offers_v1" in statements[0], "orders.place_v1" in statements[1]) == (True, True)

    async def test_a_preview_and_a_refusal_send_few_whatever_the_size(self, shop: Shop) -> None:
        for size in (1, 100):
            lines = await basket(shop, size)
            with shop.count_queries() as statements:
                await shop.consumer.post("/v1/orders/preview", json=order_body(lines))  # type: ignore[arg-type]  # see above.
            assert len(statements) == 1, statements
            with shop.count_queries() as statements:
                answer = await shop.post_order(shop.consumer, [*lines[1:], (lines[0][0], 101)])  # type: ignore[list-item]  # see above.
            assert answer.json()["code"] == "insufficient_stock"
            # The quote, and whether the same request was answered before.
            assert len(statements) == 2, statements

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
