"""What is sold under proof: skus of a handful of vendors that all belong to the one who signs in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import asyncpg

from benchmarks.prove.market import Client, Unusable
from demo.accounts import VENDOR
from ishop.clock import business_date, now

CERTIFIED_DAYS: Final = 60
DELIVERED_AFTER: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Good:
    """A sku, the least of it that can be ordered, and its vendor."""

    sku: str
    pack: int
    vendor: str


def delivery_day() -> date:
    """A day by which every vendor can deliver."""
    return business_date(now()) + DELIVERED_AFTER


async def take_over(database: str, count: int) -> list[Good]:
    """Make the demo vendor an owner of as many vendors as sell `count` skus, and say which skus these are.

    Memberships stand in the token, so whoever was signed in before has to do it again.
    """
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch(GOODS, business_date(now()) + timedelta(days=CERTIFIED_DAYS))
        goods = [Good(row["sku"], row["pack"], row["vendor"]) for row in rows[:count]]
        if len(goods) < count:
            raise Unusable(f"The market sells only {len(goods)} skus for long enough, {count} are needed.")
        await connection.execute(JOIN, VENDOR, list({good.vendor for good in goods}))
    finally:
        await connection.close()
    return goods


async def stock_up(vendor: Client, goods: Sequence[Good], packs: int) -> None:
    """Count every good anew, so that there are so many packs of it."""
    levels = {level["sku_id"]: level for level in await vendor.pages("/v1/stock")}
    rows = [
        {"sku_id": good.sku, "count": good.pack * packs, "expected_version": levels[good.sku]["version"]}
        for good in goods
    ]
    answer = await vendor.send("POST", "/v1/stock/batch", {"mode": "atomic", "rows": rows}, key=f"stock-up-{packs}")
    if answer.status != 200:
        raise Unusable(f"stocking up was answered {answer.status} {answer.code}")


GOODS: Final = """
SELECT o.sku_id::text AS sku, o.vendor_id::text AS vendor,
       ceil(o.min_quantity::numeric / o.order_multiple)::int * o.order_multiple AS pack
FROM catalog.offers_v1 o JOIN vendors.stock s USING (sku_id)
WHERE o.certified_until >= $1
ORDER BY (SELECT count(*) FROM vendors.stock v WHERE v.vendor_id = o.vendor_id) DESC, o.vendor_id, o.sku_id
"""
JOIN: Final = """
INSERT INTO vendors.vendor_members (vendor_id, user_id, role)
SELECT vendor::uuid, u.id, 'owner' FROM identity.users u, unnest($2::text[]) AS vendor WHERE u.email = $1
ON CONFLICT DO NOTHING
"""
