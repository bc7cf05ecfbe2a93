"""The state machines, and what one vendor order's move makes of the whole order."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TypeVar
from uuid import UUID

import pytest

from services.orders.lifecycle.domain import (
    DEAD,
    ORDER_STARTS,
    ORDER_TRANSITIONS,
    VENDOR_ORDER_STARTS,
    VENDOR_ORDER_TRANSITIONS,
    Amounts,
    OrderStatus,
    Part,
    PaymentMethod,
    Standing,
    VendorOrderStatus,
    cancellable,
    is_final,
    overdue,
    settle,
)
from services.orders.lifecycle.errors import IllegalTransition
from services.orders.payments.domain import cash_on_delivery, receive

Status = TypeVar("Status")

FIRST, SECOND = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ONE, TWO = Amounts(100, 10, 5), Amounts(200, 20, 0)


def standing(
    *statuses: VendorOrderStatus,
    status: OrderStatus = OrderStatus.confirmed,
    paid: int = 0,
    given_back: int = 0,
) -> Standing:
    """An order of one vendor order over 115 and, where a second state is given, one over 220."""
    parts = (Part(UUID(int=i + 1), one, (ONE, TWO)[i], NOW) for i, one in enumerate(statuses))
    return Standing(
        UUID(int=9), UUID(int=8), None, status, PaymentMethod.manual_transfer, paid, given_back, tuple(parts)
    )


def reachable(starts: Iterable[Status], table: Mapping[Status, frozenset[Status]]) -> set[Status]:
    """Every state that the table leads to."""
    found = set(starts)
    while more := {target for status in found for target in table[status]} - found:
        found |= more
    return found


class TestTables:
    def test_name_every_state_and_reach_it(self) -> None:
        assert set(ORDER_TRANSITIONS) == set(OrderStatus)
        assert set(VENDOR_ORDER_TRANSITIONS) == set(VendorOrderStatus)
        assert reachable(ORDER_STARTS, ORDER_TRANSITIONS) == set(OrderStatus)
        assert reachable(VENDOR_ORDER_STARTS, VENDOR_ORDER_TRANSITIONS) == set(VendorOrderStatus)

    def test_every_state_leads_to_an_end(self) -> None:
        for status in VendorOrderStatus:
            assert any(is_final(end) for end in reachable([status], VENDOR_ORDER_TRANSITIONS))
        for order_status in OrderStatus:
            ends = reachable([order_status], ORDER_TRANSITIONS)
            assert any(not ORDER_TRANSITIONS[end] for end in ends)

    def test_the_dead_stay_dead(self) -> None:
        assert all(is_final(status) for status in DEAD)

    @pytest.mark.parametrize(("current", "target"), list(product(VendorOrderStatus, VendorOrderStatus)))
    def test_settling_follows_them(self, current: VendorOrderStatus, target: VendorOrderStatus) -> None:
        order = standing(current, VendorOrderStatus.placed)
        if target in VENDOR_ORDER_TRANSITIONS[current]:
            assert settle(order, {FIRST: target}).moves == {FIRST: target}
            return
        with pytest.raises(IllegalTransition) as refused:
            settle(order, {FIRST: target})
        assert (refused.value.errors[0]["from"], refused.value.errors[0]["to"]) == (current, target)


class TestSettle:
    def test_keeps_the_order_while_a_vendor_order_is_open(self) -> None:
        settlement = settle(
            standing(VendorOrderStatus.placed, VendorOrderStatus.placed), {FIRST: VendorOrderStatus.rejected}
        )
        assert (settlement.status, settlement.amounts, settlement.refund) == (OrderStatus.confirmed, TWO, 0)

    def test_completes_when_the_last_open_one_is_delivered(self) -> None:
        order = standing(VendorOrderStatus.shipped, VendorOrderStatus.rejected)
        settlement = settle(order, {FIRST: VendorOrderStatus.delivered})
        assert (settlement.status, settlement.amounts) == (OrderStatus.completed, ONE)

    def test_completes_when_the_last_open_one_is_rejected_after_a_delivery(self) -> None:
        order = standing(VendorOrderStatus.delivered, VendorOrderStatus.placed)
        assert settle(order, {SECOND: VendorOrderStatus.rejected}).status is OrderStatus.completed

    def test_cancels_when_nothing_lives(self) -> None:
        order = standing(VendorOrderStatus.placed, VendorOrderStatus.cancelled, paid=335, given_back=220)
        settlement = settle(order, {FIRST: VendorOrderStatus.rejected})
        assert (settlement.status, settlement.amounts.total, settlement.refund) == (OrderStatus.cancelled, 0, 115)

    def test_expires_when_told_so(self) -> None:
        order = standing(VendorOrderStatus.placed, status=OrderStatus.awaiting_payment, paid=30)
        settlement = settle(order, {FIRST: VendorOrderStatus.cancelled}, OrderStatus.expired)
        assert (settlement.status, settlement.refund) == (OrderStatus.expired, 30)

    def test_a_confirmed_order_does_not_expire(self) -> None:
        with pytest.raises(IllegalTransition):
            settle(standing(VendorOrderStatus.placed), {FIRST: VendorOrderStatus.cancelled}, OrderStatus.expired)

    def test_gives_back_once(self) -> None:
        order = standing(VendorOrderStatus.placed, VendorOrderStatus.placed, paid=335)
        first = settle(order, {SECOND: VendorOrderStatus.rejected})
        assert first.refund == 220
        again = standing(VendorOrderStatus.placed, VendorOrderStatus.rejected, paid=335, given_back=220)
        assert settle(again, {FIRST: VendorOrderStatus.accepted}).refund == 0

    def test_gives_nothing_back_that_was_not_paid(self) -> None:
        order = standing(VendorOrderStatus.placed, VendorOrderStatus.placed, paid=115)
        assert settle(order, {SECOND: VendorOrderStatus.rejected}).refund == 0


class TestReceive:
    @pytest.mark.parametrize(
        ("paid", "amount", "status", "refund"),
        [
            (0, 114, OrderStatus.awaiting_payment, 0),
            (0, 115, OrderStatus.confirmed, 0),
            (0, 120, OrderStatus.confirmed, 5),
            (100, 15, OrderStatus.confirmed, 0),
            (100, 14, OrderStatus.awaiting_payment, 0),
        ],
    )
    def test_confirms_what_is_paid(self, paid: int, amount: int, status: OrderStatus, refund: int) -> None:
        order = standing(VendorOrderStatus.placed, status=OrderStatus.awaiting_payment, paid=paid)
        settlement = receive(order, amount)
        assert (settlement.status, settlement.received, settlement.refund) == (status, amount, refund)

    @pytest.mark.parametrize("status", [OrderStatus.cancelled, OrderStatus.expired])
    def test_revives_nothing(self, status: OrderStatus) -> None:
        settlement = receive(standing(VendorOrderStatus.cancelled, status=status), 115)
        assert (settlement.status, settlement.received, settlement.refund) == (status, 0, 115)

    @pytest.mark.parametrize("status", [OrderStatus.confirmed, OrderStatus.completed])
    def test_takes_what_is_paid_later(self, status: OrderStatus) -> None:
        settlement = receive(standing(VendorOrderStatus.delivered, status=status, paid=100), 20)
        assert (settlement.status, settlement.received, settlement.refund) == (status, 20, 5)


class TestCashOnDelivery:
    @pytest.mark.parametrize(("paid", "cash"), [(0, 115), (220, 115), (300, 35), (335, 0), (400, 0)])
    def test_is_what_is_still_due_for_the_part(self, paid: int, cash: int) -> None:
        order = standing(VendorOrderStatus.shipped, VendorOrderStatus.shipped, paid=paid)
        assert cash_on_delivery(settle(order, {FIRST: VendorOrderStatus.delivered}), ONE.total) == cash


class TestByTheClock:
    def test_only_what_nobody_answered_is_overdue(self) -> None:
        order = standing(VendorOrderStatus.placed, VendorOrderStatus.accepted)
        assert overdue(order, NOW) == {FIRST: VendorOrderStatus.rejected}
        assert overdue(order, NOW - timedelta(microseconds=1)) == {}

    def test_only_what_nobody_answered_can_be_cancelled(self) -> None:
        both = (VendorOrderStatus.placed, VendorOrderStatus.accepted)
        assert cancellable(standing(*both)) == {FIRST: VendorOrderStatus.cancelled}
        assert cancellable(standing(*both, status=OrderStatus.expired)) == {}
