"""catalog.product_certification: until which day the certificates of a product hold, renewals included."""

from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from ishop.clock import business_date, now
from tests.markets import TestMarket

Spans = Sequence[tuple[int, int | None]]


@pytest.mark.parametrize(
    ("spans", "until"),
    [
        ([(-30, 30)], 30),
        ([(-30, 0)], 0),
        ([(-30, -1)], None),
        ([(1, 30)], None),
        ([(-30, None)], "open"),
        ([(-30, 5), (6, 40)], 40),
        ([(-30, 5), (3, 40)], 40),
        ([(-30, 5), (7, 40)], 5),
        ([(-30, 5), (6, None)], "open"),
        ([(-30, -2), (-1, 9)], 9),
        ([], None),
    ],
)
async def test_until(shared_market: TestMarket, spans: Spans, until: int | str | None) -> None:
    today = business_date(now())
    ((product, vendor),) = await shared_market.fetch("SELECT id, vendor_id FROM catalog.products ORDER BY id LIMIT 1")
    await shared_market.execute(
        "UPDATE catalog.commodities SET certificate_rules = '{HALAL|PIRT}' "
        "WHERE id = (SELECT commodity_id FROM catalog.products WHERE id = $1)",
        product,
    )
    await shared_market.execute("DELETE FROM vendors.certificates WHERE vendor_id = $1", vendor)
    for number, (begin, end) in enumerate(spans):
        await shared_market.execute(
            "INSERT INTO vendors.certificates (vendor_id, kind, number, valid_from, valid_until)"
            " VALUES ($1, $2, $3, $4, $5)",
            vendor,
            ("HALAL", "PIRT")[number % 2],
            f"{number}",
            today + timedelta(begin),
            None if end is None else today + timedelta(end),
        )
    ((found,),) = await shared_market.fetch(
        "SELECT certified_until FROM catalog.product_certification WHERE product_id = $1", product
    )
    expected = date.max if until == "open" else None if until is None else today + timedelta(int(until))
    assert found == expected
