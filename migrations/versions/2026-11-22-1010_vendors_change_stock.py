"""Schema vendors: the one function through which a vendor changes stock, from a single count to 10,000 rows."""

from alembic import op

from migrations.helpers import owner, statements

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with owner("vendors"):
        statements(CHANGE_STOCK)


def downgrade() -> None:
    with owner("vendors"):
        op.execute("DROP FUNCTION vendors.change_stock")
        op.execute("DROP TYPE vendors.stock_change")


CHANGE_STOCK = """
CREATE TYPE vendors.stock_change AS (
    place bigint, first_place bigint, sku_id uuid, vendor_id uuid,
    counted bigint, expected_version bigint, expected_count bigint,
    delta bigint, device_id text, sequence bigint, reason text,
    verdict text, on_hand_change bigint, on_hand bigint, version bigint
)
--;
COMMENT ON TYPE vendors.stock_change IS
    'One row of change_stock: where it stands, where its device key stands first, what it asks for and what came of it'
--;
-- Changes the stock of skus of these vendors. A change is a count with the version or the count that it is based on, or a
-- delta with the key of its device; arrays are parallel, null where a change has no such part. Modes: `partial` makes
-- every change that can be made, `atomic` all or none, `check` none. Returns, by place from 1 on, `applied`, `duplicate`
-- (the vendor's device sent this key before) or the code of a conflict, and the stock after the change, or as it is where
-- nothing was written. Skus of other vendors and unknown ones are left out.
--
-- Statement 1 locks the rows in sku order; what follows decides on a fresh snapshot, each change of a sku on what the one
-- before it left, and writes once a sku. A key that stands twice is decided at its first place. Of two callers that use
-- one key for different skus at the same moment the later one fails (23505), and finds a duplicate when it tries again.
CREATE FUNCTION vendors.change_stock(
    p_mode text, p_vendor_ids uuid[], p_sku_ids uuid[], p_counts bigint[], p_expected_versions bigint[],
    p_expected_counts bigint[], p_deltas bigint[], p_device_ids text[], p_sequences bigint[], p_reasons text[],
    p_actor uuid, p_request_id text
) RETURNS TABLE (
    place bigint, verdict text, on_hand bigint, reserved bigint, available bigint, shortfall bigint, version bigint
)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    change vendors.stock_change;
    decided vendors.stock_change[] := '{}';
    sku uuid;
    has bigint;
    at_version bigint;
    target bigint;
    written boolean;
    crossed uuid[];
BEGIN
    PERFORM 1 FROM vendors.stock s
        WHERE s.sku_id = ANY (p_sku_ids) AND s.vendor_id = ANY (p_vendor_ids) ORDER BY s.sku_id FOR NO KEY UPDATE;
    FOR change IN
        SELECT u.place, CASE WHEN u.device_id IS NULL THEN u.place ELSE min(u.place) OVER same_key END,
               u.sku_id, s.vendor_id, u.counted, u.expected_version, u.expected_count,
               u.delta, u.device_id, u.sequence, u.reason,
               -- A scalar subquery, because EXISTS may be planned as one pass over all movements there ever were.
               CASE WHEN u.device_id IS NOT NULL AND (
                   SELECT true FROM vendors.stock_movements m
                   WHERE m.vendor_id = s.vendor_id AND m.device_id = u.device_id AND m.sequence = u.sequence
               ) THEN 'duplicate' END,
               0, s.on_hand, s.version
        FROM unnest(p_sku_ids, p_counts, p_expected_versions, p_expected_counts, p_deltas, p_device_ids, p_sequences,
                    p_reasons) WITH ORDINALITY
            AS u (sku_id, counted, expected_version, expected_count, delta, device_id, sequence, reason, place)
        JOIN vendors.stock s ON s.sku_id = u.sku_id
        WHERE s.vendor_id = ANY (p_vendor_ids)
        WINDOW same_key AS (PARTITION BY s.vendor_id, u.device_id, u.sequence)
        ORDER BY u.sku_id, u.place
    LOOP
        IF change.sku_id IS DISTINCT FROM sku THEN
            sku := change.sku_id;
            has := change.on_hand;
            at_version := change.version;
        END IF;
        IF change.verdict IS NULL AND change.place = change.first_place THEN
            target := coalesce(change.counted, has + change.delta);
            change.verdict := CASE
                WHEN change.expected_version <> at_version OR change.expected_count <> has THEN 'stock_conflict'
                WHEN target < 0 THEN 'stock_below_zero'
                WHEN target > 1000000000 THEN 'stock_above_limit'
                ELSE 'applied' END;
            IF change.verdict = 'applied' AND target <> has THEN
                change.on_hand_change := target - has;
                has := target;
                at_version := at_version + 1;
            END IF;
        END IF;
        change.on_hand := has;
        change.version := at_version;
        decided := decided || change;
    END LOOP;
    written := p_mode = 'partial' OR (p_mode = 'atomic' AND cardinality(decided) = cardinality(p_sku_ids)
        AND NOT EXISTS (SELECT FROM unnest(decided) d WHERE d.verdict NOT IN ('applied', 'duplicate')));
    IF written THEN
        WITH moved AS (
            INSERT INTO vendors.stock_movements
                (sku_id, vendor_id, kind, on_hand_change, reserved_change, device_id, sequence, reason, actor_id, request_id)
            SELECT d.sku_id, d.vendor_id, CASE WHEN d.device_id IS NULL THEN 'count' ELSE 'delta' END, d.on_hand_change, 0,
                   d.device_id, d.sequence, d.reason, p_actor, p_request_id
            FROM unnest(decided) d
            WHERE d.verdict = 'applied' AND (d.device_id IS NOT NULL OR d.on_hand_change <> 0)
            ORDER BY d.place
        ), last AS (
            SELECT DISTINCT ON (d.sku_id) d.sku_id, d.on_hand, d.version FROM unnest(decided) d
            ORDER BY d.sku_id, d.place DESC
        ), changed AS (
            UPDATE vendors.stock s
            SET on_hand = l.on_hand, shortfall = greatest(0, s.reserved - l.on_hand), version = l.version, updated_at = now()
            FROM last l WHERE s.sku_id = l.sku_id AND s.version <> l.version
            RETURNING s.sku_id, (old.on_hand > old.reserved) <> (new.on_hand > new.reserved) AS crossed
        )
        SELECT array_agg(c.sku_id) INTO crossed FROM changed c WHERE c.crossed;
        IF crossed IS NOT NULL THEN
            PERFORM ops.emit_v1('vendors.stock_availability_changed.v1', crossed::text[], p_request_id);
        END IF;
    END IF;
    RETURN QUERY
        SELECT l.place, l.verdict, l.on_hand, l.reserved, greatest(0, l.on_hand - l.reserved),
               greatest(0, l.reserved - l.on_hand), l.version
        FROM (
            SELECT d.place, s.reserved,
                   coalesce(d.verdict, CASE first_value(d.verdict) OVER same_key
                       WHEN 'applied' THEN 'duplicate' ELSE first_value(d.verdict) OVER same_key END) AS verdict,
                   CASE WHEN written THEN d.on_hand ELSE s.on_hand END AS on_hand,
                   CASE WHEN written THEN d.version ELSE s.version END AS version
            FROM unnest(decided) d JOIN vendors.stock s ON s.sku_id = d.sku_id
            WINDOW same_key AS (PARTITION BY d.first_place ORDER BY d.place)
        ) l ORDER BY l.place;
END
$$
--;
GRANT EXECUTE ON FUNCTION vendors.change_stock(
    text, uuid[], uuid[], bigint[], bigint[], bigint[], bigint[], text[], bigint[], text[], uuid, text) TO ishop_vendors
"""
