"""The SQL of placing an order: one statement that quotes, one that writes, one that takes the stock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from asyncpg.exceptions import CheckViolationError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from ishop.auth import Principal
from ishop.clock import MARKET_ZONE
from ishop.context import request_id
from ishop.contracts.vendors import RESERVE
from ishop.errors import Language
from services.orders.lifecycle.domain import ACCEPT_WINDOW, PAYMENT_WINDOW, OrderStatus, VendorOrderStatus
from services.orders.placement.domain import Basket, Offer, Want
from services.orders.placement.errors import InsufficientStock
from services.orders.placement.schemas import BulkOrderCreate, OrderCreate

# The names and the order of the columns are those of `Offer`; terms_days comes last.
QUOTE = text("""
    WITH offers AS MATERIALIZED (
        SELECT o.sku_id, o.product_id, o.vendor_id, o.vendor_name, o.pkp,
               CASE CAST(:language AS text) WHEN 'en' THEN o.name_en ELSE o.name_id END || ', ' || o.sku_name AS name,
               o.sku_name AS unit, o.price, o.weight_grams, o.order_multiple, o.min_quantity, o.certified_until,
               o.tier_quantities, o.tier_prices, o.region_code
        FROM catalog.offers_v1 o WHERE o.sku_id = ANY (CAST(:sku_ids AS uuid[]))
    ), origins AS (
        SELECT d.region_code, (CAST(:moment AS timestamptz)
                               AT TIME ZONE coalesce(r.timezone, CAST(:market_zone AS text)))::date AS today
        FROM (SELECT DISTINCT region_code FROM offers) d LEFT JOIN catalog.regions_v1 r ON r.code = d.region_code
    ), destination AS (
        SELECT z.zone FROM orders.shipping_zones z WHERE starts_with(CAST(:region AS text), z.region_prefix)
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
            FROM (SELECT left(g.region_code, 5) = left(CAST(:region AS text), 5) AS near) distance
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
           (SELECT n.terms_days FROM orders.organizations n WHERE n.id = CAST(:organization_id AS uuid)) AS terms_days
    FROM offers o JOIN conditions c USING (region_code)
""")
_OFFER_WIDTH = len(Offer._fields)

WRITE = text("""
    WITH placed AS (
        INSERT INTO orders.orders
            (number, buyer_id, organization_id, bulk, po_number, deliver_on, status, payment_method, ship_to,
             subtotal, shipping, tax, total, original_total, expires_at, created_at)
        VALUES (:number, :buyer_id, :organization_id, :bulk, :po_number, :deliver_on, :status, :payment_method,
                CAST(:ship_to AS jsonb), :subtotal, :shipping, :tax, :total, :total, :expires_at, :moment)
        RETURNING id
    ), parts AS (
        INSERT INTO orders.vendor_orders
            (order_id, vendor_id, vendor_name, status, subtotal, shipping, tax, total, weight_grams, accept_by,
             created_at)
        SELECT placed.id, v.vendor_id, v.vendor_name, CAST(:part_status AS text), v.subtotal, v.shipping, v.tax,
               v.subtotal + v.shipping + v.tax, v.weight_grams, :accept_by, :moment
        FROM placed, unnest(CAST(:vendor_ids AS uuid[]), CAST(:vendor_names AS text[]), CAST(:subtotals AS bigint[]),
                            CAST(:shippings AS bigint[]), CAST(:taxes AS bigint[]), CAST(:weights AS bigint[]))
                    AS v (vendor_id, vendor_name, subtotal, shipping, tax, weight_grams)
        RETURNING id, vendor_id
    ), lines AS (
        INSERT INTO orders.order_lines
            (order_id, vendor_order_id, position, sku_id, product_id, name, unit, quantity, unit_price, total, tax)
        SELECT placed.id, parts.id, l.position, l.sku_id, l.product_id, l.name, l.unit, l.quantity, l.unit_price,
               l.total, l.tax
        FROM placed, parts JOIN ROWS FROM (
            unnest(CAST(:line_vendor_ids AS uuid[])), unnest(CAST(:sku_ids AS uuid[])),
            unnest(CAST(:product_ids AS uuid[])), unnest(CAST(:names AS text[])), unnest(CAST(:units AS text[])),
            unnest(CAST(:quantities AS integer[])), unnest(CAST(:unit_prices AS bigint[])),
            unnest(CAST(:line_totals AS bigint[])), unnest(CAST(:line_taxes AS bigint[]))
        ) WITH ORDINALITY
            AS l (vendor_id, sku_id, product_id, name, unit, quantity, unit_price, total, tax, position)
            USING (vendor_id)
    ), history AS (
        INSERT INTO orders.transitions (order_id, vendor_order_id, to_status, actor_id, request_id, created_at)
        SELECT placed.id, NULL, :status, :buyer_id, :request_id, :moment FROM placed
        UNION ALL
        SELECT placed.id, parts.id, :part_status, :buyer_id, :request_id, :moment FROM placed, parts
    )
    SELECT placed.id, parts.id, parts.vendor_id FROM placed, parts
""")

AVAILABLE = text("SELECT s.sku_id, s.available FROM vendors.stock_v1 s WHERE s.sku_id = ANY (CAST(:sku_ids AS uuid[]))")


@dataclass(frozen=True, slots=True)
class Quote:
    """The offers of the skus that can be bought now, and the organization's days to pay (None: not on terms)."""

    offers: dict[UUID, Offer]
    terms_days: int | None


@dataclass(frozen=True, slots=True)
class Written:
    """The ids of an order that was written, and of its vendor orders by vendor."""

    order_id: UUID
    vendor_order_ids: dict[UUID, UUID]


@dataclass(frozen=True, slots=True)
class Heading:
    """What an order is written with besides its basket."""

    number: str
    status: OrderStatus
    moment: datetime

    @property
    def expires_at(self) -> datetime | None:
        """Until when an order that waits for its payment holds the goods."""
        return self.moment + PAYMENT_WINDOW if self.status is OrderStatus.awaiting_payment else None

    @property
    def accept_by(self) -> datetime | None:
        """Until when the vendors of a confirmed order answer."""
        return self.moment + ACCEPT_WINDOW if self.status is OrderStatus.confirmed else None


async def quote(
    session: AsyncSession,
    wants: Sequence[Want],
    *,
    region: str,
    organization_id: UUID | None,
    language: Language,
    moment: datetime,
) -> Quote:
    """What these skus cost now, brought to `region`; a sku that cannot be bought is not in it."""
    rows = (
        await session.execute(
            QUOTE,
            {
                "sku_ids": [want.sku_id for want in wants],
                "region": region,
                "organization_id": organization_id,
                "language": language,
                "moment": moment,
                "market_zone": MARKET_ZONE.key,
            },
        )
    ).all()
    offers = {row[0]: Offer._make(row[:_OFFER_WIDTH]) for row in rows}
    return Quote(offers, rows[0][_OFFER_WIDTH] if rows else None)


async def write(
    session: AsyncSession, buyer: Principal, order: OrderCreate, basket: Basket, heading: Heading
) -> Written:
    """Write the order with its vendor orders, lines and first transitions, in one statement."""
    bulk = order if isinstance(order, BulkOrderCreate) else None
    rows = (
        await session.execute(
            WRITE,
            {
                "number": heading.number,
                "buyer_id": buyer.id,
                "organization_id": order.organization_id,
                "bulk": bulk is not None,
                "po_number": bulk.po_number if bulk else None,
                "deliver_on": bulk.deliver_on if bulk else None,
                "status": heading.status,
                "payment_method": order.payment_method,
                "ship_to": orjson.dumps(order.ship_to.model_dump()).decode(),
                "subtotal": basket.amounts.subtotal,
                "shipping": basket.amounts.shipping,
                "tax": basket.amounts.tax,
                "total": basket.amounts.total,
                "expires_at": heading.expires_at,
                "accept_by": heading.accept_by,
                "moment": heading.moment,
                "part_status": VendorOrderStatus.placed,
                "request_id": request_id.get(),
                **_columns(basket),
            },
        )
    ).all()
    return Written(rows[0][0], {vendor_id: vendor_order_id for _, vendor_order_id, vendor_id in rows})


def _columns(basket: Basket) -> dict[str, list[Any]]:
    """The vendor orders and the lines, one list a column."""
    lines = basket.lines
    return {
        "vendor_ids": [share.vendor_id for share, _ in basket.shares],
        "vendor_names": [share.vendor_name for share, _ in basket.shares],
        "subtotals": [amounts.subtotal for _, amounts in basket.shares],
        "shippings": [amounts.shipping for _, amounts in basket.shares],
        "taxes": [amounts.tax for _, amounts in basket.shares],
        "weights": [share.weight_grams for share, _ in basket.shares],
        "line_vendor_ids": [line.offer.vendor_id for line in lines],
        "sku_ids": [line.offer.sku_id for line in lines],
        "product_ids": [line.offer.product_id for line in lines],
        "names": [line.offer.name for line in lines],
        "units": [line.offer.unit for line in lines],
        "quantities": [line.want.quantity for line in lines],
        "unit_prices": [line.unit_price for line in lines],
        "line_totals": [line.total for line in lines],
        "line_taxes": [line.tax for line in lines],
    }


async def reserve(session: AsyncSession, buyer: Principal, basket: Basket, written: Written) -> None:
    """Take the stock of every line, the last locks of the transaction; InsufficientStock when any line is short."""
    try:
        short = (
            await session.execute(
                RESERVE,
                {
                    "vendor_order_ids": [written.vendor_order_ids[line.offer.vendor_id] for line in basket.lines],
                    "sku_ids": [line.offer.sku_id for line in basket.lines],
                    "quantities": [line.want.quantity for line in basket.lines],
                    "actor": buyer.id,
                    "request_id": request_id.get(),
                },
            )
        ).all()
    except DBAPIError as error:
        # The CHECK constraint of the stock is the last line of defence; it cannot say how much is left.
        if error.orig is not None and isinstance(error.orig.__cause__, CheckViolationError):
            raise InsufficientStock from error
        raise
    if short:
        index_of = {line.offer.sku_id: line.want.first_line for line in basket.lines}
        errors = [
            {
                "pointer": f"/lines/{index_of[sku_id]}",
                "code": InsufficientStock.code,
                "sku_id": sku_id,
                "requested": requested,
                "available": available,
            }
            for sku_id, requested, available in short
        ]
        raise InsufficientStock(errors=sorted(errors, key=lambda one: index_of[one["sku_id"]]))


async def available(session: AsyncSession, basket: Basket) -> dict[UUID, int]:
    """How much of each sku of the basket is there now, without taking any."""
    rows = await session.execute(AVAILABLE, {"sku_ids": [line.offer.sku_id for line in basket.lines]})
    return {row.sku_id: row.available for row in rows}
