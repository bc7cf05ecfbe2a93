"""Every check of the doctor finds the break that it is there for."""

import pytest

from services.orders.checks import CHECKS
from tests.orders.shops import Shop

BREAKS = {
    "The sums of an order are those of its living vendor orders": [
        "UPDATE orders.orders SET subtotal = subtotal - 1, total = total - 1"
    ],
    "The total that was ordered is that of all vendor orders": [
        "UPDATE orders.orders SET original_total = original_total + 1"
    ],
    "The subtotal and tax of a vendor order are those of its lines": [
        "UPDATE orders.order_lines SET quantity = quantity + 1, total = total + unit_price"
    ],
    "Reservations are those of the order lines: held until shipped, released when void": [
        "UPDATE vendors.reservations SET state = 'released'"
    ],
    "What an order was paid is the sum of its allocated payments": ["UPDATE orders.orders SET paid = 1"],
    "What was paid too much or too late is due back, no more and no less": [
        "INSERT INTO orders.refunds (order_id, amount, reason) SELECT id, 1, 'overpaid' FROM orders.orders"
    ],
    "The state of an order fits the states of its vendor orders": ["UPDATE orders.orders SET status = 'completed'"],
    "The history of every order and vendor order ends in its state": [
        "ALTER TABLE orders.transitions DISABLE TRIGGER append_only",
        "DELETE FROM orders.transitions",
    ],
    "No order is unpaid 10 minutes past its deadline": [
        "UPDATE orders.orders SET status = 'awaiting_payment', expires_at = now() - interval '11 minutes'"
    ],
    "No vendor order is unanswered 10 minutes past its deadline": [
        "UPDATE orders.vendor_orders SET accept_by = now() - interval '11 minutes'"
    ],
}


class TestChecks:
    def test_are_all_tried_here(self) -> None:
        assert [check.name for check in CHECKS] == list(BREAKS)

    @pytest.mark.parametrize("name", BREAKS)
    async def test_find_what_is_broken(self, shop: Shop, name: str) -> None:
        await shop.order([(await shop.add_sku(), 2)])
        assert await shop.broken() == []
        for statement in BREAKS[name]:
            await shop.fetch(statement)
        assert name in {finding.name for finding in await shop.broken()}
