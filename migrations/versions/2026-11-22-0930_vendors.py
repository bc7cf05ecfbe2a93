"""Schema vendors: producers, certificates, stock with its movements and reservations, and what is published of it."""

from alembic import op

from migrations.helpers import create_schema, owner, statements

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_schema("vendors")
    with owner("vendors"):
        statements(TABLES)
        statements(RESERVE)
        statements(RELEASE_AND_SHIP)
        statements(PUBLISHED)


def downgrade() -> None:
    op.execute("DROP SCHEMA vendors CASCADE")


TABLES = """
CREATE TABLE vendors.cohorts (
    slug text CONSTRAINT pk_cohorts PRIMARY KEY,
    name_id text NOT NULL,
    name_en text NOT NULL,
    vendors integer NOT NULL,
    workers integer NOT NULL,
    source text NOT NULL
)
--;
COMMENT ON TABLE vendors.cohorts IS
    'Groups of producers whose worker total is known only jointly; vendors.workers is null for a joint figure'
--;
CREATE TABLE vendors.vendors (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_vendors PRIMARY KEY,
    slug text NOT NULL CONSTRAINT uq_vendors_slug UNIQUE
        CONSTRAINT ck_vendors_slug CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND slug !~ '^[0-9a-f]{8}-'),
    name text NOT NULL,
    description_id text NOT NULL,
    description_en text NOT NULL,
    status text NOT NULL CONSTRAINT ck_vendors_status
        CHECK (status IN ('applied', 'verified', 'active', 'suspended', 'closed')),
    region_code text NOT NULL,
    latitude double precision NOT NULL,
    longitude double precision NOT NULL,
    nib text NOT NULL CONSTRAINT uq_vendors_nib UNIQUE CONSTRAINT ck_vendors_nib CHECK (nib ~ '^[0-9]{13}$'),
    size_class text NOT NULL CONSTRAINT ck_vendors_size_class CHECK (size_class IN ('micro', 'small', 'medium')),
    workers integer,
    cohort_slug text CONSTRAINT fk_vendors_cohort_slug_cohorts REFERENCES vendors.cohorts,
    pkp boolean NOT NULL DEFAULT false,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now()
)
--;
COMMENT ON COLUMN vendors.vendors.pkp IS 'Pengusaha Kena Pajak: only such a vendor charges PPN'
--;
CREATE INDEX ix_vendors_name ON vendors.vendors (name, id) WHERE status = 'active'
--;
CREATE INDEX ix_vendors_created_at ON vendors.vendors (created_at, id) WHERE status = 'active'
--;
CREATE INDEX ix_vendors_region_code ON vendors.vendors (region_code, name, id) WHERE status = 'active'
--;
CREATE TABLE vendors.vendor_members (
    vendor_id uuid NOT NULL CONSTRAINT fk_vendor_members_vendor_id_vendors REFERENCES vendors.vendors,
    user_id uuid NOT NULL,
    role text NOT NULL CONSTRAINT ck_vendor_members_role CHECK (role IN ('owner', 'staff')),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_vendor_members PRIMARY KEY (vendor_id, user_id)
)
--;
CREATE INDEX ix_vendor_members_user_id ON vendors.vendor_members (user_id)
--;
CREATE TABLE vendors.certificates (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_certificates PRIMARY KEY,
    vendor_id uuid NOT NULL CONSTRAINT fk_certificates_vendor_id_vendors REFERENCES vendors.vendors,
    product_id uuid,
    kind text NOT NULL,
    number text NOT NULL,
    valid_from date NOT NULL,
    valid_until date,
    revoked_at timestamptz,
    verified_by uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ck_certificates_dates CHECK (valid_until >= valid_from)
)
--;
COMMENT ON COLUMN vendors.certificates.valid_until IS 'Last day of validity, through 24:00 local; null is open-ended'
--;
CREATE INDEX ix_certificates_vendor_id ON vendors.certificates (vendor_id, kind, product_id)
--;
CREATE TABLE vendors.stock (
    sku_id uuid CONSTRAINT pk_stock PRIMARY KEY,
    vendor_id uuid NOT NULL CONSTRAINT fk_stock_vendor_id_vendors REFERENCES vendors.vendors,
    on_hand bigint NOT NULL DEFAULT 0,
    reserved bigint NOT NULL DEFAULT 0,
    shortfall bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ck_stock_on_hand CHECK (on_hand BETWEEN 0 AND 1000000000),
    CONSTRAINT ck_stock_reserved CHECK (reserved >= 0 AND reserved <= on_hand + shortfall),
    CONSTRAINT ck_stock_shortfall CHECK (shortfall >= 0)
) WITH (fillfactor = 70)
--;
COMMENT ON COLUMN vendors.stock.version IS
    'Moves only when on_hand is changed by the vendor or by shipping, never by a reservation'
--;
CREATE INDEX ix_stock_vendor_id ON vendors.stock (vendor_id, sku_id)
--;
CREATE TABLE vendors.stock_movements (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_stock_movements PRIMARY KEY,
    sku_id uuid NOT NULL CONSTRAINT fk_stock_movements_sku_id_stock REFERENCES vendors.stock,
    vendor_id uuid NOT NULL,
    kind text NOT NULL CONSTRAINT ck_stock_movements_kind
        CHECK (kind IN ('opening', 'count', 'delta', 'reserve', 'release', 'ship', 'out_of_stock')),
    on_hand_change bigint NOT NULL,
    reserved_change bigint NOT NULL,
    vendor_order_id uuid,
    device_id text,
    sequence bigint,
    reason text,
    actor_id uuid,
    request_id text,
    created_at timestamptz NOT NULL DEFAULT now()
)
--;
CREATE INDEX ix_stock_movements_sku_id ON vendors.stock_movements (sku_id, id)
--;
CREATE UNIQUE INDEX uq_stock_movements_device ON vendors.stock_movements (vendor_id, device_id, sequence)
    WHERE device_id IS NOT NULL
--;
CREATE TABLE vendors.reservations (
    vendor_order_id uuid NOT NULL,
    sku_id uuid NOT NULL CONSTRAINT fk_reservations_sku_id_stock REFERENCES vendors.stock,
    quantity bigint NOT NULL CONSTRAINT ck_reservations_quantity CHECK (quantity > 0),
    state text NOT NULL DEFAULT 'held'
        CONSTRAINT ck_reservations_state CHECK (state IN ('held', 'released', 'shipped')),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_reservations PRIMARY KEY (vendor_order_id, sku_id)
)
--;
CREATE INDEX ix_reservations_sku_id ON vendors.reservations (sku_id) WHERE state = 'held'
"""

RESERVE = """
-- Takes every line or none. Returns the skus that are short (empty: all is taken); quantities of one sku are summed.
-- Several skus: statement 1 locks the rows in sku order, later statements decide and act on a fresh snapshot.
-- One sku: one guarded UPDATE decides and acts at once; where it took nothing, what is there is read afterwards, so it
-- tries again when enough came back in between: nobody is refused what the answer says is available.
CREATE FUNCTION vendors.reserve_v1(
    p_vendor_order_ids uuid[], p_sku_ids uuid[], p_quantities bigint[],
    p_actor uuid DEFAULT NULL, p_request_id text DEFAULT NULL
) RETURNS TABLE (sku_id uuid, requested bigint, available bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    sold_out uuid[];
    rest bigint;
BEGIN
    IF cardinality(p_sku_ids) = 1 THEN
        LOOP
            WITH taken AS (
                UPDATE vendors.stock SET reserved = reserved + p_quantities[1]
                WHERE sku_id = p_sku_ids[1] AND on_hand - reserved >= p_quantities[1]
                RETURNING sku_id, vendor_id, on_hand - reserved AS left_over
            ), held AS (
                INSERT INTO vendors.reservations (vendor_order_id, sku_id, quantity)
                SELECT p_vendor_order_ids[1], sku_id, p_quantities[1] FROM taken
            ), moved AS (
                INSERT INTO vendors.stock_movements
                    (sku_id, vendor_id, kind, on_hand_change, reserved_change, vendor_order_id, actor_id, request_id)
                SELECT sku_id, vendor_id, 'reserve', 0, p_quantities[1], p_vendor_order_ids[1], p_actor, p_request_id
                FROM taken
            )
            SELECT array_agg(sku_id) FILTER (WHERE left_over <= 0) INTO sold_out FROM taken HAVING count(*) = 1;
            EXIT WHEN FOUND;
            SELECT greatest(0, s.on_hand - s.reserved) INTO rest FROM vendors.stock s WHERE s.sku_id = p_sku_ids[1];
            CONTINUE WHEN rest >= p_quantities[1];
            RETURN QUERY SELECT p_sku_ids[1], p_quantities[1], coalesce(rest, 0);
            RETURN;
        END LOOP;
    ELSE
        PERFORM 1 FROM vendors.stock s WHERE s.sku_id = ANY (p_sku_ids) ORDER BY s.sku_id FOR NO KEY UPDATE;
        RETURN QUERY
            SELECT w.sku_id, w.quantity, coalesce(greatest(0, s.on_hand - s.reserved), 0)
            FROM (SELECT u.sku_id, sum(u.quantity)::bigint AS quantity
                  FROM unnest(p_sku_ids, p_quantities) AS u (sku_id, quantity) GROUP BY u.sku_id) w
            LEFT JOIN vendors.stock s ON s.sku_id = w.sku_id
            WHERE s.sku_id IS NULL OR s.on_hand - s.reserved < w.quantity;
        IF FOUND THEN
            RETURN;
        END IF;
        WITH want AS (
            SELECT u.vendor_order_id, u.sku_id, sum(u.quantity)::bigint AS quantity
            FROM unnest(p_vendor_order_ids, p_sku_ids, p_quantities) AS u (vendor_order_id, sku_id, quantity)
            GROUP BY 1, 2
        ), taken AS (
            UPDATE vendors.stock s SET reserved = s.reserved + w.quantity
            FROM (SELECT sku_id, sum(quantity)::bigint AS quantity FROM want GROUP BY 1) w
            WHERE s.sku_id = w.sku_id
            RETURNING s.sku_id, s.vendor_id, s.on_hand - s.reserved AS left_over
        ), held AS (
            INSERT INTO vendors.reservations (vendor_order_id, sku_id, quantity)
            SELECT vendor_order_id, sku_id, quantity FROM want
        ), moved AS (
            INSERT INTO vendors.stock_movements
                (sku_id, vendor_id, kind, on_hand_change, reserved_change, vendor_order_id, actor_id, request_id)
            SELECT w.sku_id, t.vendor_id, 'reserve', 0, w.quantity, w.vendor_order_id, p_actor, p_request_id
            FROM want w JOIN taken t USING (sku_id)
        )
        SELECT array_agg(sku_id) FILTER (WHERE left_over <= 0) INTO sold_out FROM taken;
    END IF;
    IF sold_out IS NOT NULL THEN
        PERFORM ops.emit_v1('vendors.stock_availability_changed.v1', sold_out::text[], p_request_id);
    END IF;
END
$$
"""

RELEASE_AND_SHIP = """
-- Ends what the vendor orders hold; p_kind says why: `release`, `out_of_stock` or `ship`, as in the movements.
-- Goods that ship leave the house, also those that a count says are not there: then on_hand stops at zero. Goods that
-- are out of stock leave on_hand too, so that nobody else buys them; a shortfall has left it already, with the count.
CREATE FUNCTION vendors.end_reservations(
    p_vendor_order_ids uuid[], p_kind text, p_reason text, p_actor uuid, p_request_id text
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    ended bigint;
    changed uuid[];
BEGIN
    PERFORM 1 FROM vendors.stock s
        WHERE s.sku_id IN (SELECT r.sku_id FROM vendors.reservations r
                           WHERE r.vendor_order_id = ANY (p_vendor_order_ids) AND r.state = 'held')
        ORDER BY s.sku_id FOR NO KEY UPDATE;
    WITH done AS (
        UPDATE vendors.reservations SET state = CASE p_kind WHEN 'ship' THEN 'shipped' ELSE 'released' END
        WHERE vendor_order_id = ANY (p_vendor_order_ids) AND state = 'held'
        RETURNING vendor_order_id, sku_id, quantity
    ), per_sku AS (
        SELECT sku_id, sum(quantity)::bigint AS quantity FROM done GROUP BY sku_id
    ), before AS (
        SELECT s.sku_id, s.vendor_id, p.quantity,
               CASE p_kind WHEN 'ship' THEN least(p.quantity, s.on_hand)
                           WHEN 'out_of_stock' THEN greatest(0, p.quantity - s.shortfall) ELSE 0 END AS leaving,
               s.on_hand - s.reserved > 0 AS was_available
        FROM per_sku p JOIN vendors.stock s ON s.sku_id = p.sku_id
    ), after AS (
        UPDATE vendors.stock s
        SET on_hand = s.on_hand - b.leaving, reserved = s.reserved - b.quantity,
            shortfall = greatest(0, (s.reserved - b.quantity) - (s.on_hand - b.leaving)),
            version = s.version + (b.leaving <> 0)::integer, updated_at = now()
        FROM before b WHERE s.sku_id = b.sku_id
        RETURNING s.sku_id, s.on_hand - s.reserved > 0 AS is_available
    ), moved AS (
        INSERT INTO vendors.stock_movements
            (sku_id, vendor_id, kind, on_hand_change, reserved_change, vendor_order_id, reason, actor_id, request_id)
        SELECT d.sku_id, b.vendor_id, p_kind,
               -greatest(0, least(d.quantity, b.leaving - (sum(d.quantity) OVER earlier - d.quantity))), -d.quantity,
               d.vendor_order_id, p_reason, p_actor, p_request_id
        FROM done d JOIN before b USING (sku_id)
        WINDOW earlier AS (PARTITION BY d.sku_id ORDER BY d.vendor_order_id ROWS UNBOUNDED PRECEDING)
    )
    SELECT (SELECT count(*) FROM done),
           (SELECT array_agg(a.sku_id) FROM after a JOIN before b USING (sku_id)
            WHERE a.is_available <> b.was_available)
    INTO ended, changed;
    IF changed IS NOT NULL THEN
        PERFORM ops.emit_v1('vendors.stock_availability_changed.v1', changed::text[], p_request_id);
    END IF;
    RETURN ended;
END
$$
--;
-- Gives back what the vendor orders hold. Doing it again does nothing. `out_of_stock`: the goods are not there, so
-- on_hand falls too, as far as no count has said so before. Returns how many reservations ended.
CREATE FUNCTION vendors.release_v1(
    p_vendor_order_ids uuid[], p_out_of_stock boolean, p_reason text,
    p_actor uuid DEFAULT NULL, p_request_id text DEFAULT NULL
) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT vendors.end_reservations(p_vendor_order_ids, CASE WHEN p_out_of_stock THEN 'out_of_stock' ELSE 'release' END,
        p_reason, p_actor, p_request_id)
$$
--;
-- The goods of the vendor order leave the house: on_hand and reserved both fall. Doing it again does nothing.
CREATE FUNCTION vendors.ship_v1(p_vendor_order_id uuid, p_actor uuid DEFAULT NULL, p_request_id text DEFAULT NULL)
RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT vendors.end_reservations(ARRAY[p_vendor_order_id], 'ship', NULL, p_actor, p_request_id)
$$
"""

PUBLISHED = """
CREATE VIEW vendors.vendors_v1 AS
    SELECT id, slug, name, status, region_code, latitude, longitude, pkp FROM vendors.vendors
--;
CREATE VIEW vendors.stock_v1 AS
    SELECT sku_id, vendor_id, greatest(0, on_hand - reserved) AS available, on_hand - reserved > 0 AS in_stock
    FROM vendors.stock
--;
CREATE VIEW vendors.certificates_v1 AS
    SELECT vendor_id, product_id, kind, number, valid_from, valid_until FROM vendors.certificates
    WHERE revoked_at IS NULL
--;
CREATE VIEW vendors.memberships_v1 AS
    SELECT m.user_id, m.vendor_id, v.name AS vendor_name, m.role
    FROM vendors.vendor_members m JOIN vendors.vendors v ON v.id = m.vendor_id
--;
GRANT USAGE ON SCHEMA vendors TO
    ishop_vendors, ishop_catalog, ishop_orders, ishop_gateway, ishop_catalog_owner, ishop_orders_owner
--;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    vendors.cohorts, vendors.vendors, vendors.vendor_members, vendors.certificates TO ishop_vendors
--;
GRANT SELECT, INSERT, UPDATE ON vendors.stock TO ishop_vendors
--;
GRANT SELECT, INSERT ON vendors.stock_movements TO ishop_vendors
--;
GRANT SELECT ON vendors.reservations TO ishop_vendors
--;
GRANT SELECT ON vendors.vendors_v1, vendors.stock_v1, vendors.certificates_v1
    TO ishop_catalog, ishop_orders, ishop_catalog_owner, ishop_orders_owner
--;
GRANT SELECT ON vendors.memberships_v1 TO ishop_gateway
--;
GRANT EXECUTE ON FUNCTION vendors.reserve_v1(uuid[], uuid[], bigint[], uuid, text),
    vendors.release_v1(uuid[], boolean, text, uuid, text), vendors.ship_v1(uuid, uuid, text) TO ishop_orders
"""
