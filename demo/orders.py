"""A year of orders for a demo market, made by the database itself: sets of rows, each batch complete and consistent.

Goods that were sold had been restocked before, so what is available of a sku does not change, nor does any document.
Who bought are the demo accounts and buyers made for it; the office and vendors find orders in every state.
"""

import asyncio
from typing import Final
from uuid import UUID

import asyncpg
from pwdlib import PasswordHash

from demo.accounts import ACCOUNTS, CONSUMER, HOTEL, ORGANIZATION_ID, PASSWORD, VENDOR, DemoAccountsRefused
from demo.market import CONNECTIONS, MarketRefused, Progress, sole_builder
from ishop.settings import Environment, get_settings

BATCH: Final = 10_000
SKUS_SOLD: Final = 20_000
"""Of so many skus at most a builder sells, beside those of the demo vendor."""

ORDERS_A_BUYER: Final = 25
FEWEST_BUYERS, MOST_BUYERS = 10, 50_000

TABLES: Final = (
    "orders.orders",
    "orders.vendor_orders",
    "orders.order_lines",
    "orders.transitions",
    "orders.payments",
    "vendors.stock",
    "vendors.stock_movements",
    "vendors.reservations",
    "identity.users",
)

BUYERS: Final = """
    INSERT INTO identity.users (id, email, name, password_hash, confirmed_at)
    SELECT uuidv7(interval '-366 days'), format('buyer%s@demo.test', b), format('Pembeli %s', b), $2, now()
    FROM generate_series(1, $1::integer) b
    ON CONFLICT DO NOTHING
"""

# Every builder has skus of its own vendors, so that builders never wait for each other's stock. $1: the builder,
# $2: how many there are, $3: the demo vendor, $4: skus at most.
GOODS: Final = """
    CREATE TEMPORARY TABLE goods AS
    SELECT row_number() OVER (ORDER BY o.vendor_id = $3 DESC, o.vendor_id, o.sku_id) - 1 AS place,
           o.sku_id, o.product_id, o.vendor_id, o.vendor_name, o.pkp, o.region_code,
           o.name_id || ', ' || o.sku_name AS name, o.sku_name AS unit, o.price, o.weight_grams, o.min_quantity
    FROM (
        SELECT s.sku_id FROM vendors.stock s
        WHERE s.on_hand > s.reserved AND (hashtextextended(s.vendor_id::text, 0) & 65535) % $2 = $1
        ORDER BY s.vendor_id = $3 DESC, uuid_hash(s.sku_id) LIMIT $4
    ) chosen
    -- One after the other, because the planner would look at the certificates of the whole market.
    CROSS JOIN LATERAL (SELECT * FROM catalog.offers_v1 o WHERE o.sku_id = chosen.sku_id OFFSET 0) o
    WHERE o.certified_until >= (now() AT TIME ZONE 'Asia/Makassar')::date AND o.min_quantity % o.order_multiple = 0
"""
PLACES: Final = "ALTER TABLE pg_temp.goods ADD PRIMARY KEY (place)"
COUNT: Final = "SELECT count(*), count(*) FILTER (WHERE vendor_id = $1) FROM pg_temp.goods"
DEMO_VENDOR: Final = "SELECT vendor_id FROM vendors.vendor_members WHERE user_id = $1"

# What a kilogram costs from each region of the goods to each region of the province, as an order is quoted.
FREIGHT: Final = """
    CREATE TEMPORARY TABLE freight AS
    SELECT origin.code AS origin, destination.code AS destination, f.price_per_kg
    FROM catalog.regions_v1 origin
    CROSS JOIN catalog.regions_v1 destination
    JOIN orders.shipping_zones oz ON oz.region_prefix = origin.code
    JOIN orders.shipping_zones dz ON dz.region_prefix = destination.code
    CROSS JOIN LATERAL (
        SELECT f.price_per_kg FROM orders.shipping_rates f
        WHERE f.origin_zone = CASE WHEN origin.code = destination.code THEN 'same' ELSE oz.zone END
          AND f.destination_zone = CASE WHEN origin.code = destination.code THEN 'same' ELSE dz.zone END
          AND f.valid_from <= now() AND (f.valid_until IS NULL OR f.valid_until >= now())
        ORDER BY f.valid_from DESC LIMIT 1
    ) f
"""
PEOPLE: Final = """
    CREATE TEMPORARY TABLE people AS
    SELECT row_number() OVER (ORDER BY id) - 1 AS place, id FROM identity.users WHERE email LIKE 'buyer%@demo.test'
"""
DESTINATIONS: Final = """
    CREATE TEMPORARY TABLE destinations AS
    SELECT row_number() OVER (ORDER BY code) - 1 AS place, code
    FROM (SELECT DISTINCT destination AS code FROM pg_temp.freight) d
"""

# Order $1 up to $2 of $3, spread over the year that ends now; the last ones are still on their way. A multiple of an
# odd number, cut to 48 bits, is another one for each order.
PLACED: Final = """
    CREATE TEMPORARY TABLE placed ON COMMIT DROP AS
    WITH numbered AS MATERIALIZED (
        SELECT n, now() - interval '365 days' * (($3::bigint - n + 1)::double precision / $3) AS created_at,
               hashint8extended(n, 1) & 1048575 AS luck, hashint8extended(n, 2) & 1048575 AS person,
               hashint8extended(n, 3) & 1048575 AS region, n % 100 = 7 AS of_hotel, n % 200 = 11 AS of_consumer
        FROM generate_series($1::bigint, $2::bigint) n
    ), fated AS MATERIALIZED (
        SELECT d.*, CASE
            WHEN created_at > now() - interval '1 day' THEN CASE WHEN luck % 2 = 0 THEN 'placed' ELSE 'accepted' END
            WHEN created_at > now() - interval '7 days' THEN CASE WHEN luck % 2 = 0 THEN 'accepted' ELSE 'shipped' END
            WHEN luck % 100 < 92 THEN 'delivered' WHEN luck % 100 < 96 THEN 'cancelled'
            ELSE 'rejected' END AS part_status
        FROM numbered d
    )
    SELECT f.n, uuidv7(f.created_at - now()) AS id, f.created_at, f.part_status,
           'ORD-' || substr(digits, 1, 4) || '-' || substr(digits, 5, 4) || '-' || substr(digits, 9, 4) AS number,
           CASE WHEN f.of_hotel THEN $5::uuid WHEN f.of_consumer THEN $4::uuid ELSE p.id END AS buyer_id,
           CASE WHEN f.of_hotel THEN $6::uuid END AS organization_id,
           CASE WHEN f.of_hotel THEN 'terms' ELSE 'cod' END AS payment_method,
           CASE WHEN f.part_status = 'delivered' THEN 'completed'
                WHEN f.part_status IN ('cancelled', 'rejected') THEN 'cancelled' ELSE 'confirmed' END AS status,
           d.code AS region_code
    FROM fated f
    CROSS JOIN LATERAL (SELECT lpad(upper(to_hex(f.n * 181783497277 & 281474976710655)), 12, '0') AS digits) c
    JOIN pg_temp.people p ON p.place = f.person % (SELECT count(*) FROM pg_temp.people)
    JOIN pg_temp.destinations d ON d.place = f.region % (SELECT count(*) FROM pg_temp.destinations)
"""

# One to three packs an order: one at random, at times the next one in the shelf, at times any other. Two orders of 50
# are of the demo vendor, whose skus, $2 of the $1, come first.
LINES: Final = """
    CREATE TEMPORARY TABLE lines ON COMMIT DROP AS
    WITH chosen AS (
        SELECT n, CASE WHEN n % 50 < 2 AND $2::bigint > 0 THEN dice % $2 ELSE dice % $1::bigint END AS place
        FROM (SELECT n, hashint8extended(n, 4) & 1048575 AS dice FROM pg_temp.placed) d
    ), wanted AS (
        SELECT n, place FROM chosen
        UNION SELECT n, (place + 1) % $1 FROM chosen WHERE hashint8extended(n, 5) & 1023 < 340
        UNION SELECT n, (hashint8extended(n, 6) & 1048575) % $1 FROM chosen WHERE hashint8extended(n, 7) & 1023 < 200
    )
    SELECT w.n, row_number() OVER (PARTITION BY w.n ORDER BY w.place) AS position, g.*, q.quantity,
           q.quantity * g.price AS total,
           CASE WHEN g.pkp THEN (2 * ((2 * q.quantity * g.price * t.base_numerator + t.base_denominator)
               / (2 * t.base_denominator)) * t.rate_percent + 100) / 200 ELSE 0 END AS tax
    FROM wanted w
    JOIN pg_temp.goods g USING (place)
    CROSS JOIN LATERAL (SELECT g.min_quantity::bigint * (1 + (hashint8extended(w.n, 8) & 1)) AS quantity) q
    CROSS JOIN (
        SELECT t.base_numerator::bigint, t.base_denominator::bigint, t.rate_percent::bigint FROM orders.tax_rates t
        WHERE t.code = 'PPN' AND t.valid_from <= now() AND (t.valid_until IS NULL OR t.valid_until >= now())
        ORDER BY t.valid_from DESC LIMIT 1
    ) t
"""
PARTS: Final = """
    CREATE TEMPORARY TABLE parts ON COMMIT DROP AS
    SELECT p.n, p.id AS order_id, uuidv7(p.created_at - now()) AS id, p.created_at, p.part_status, l.vendor_id,
           l.vendor_name, l.subtotal, l.tax, l.weight_grams,
           greatest(1, (l.weight_grams + 999) / 1000) * f.price_per_kg AS shipping
    FROM pg_temp.placed p
    JOIN (
        SELECT n, vendor_id, min(vendor_name) AS vendor_name, min(region_code) AS region_code,
               sum(total)::bigint AS subtotal, sum(tax)::bigint AS tax,
               sum(quantity * weight_grams)::bigint AS weight_grams
        FROM pg_temp.lines GROUP BY n, vendor_id
    ) l USING (n)
    JOIN pg_temp.freight f ON f.origin = l.region_code AND f.destination = p.region_code
"""

ORDERS: Final = """
    INSERT INTO orders.orders (id, number, buyer_id, organization_id, bulk, status, payment_method, ship_to, subtotal,
                               shipping, tax, total, original_total, paid, created_at)
    SELECT p.id, p.number, p.buyer_id, p.organization_id, false, p.status, p.payment_method,
           jsonb_build_object('name', 'Pembeli ' || p.n, 'phone', '081234567890',
                              'address', 'Jl. Pejanggik ' || p.n % 200,
                              'region_code', p.region_code, 'postal_code', '83121'),
           s.subtotal * s.alive, s.shipping * s.alive, s.tax * s.alive, s.total * s.alive, s.total,
           CASE WHEN p.status = 'completed' AND p.payment_method = 'cod' THEN s.total ELSE 0 END, p.created_at
    FROM pg_temp.placed p
    JOIN (
        SELECT n, sum(subtotal)::bigint AS subtotal, sum(shipping)::bigint AS shipping, sum(tax)::bigint AS tax,
               sum(subtotal + shipping + tax)::bigint AS total,
               CASE WHEN min(part_status) IN ('cancelled', 'rejected') THEN 0 ELSE 1 END AS alive
        FROM pg_temp.parts GROUP BY n
    ) s USING (n)
    ORDER BY p.id
"""
VENDOR_ORDERS: Final = """
    INSERT INTO orders.vendor_orders (id, order_id, vendor_id, vendor_name, status, subtotal, shipping, tax, total,
                                      weight_grams, accept_by, tracking_number, created_at)
    SELECT id, order_id, vendor_id, vendor_name, part_status, subtotal, shipping, tax, subtotal + shipping + tax,
           weight_grams, created_at + interval '48 hours',
           CASE WHEN part_status IN ('shipped', 'delivered') THEN 'DEMO' || n END, created_at
    FROM pg_temp.parts ORDER BY id
"""
ORDER_LINES: Final = """
    INSERT INTO orders.order_lines (order_id, vendor_order_id, position, sku_id, product_id, name, unit, quantity,
                                    unit_price, total, tax)
    SELECT p.order_id, p.id, l.position, l.sku_id, l.product_id, l.name, l.unit, l.quantity, l.price, l.total, l.tax
    FROM pg_temp.lines l JOIN pg_temp.parts p USING (n, vendor_id) ORDER BY p.id, l.position
"""
PAYMENTS: Final = """
    INSERT INTO orders.payments (order_id, amount, reference, allocated, recorded_by, created_at)
    SELECT p.order_id, p.subtotal + p.shipping + p.tax, 'cod:' || p.id, true, $1::uuid, p.created_at + interval '3 days'
    FROM pg_temp.parts p JOIN pg_temp.placed o USING (n)
    WHERE o.status = 'completed' AND o.payment_method = 'cod'
"""
# The ways that orders and vendor orders went to the states that they are in, in the order of their steps.
TRANSITIONS: Final = """
    INSERT INTO orders.transitions (order_id, vendor_order_id, from_status, to_status, actor_id, created_at)
    WITH ways (part_status, step, from_status, to_status, after) AS (VALUES
        ('placed', 1, NULL, 'placed', interval '0'), ('accepted', 1, NULL, 'placed', interval '0'),
        ('accepted', 2, 'placed', 'accepted', interval '5 hours'), ('shipped', 1, NULL, 'placed', interval '0'),
        ('shipped', 2, 'placed', 'accepted', interval '5 hours'),
        ('shipped', 3, 'accepted', 'shipped', interval '1 day'),
        ('delivered', 1, NULL, 'placed', interval '0'), ('delivered', 2, 'placed', 'accepted', interval '5 hours'),
        ('delivered', 3, 'accepted', 'shipped', interval '1 day'),
        ('delivered', 4, 'shipped', 'delivered', interval '3 days'),
        ('cancelled', 1, NULL, 'placed', interval '0'), ('cancelled', 2, 'placed', 'cancelled', interval '2 hours'),
        ('rejected', 1, NULL, 'placed', interval '0'), ('rejected', 2, 'placed', 'rejected', interval '2 hours')
    )
    SELECT order_id, vendor_order_id, from_status, to_status, actor_id, least(at, now())
    FROM (
        SELECT p.order_id, p.id AS vendor_order_id, w.from_status, w.to_status, w.step,
               CASE WHEN w.step = 1 OR w.to_status = 'cancelled' THEN o.buyer_id END AS actor_id,
               p.created_at + w.after AS at
        FROM pg_temp.parts p JOIN pg_temp.placed o USING (n) JOIN ways w ON w.part_status = p.part_status
        UNION ALL
        SELECT id, NULL, NULL, 'confirmed', 0, buyer_id, created_at FROM pg_temp.placed
        UNION ALL
        SELECT id, NULL, 'confirmed', status, 9, NULL,
               created_at + CASE status WHEN 'completed' THEN interval '3 days' ELSE interval '2 hours' END
        FROM pg_temp.placed WHERE status <> 'confirmed'
    ) steps
    ORDER BY order_id, step
"""
HOLDINGS: Final = """
    INSERT INTO vendors.reservations (vendor_order_id, sku_id, quantity, state, created_at)
    SELECT p.id, l.sku_id, l.quantity,
           CASE WHEN p.part_status IN ('placed', 'accepted') THEN 'held'
                WHEN p.part_status IN ('shipped', 'delivered') THEN 'shipped' ELSE 'released' END, p.created_at
    FROM pg_temp.lines l JOIN pg_temp.parts p USING (n, vendor_id)
"""
LOCK_STOCK: Final = """
    SELECT FROM vendors.stock s WHERE s.sku_id IN (SELECT sku_id FROM pg_temp.lines) ORDER BY s.sku_id FOR NO KEY UPDATE
"""
MOVEMENTS: Final = """
    INSERT INTO vendors.stock_movements (sku_id, vendor_id, kind, on_hand_change, reserved_change, vendor_order_id,
                                         reason, created_at)
    WITH sold AS MATERIALIZED (
        SELECT l.sku_id, l.vendor_id, l.quantity, p.id, p.created_at, p.part_status
        FROM pg_temp.lines l JOIN pg_temp.parts p USING (n, vendor_id)
    )
    SELECT sku_id, vendor_id, kind, on_hand_change, reserved_change, vendor_order_id, reason, created_at
    FROM (
        SELECT sku_id, vendor_id, 'count' AS kind, sum(quantity)::bigint AS on_hand_change,
               0::bigint AS reserved_change, NULL::uuid AS vendor_order_id, 'restock' AS reason,
               min(created_at) AS created_at, 0 AS step
        FROM sold WHERE part_status NOT IN ('cancelled', 'rejected') GROUP BY sku_id, vendor_id
        UNION ALL
        SELECT sku_id, vendor_id, 'reserve', 0, quantity, id, NULL, created_at, 1 FROM sold
        UNION ALL
        SELECT sku_id, vendor_id, 'ship', -quantity, -quantity, id, NULL, created_at + interval '1 day', 2
        FROM sold WHERE part_status IN ('shipped', 'delivered')
        UNION ALL
        SELECT sku_id, vendor_id, 'release', 0, -quantity, id, NULL, created_at + interval '2 hours', 2
        FROM sold WHERE part_status IN ('cancelled', 'rejected')
    ) moved
    ORDER BY created_at, step
"""
STOCK: Final = """
    UPDATE vendors.stock s
    SET on_hand = s.on_hand + c.held, reserved = s.reserved + c.held, version = s.version + 1, updated_at = now()
    FROM (
        SELECT l.sku_id,
               coalesce(sum(l.quantity) FILTER (WHERE p.part_status IN ('placed', 'accepted')), 0)::bigint AS held
        FROM pg_temp.lines l JOIN pg_temp.parts p USING (n, vendor_id)
        WHERE p.part_status NOT IN ('cancelled', 'rejected') GROUP BY l.sku_id
    ) c
    WHERE s.sku_id = c.sku_id
"""
WRITES: Final = (ORDERS, VENDOR_ORDERS, ORDER_LINES, TRANSITIONS, HOLDINGS, LOCK_STOCK, MOVEMENTS, STOCK)


async def add_orders(dsn: str, count: int, *, batch: int = BATCH, progress: Progress) -> None:
    """Add `count` orders to the demo market of `dsn`, as the migrator; an interrupted run leaves whole batches.

    Raises DemoAccountsRefused outside development or where the demo accounts are not there, MarketRefused where too
    little is for sale.
    """
    if get_settings().env is not Environment.development:
        raise DemoAccountsRefused("Demo orders are of demo accounts, which are made in development only (ISHOP_ENV).")
    async with sole_builder(dsn) as connection:
        demo_vendor = await connection.fetchval(DEMO_VENDOR, _id_of(VENDOR))
        if demo_vendor is None:
            raise DemoAccountsRefused("This market has no demo accounts; `ishop up` makes them.")
        before: int = await connection.fetchval("SELECT count(*) FROM orders.orders")
        buyers = max(FEWEST_BUYERS, min(MOST_BUYERS, count // ORDERS_A_BUYER))
        await connection.execute(BUYERS, buyers, PasswordHash.recommended().hash(PASSWORD))
        build = _Build(dsn, demo_vendor, before=before, count=count, batch=batch, progress=progress)
        async with asyncio.TaskGroup() as tasks:
            for number in range(CONNECTIONS):
                tasks.create_task(build.write(number))
        if build.done < count:
            raise MarketRefused("Nothing is for sale in this market.")
        progress("statistics of orders", 0, 1)
        await connection.execute(f"ANALYZE {', '.join(TABLES)}")
        progress("statistics of orders", 1, 1)


class _Build:
    """Writes batches of orders, each in a transaction of its own."""

    def __init__(self, dsn: str, demo_vendor: UUID, *, before: int, count: int, batch: int, progress: Progress) -> None:
        self._dsn = dsn
        self._demo_vendor = demo_vendor
        self._last = before + count
        self._count = count
        self._first = before + 1
        self._batch = min(batch, -(-count // CONNECTIONS))
        self._progress = progress
        self.done = 0

    async def write(self, number: int) -> None:
        """Write the batches of builder `number`, of goods that it alone sells."""
        # What a crash of the server takes is whole batches, so none waits for the disk.
        connection = await asyncpg.connect(self._dsn, server_settings={"synchronous_commit": "off"})
        try:
            await connection.execute(GOODS, number, CONNECTIONS, self._demo_vendor, SKUS_SOLD)
            for statement in (PLACES, FREIGHT, PEOPLE, DESTINATIONS):
                await connection.execute(statement)
            goods, of_demo_vendor = await connection.fetchrow(COUNT, self._demo_vendor)
            starts = range(self._first + number * self._batch, self._last + 1, CONNECTIONS * self._batch)
            for start in starts if goods else ():
                end = min(start + self._batch - 1, self._last)
                async with connection.transaction():
                    await self._write_batch(connection, start, end, goods, of_demo_vendor)
                self.done += end - start + 1
                self._progress("orders", self.done, self._count)
        finally:
            await connection.close()

    async def _write_batch(
        self, connection: asyncpg.Connection, start: int, end: int, goods: int, of_demo_vendor: int
    ) -> None:
        people = (_id_of(CONSUMER), _id_of(HOTEL), ORGANIZATION_ID)
        await connection.execute(PLACED, start, end, self._last, *people)
        await connection.execute(LINES, goods, of_demo_vendor)
        await connection.execute(PARTS)
        await connection.execute("ANALYZE pg_temp.placed, pg_temp.lines, pg_temp.parts")
        for statement in WRITES:
            await connection.execute(statement)
        await connection.execute(PAYMENTS, _id_of(VENDOR))


def _id_of(email: str) -> UUID:
    return next(account.id for account in ACCOUNTS if account.email == email)
