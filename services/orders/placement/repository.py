"""The SQL of placing an order: one statement that quotes, and one that claims, writes, takes the stock and commits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson
from asyncpg.exceptions import CheckViolationError

from ishop.clock import MARKET_ZONE
from ishop.context import request_id
from ishop.database import Database
from ishop.errors import Language
from services.orders.lifecycle.domain import VendorOrderStatus
from services.orders.lifecycle.records import OrderBook
from services.orders.placement.domain import Basket, Offer, Want, refuse_short
from services.orders.placement.errors import InsufficientStock

# The names and the order of the columns are those of `Offer`; terms_days comes last.
QUOTE: Final = """
    WITH offers AS MATERIALIZED (
        SELECT o.sku_id, o.product_id, o.vendor_id, o.vendor_name, o.pkp,
               CASE $2::text WHEN 'en' THEN o.name_en ELSE o.name_id END || ', ' || o.sku_name AS name,
               o.sku_name AS unit, o.price, o.weight_grams, o.order_multiple, o.min_quantity, o.certified_until,
               o.tier_quantities, o.tier_prices, o.region_code
        FROM catalog.offers_v1 o WHERE o.sku_id = ANY ($1::uuid[])
    ), origins AS (
        SELECT d.region_code, ($3::timestamptz AT TIME ZONE coalesce(r.timezone, $4::text))::date AS today
        FROM (SELECT DISTINCT region_code FROM offers) d LEFT JOIN catalog.regions_v1 r ON r.code = d.region_code
    ), destination AS (
        SELECT z.zone FROM orders.shipping_zones z WHERE starts_with($5::text, z.region_prefix)
        ORDER BY length(z.region_prefix) DESC LIMIT 1
    ), conditions AS (
        SELECT g.region_code, g.today, f.price_per_kg, f.days_min, f.days_max,
               t.base_numerator, t.base_denominator, t.rate_percent
        FROM origins g
        LEFT JOIN LATERAL (
            SELECT z.zone FROM orders.shipping_zones z WHERE starts_with(g.region_code, z.region_prefix)
            ORDER BY length(z.region_prefix) DESC LIMIT 1
        ) origin ON true
        LEFT JOIN LATERAL (
            SELECT CASE WHEN near THEN 'same' ELSE origin.zone END AS origin_zone,
                   CASE WHEN near THEN 'same' ELSE (SELECT zone FROM destination) END AS destination_zone
            FROM (SELECT left(g.region_code, 5) = left($5::text, 5) AS near) distance
        ) way ON true
        LEFT JOIN LATERAL (
            SELECT f.price_per_kg, f.days_min, f.days_max FROM orders.shipping_rates f
            WHERE f.origin_zone = way.origin_zone AND f.destination_zone = way.destination_zone
              AND f.valid_from <= g.today AND (f.valid_until IS NULL OR f.valid_until >= g.today)
            ORDER BY f.valid_from DESC LIMIT 1
        ) f ON true
        LEFT JOIN LATERAL (
            SELECT t.base_numerator, t.base_denominator, t.rate_percent FROM orders.tax_rates t
            WHERE t.code = 'PPN' AND t.valid_from <= g.today AND (t.valid_until IS NULL OR t.valid_until >= g.today)
            ORDER BY t.valid_from DESC LIMIT 1
        ) t ON true
    )
    SELECT o.sku_id, o.product_id, o.vendor_id, o.vendor_name, o.pkp, o.name, o.unit, o.price, o.weight_grams,
           o.order_multiple, o.min_quantity, o.certified_until, o.tier_quantities, o.tier_prices,
           c.today, c.price_per_kg, c.days_min, c.days_max, c.base_numerator, c.base_denominator, c.rate_percent,
           coalesce((SELECT s.available FROM vendors.stock_v1 s WHERE s.sku_id = o.sku_id), 0) AS available,
           uuidv7() AS order_id, uuidv7() AS vendor_order_id,
           (SELECT n.terms_days FROM orders.organizations n WHERE n.id = $6::uuid) AS terms_days
    FROM offers o JOIN conditions c USING (region_code)
"""
_OFFER_WIDTH: Final = len(Offer._fields)

PLACE: Final = """
    SELECT * FROM orders.place_v1(
        $1, $2, $3, $4, $5, $6,
        $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25,
        $26, $27, $28, $29, $30, $31, $32,
        $33, $34, $35, $36, $37, $38, $39, $40, $41)
"""
SHORT: Final = "SHORT"
"""The SQLSTATE with which it refuses; the detail names the skus that are short."""


@dataclass(frozen=True, slots=True)
class Quote:
    """The offers of the skus that can be bought now, and the organization's days to pay (None: not on terms)."""

    offers: dict[UUID, Offer]
    terms_days: int | None


async def quote(
    database: Database,
    wants: Sequence[Want],
    *,
    region: str,
    organization_id: UUID | None,
    language: Language,
    moment: datetime,
) -> Quote:
    """What these skus cost now, brought to `region`; a sku that cannot be bought is not in it."""
    sku_ids = [want.sku_id for want in wants]
    rows = await database.fetch_rows(QUOTE, sku_ids, language, moment, MARKET_ZONE.key, region, organization_id)
    offers = {row[0]: Offer(*row[:_OFFER_WIDTH]) for row in rows}
    return Quote(offers, rows[0][_OFFER_WIDTH] if rows else None)


async def place(
    database: Database, claim: tuple[Any, ...], buyer: UUID, book: OrderBook, basket: Basket
) -> Mapping[str, Any]:
    """Place the order in one transaction of one round trip, the stock last; what `ops.claim_v3` answers.

    `claim` is what that function is told. Raises InsufficientStock when any line is short; nothing is written then.
    """
    order = book.order
    try:
        return await database.transact(
            PLACE,
            *claim,
            order.id,
            order.number,
            buyer,
            order.organization_id,
            order.po_number is not None,
            order.po_number,
            order.deliver_on,
            order.status,
            order.payment_method,
            orjson.dumps(order.ship_to).decode(),
            order.subtotal,
            order.shipping,
            order.tax,
            order.total,
            order.expires_at,
            book.vendor_orders[0].accept_by,
            order.created_at,
            VendorOrderStatus.placed,
            request_id.get(),
            *_columns(book, basket),
        )
    except asyncpg.PostgresError as error:
        if error.sqlstate == SHORT:
            left = orjson.loads(error.detail or "[]")
            refuse_short(basket, [(UUID(one["sku_id"]), one["available"]) for one in left])
        # The CHECK constraint of the stock is the last line of defence; it cannot say how much is left.
        if isinstance(error, CheckViolationError) and error.schema_name == "vendors":
            raise InsufficientStock from error
        raise


def _columns(book: OrderBook, basket: Basket) -> Iterator[list[Any]]:
    """The vendor orders and the lines, one list a column."""
    parts, lines = book.vendor_orders, book.lines
    yield [part.id for part in parts]
    yield [part.vendor_id for part in parts]
    yield [part.vendor_name for part in parts]
    yield [part.subtotal for part in parts]
    yield [part.shipping for part in parts]
    yield [part.tax for part in parts]
    yield [part.weight_grams for part in parts]
    yield [line.vendor_order_id for line in lines]
    yield [line.sku_id for line in lines]
    yield [line.offer.product_id for line in basket.lines]
    yield [line.name for line in lines]
    yield [line.unit for line in lines]
    yield [line.quantity for line in lines]
    yield [line.unit_price for line in lines]
    yield [line.total for line in lines]
    yield [line.tax for line in lines]
