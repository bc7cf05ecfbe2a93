"""What an order costs, by the numbers of the regulation and of the shop."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ishop.errors import InvalidRequest
from ishop.schemas import MAX_AMOUNT
from services.orders.placement.domain import (
    Offer,
    Want,
    check_expected_total,
    merge,
    price,
    share_half_up,
    shipping_price,
    tax_of,
    unit_price,
)
from services.orders.placement.errors import CertificateExpired, TotalChanged

TODAY = date(2026, 11, 22)
SKU, OTHER_SKU, VENDOR, OTHER_VENDOR = (UUID(int=number) for number in range(1, 5))


def offer(sku: UUID = SKU, **more: object) -> Offer:
    """An offer of 1 kg for 10,000 that a vendor with PPN brings for 9,000 per kilogram in one or two days."""
    standard = Offer(
        sku_id=sku,
        product_id=UUID(int=9),
        vendor_id=VENDOR,
        vendor_name="Gula Lestari",
        pkp=False,
        name="Gula aren, 1 kg",
        unit="1 kg",
        price=10_000,
        weight_grams=1000,
        order_multiple=1,
        min_quantity=1,
        certified_until=date.max,
        tier_quantities=[],
        tier_prices=[],
        today=TODAY,
        price_per_kg=9000,
        days_min=1,
        days_max=2,
        base_numerator=11,
        base_denominator=12,
        rate_percent=12,
        available=1_000_000,
        order_id=UUID(int=10),
        vendor_order_id=UUID(int=11),
    )
    return standard._replace(**more)  # type: ignore[arg-type]  # the fields are named freely by the tests.


class TestTax:
    @pytest.mark.parametrize(
        ("amount", "base", "tax"),
        [
            (100_000, 91_667, 11_000),
            (17_000, 15_583, 1870),
            (85_000, 77_917, 9350),
            (1_234_567, 1_131_686, 135_802),
            (32, 29, 3),
            (0, 0, 0),
            (1, 1, 0),
        ],
    )
    def test_follows_the_vectors_of_the_regulation(self, amount: int, base: int, tax: int) -> None:
        assert share_half_up(amount, 11, 12) == base
        assert tax_of(amount, 11, 12, 12) == tax

    @given(st.integers(0, MAX_AMOUNT), st.integers(1, 100), st.integers(1, 100))
    def test_is_the_exact_share_rounded_half_up(self, amount: int, numerator: int, denominator: int) -> None:
        exact = Fraction(amount * numerator, denominator)
        assert share_half_up(amount, numerator, denominator) == int(exact + Fraction(1, 2))

    @given(st.integers(0, 10**9))
    def test_agrees_with_decimal_arithmetic(self, amount: int) -> None:
        base = (Decimal(amount) * 11 / 12).quantize(Decimal(1), ROUND_HALF_UP)
        assert tax_of(amount, 11, 12, 12) == int((base * 12 / 100).quantize(Decimal(1), ROUND_HALF_UP))

    def test_is_only_charged_by_a_vendor_that_is_pkp(self) -> None:
        wants = [Want(SKU, 10, 0)]
        assert price(wants, {SKU: offer()}, None).amounts.tax == 0
        assert price(wants, {SKU: offer(pkp=True)}, None).amounts.tax == 11_000

    def test_fails_when_no_rate_is_in_force(self) -> None:
        with pytest.raises(LookupError):
            price([Want(SKU, 1, 0)], {SKU: offer(pkp=True, rate_percent=None)}, None)


class TestUnitPrice:
    @pytest.mark.parametrize(("quantity", "expected"), [(1, 100), (9, 100), (10, 90), (49, 90), (50, 80), (10**6, 80)])
    def test_is_that_of_the_highest_tier_reached(self, quantity: int, expected: int) -> None:
        tiered = offer(price=100, tier_quantities=[10, 50], tier_prices=[90, 80])
        assert unit_price(tiered, quantity) == expected


class TestShipping:
    @pytest.mark.parametrize(("grams", "kilograms"), [(1, 1), (999, 1), (1000, 1), (1001, 2), (2000, 2), (12_345, 13)])
    def test_counts_every_begun_kilogram(self, grams: int, kilograms: int) -> None:
        assert shipping_price(grams, 9000) == 9000 * kilograms

    def test_is_counted_per_vendor(self) -> None:
        wants = [Want(SKU, 1, 0), Want(OTHER_SKU, 1, 1)]
        light, other = offer(weight_grams=400), offer(OTHER_SKU, weight_grams=400)
        together = {SKU: light, OTHER_SKU: other}
        apart = {SKU: light, OTHER_SKU: other._replace(vendor_id=OTHER_VENDOR, price_per_kg=28_000)}
        assert price(wants, together, None).amounts.shipping == 9000
        assert price(wants, apart, None).amounts.shipping == 9000 + 28_000

    def test_is_refused_where_nobody_delivers(self) -> None:
        with pytest.raises(InvalidRequest) as refused:
            price([Want(SKU, 1, 0)], {SKU: offer(price_per_kg=None)}, None)
        assert refused.value.errors[0]["pointer"] == "/ship_to/region_code"
        assert refused.value.errors[0]["code"] == "no_delivery"


class TestMerge:
    def test_sums_lines_of_one_sku_into_the_first(self) -> None:
        assert merge([(SKU, 2), (OTHER_SKU, 1), (SKU, 3)]) == [Want(SKU, 5, 0), Want(OTHER_SKU, 1, 1)]

    def test_refuses_a_sum_over_the_limit(self) -> None:
        with pytest.raises(InvalidRequest) as refused:
            merge([(SKU, 600_000), (SKU, 400_001)])
        assert [error["pointer"] for error in refused.value.errors] == ["/lines/1/quantity"]

    def test_a_sum_of_the_limit_is_fine(self) -> None:
        assert merge([(SKU, 600_000), (SKU, 400_000)]) == [Want(SKU, 1_000_000, 0)]


class TestPrice:
    def test_names_every_wrong_line(self) -> None:
        offers = {SKU: offer(order_multiple=6), OTHER_SKU: offer(OTHER_SKU, min_quantity=5)}
        wants = [Want(SKU, 8, 0), Want(OTHER_SKU, 4, 1), Want(VENDOR, 1, 2)]
        with pytest.raises(InvalidRequest) as refused:
            price(wants, offers, None)
        assert [(error["pointer"], error["code"]) for error in refused.value.errors] == [
            ("/lines/0/quantity", "not_a_multiple"),
            ("/lines/1/quantity", "below_min_quantity"),
            ("/lines/2/sku_id", "unknown_sku"),
        ]

    def test_refuses_a_total_beyond_what_javascript_reads(self) -> None:
        dear = offer(price=10**9, weight_grams=1)
        limit = 9007  # times 10^6 packs of 10^9 each, one short of 2^53
        wants = [Want(UUID(int=100 + number), 10**6, number) for number in range(limit // 1000 + 1)]
        with pytest.raises(InvalidRequest) as refused:
            price(wants, {want.sku_id: dear for want in wants}, None)
        assert refused.value.errors[0]["code"] == "amount_too_large"

    def test_takes_a_total_of_exactly_the_limit(self) -> None:
        wants = [Want(SKU, 1, 0)]
        offers = {SKU: offer(price=MAX_AMOUNT - 9000)}
        assert price(wants, offers, None).amounts.total == MAX_AMOUNT
        with pytest.raises(InvalidRequest):
            price(wants, {SKU: offer(price=MAX_AMOUNT - 8999)}, None)

    @pytest.mark.parametrize(
        ("until", "deliver_on", "fine"),
        [
            (date(2026, 11, 24), None, True),
            (date(2026, 11, 23), None, False),
            (date(2026, 11, 30), date(2026, 11, 30), True),
            (date(2026, 11, 30), date(2026, 12, 1), False),
            (date(2026, 11, 23), date(2026, 11, 23), True),
            (date.max, date(2027, 11, 23), True),
            (None, None, False),
        ],
    )
    def test_wants_a_certificate_on_the_promised_day(
        self, until: date | None, deliver_on: date | None, *, fine: bool
    ) -> None:
        wants, offers = [Want(SKU, 1, 7)], {SKU: offer(certified_until=until)}
        if fine:
            assert price(wants, offers, deliver_on).lines[0].total == 10_000
            return
        with pytest.raises(CertificateExpired) as refused:
            price(wants, offers, deliver_on)
        assert [error["pointer"] for error in refused.value.errors] == ["/lines/7"]

    @pytest.mark.parametrize(
        ("deliver_on", "code"),
        [
            (date(2026, 11, 21), "too_early"),
            (date(2026, 11, 24), "too_early"),
            (date(2026, 11, 25), None),
            (date(2027, 11, 23), None),
            (date(2027, 11, 24), "too_late"),
            (date.max, "too_late"),
        ],
    )
    def test_wants_a_day_that_the_slowest_vendor_can_keep(self, deliver_on: date, code: str | None) -> None:
        wants = [Want(SKU, 1, 0), Want(OTHER_SKU, 1, 1)]
        slow = offer(OTHER_SKU, vendor_id=OTHER_VENDOR, days_min=3, days_max=5)
        offers = {SKU: offer(), OTHER_SKU: slow}
        if code is None:
            assert [share.promised(deliver_on) for share, _ in price(wants, offers, deliver_on).shares] == [
                deliver_on,
                deliver_on,
            ]
            return
        with pytest.raises(InvalidRequest) as refused:
            price(wants, offers, deliver_on)
        assert [(error["pointer"], error["code"]) for error in refused.value.errors] == [("/deliver_on", code)]


class TestExpectedTotal:
    def test_passes_when_it_is_the_total_or_not_given(self) -> None:
        basket = price([Want(SKU, 1, 0)], {SKU: offer()}, None)
        check_expected_total(basket, None)
        check_expected_total(basket, 19_000)

    def test_is_refused_with_the_new_total(self) -> None:
        basket = price([Want(SKU, 1, 0)], {SKU: offer()}, None)
        with pytest.raises(TotalChanged) as refused:
            check_expected_total(basket, 18_999)
        assert refused.value.errors[0]["total"] == {"amount": 19_000, "currency": "IDR"}
