"""An order is claimed, written, reserved and committed in one statement, so that no lock waits for a round trip."""

from alembic import op

from migrations.helpers import owner, statements

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with owner("ops"):
        statements(CLAIM)
    with owner("orders"):
        statements(PLACE)


def downgrade() -> None:
    with owner("orders"):
        op.execute("DROP FUNCTION orders.place_v1")
    with owner("ops"):
        op.execute("DROP FUNCTION ops.claim_v3, ops.answered_v1")


CLAIM = """
-- As claim_v1, of a request whose answer is known before it is done: claim and answer are one row, written once.
CREATE FUNCTION ops.claim_v3(
    p_principal text, p_key text, p_request_hash bytea, p_status integer, p_headers jsonb, p_body bytea
) RETURNS TABLE (claimed boolean, same_request boolean, status integer, headers jsonb, body bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
BEGIN
    INSERT INTO ops.idempotency_keys AS k (principal, key, request_hash, status, headers, body)
        VALUES (p_principal, p_key, p_request_hash, p_status, p_headers, p_body)
        ON CONFLICT ON CONSTRAINT pk_idempotency_keys DO NOTHING;
    IF FOUND THEN
        RETURN QUERY SELECT true, true, NULL::integer, NULL::jsonb, NULL::bytea;
    ELSE
        RETURN QUERY SELECT false, a.same_request, a.status, a.headers, a.body
            FROM ops.answered_v1(p_principal, p_key, p_request_hash) a;
    END IF;
END
$$
--;
-- What became of the key, without a claim: no row where nobody used it, no answer for who does not know the request.
CREATE FUNCTION ops.answered_v1(p_principal text, p_key text, p_request_hash bytea)
RETURNS TABLE (same_request boolean, status integer, headers jsonb, body bytea)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.request_hash = p_request_hash, s.status, s.headers, s.body
    FROM ops.idempotency_keys k
    LEFT JOIN ops.idempotency_keys s
        ON s.principal = k.principal AND s.key = k.key AND s.request_hash = p_request_hash
    WHERE k.principal = p_principal AND k.key = p_key
$$
--;
GRANT EXECUTE ON FUNCTION
    ops.claim_v3(text, text, bytea, integer, jsonb, bytea), ops.answered_v1(text, text, bytea)
    TO ishop_catalog, ishop_vendors, ishop_orders, ishop_gateway
"""

PLACE = """
-- Places a priced order: claims the key with its answer, writes the order, takes the stock last. Answers what
-- ops.claim_v3 does; where the key was used before, nothing is done. Raises SHORT, with the short skus in the detail,
-- when reserve_v1 refuses, so that nothing stays. The statements in it see a fresh snapshot each: it is VOLATILE, and
-- its caller's transaction, which is this one call, is READ COMMITTED.
CREATE FUNCTION orders.place_v1(
    p_principal text, p_key text, p_request_hash bytea, p_answer_status integer, p_answer_headers jsonb,
    p_answer_body bytea,
    p_order_id uuid, p_number text, p_buyer_id uuid, p_organization_id uuid, p_bulk boolean, p_po_number text,
    p_deliver_on date, p_status text, p_payment_method text, p_ship_to jsonb, p_subtotal bigint, p_shipping bigint,
    p_tax bigint, p_total bigint, p_expires_at timestamptz, p_accept_by timestamptz, p_moment timestamptz,
    p_part_status text, p_request_id text,
    p_part_ids uuid[], p_vendor_ids uuid[], p_vendor_names text[], p_subtotals bigint[], p_shippings bigint[],
    p_taxes bigint[], p_weights bigint[],
    p_line_part_ids uuid[], p_sku_ids uuid[], p_product_ids uuid[], p_names text[], p_units text[],
    p_quantities bigint[], p_unit_prices bigint[], p_line_totals bigint[], p_line_taxes bigint[]
) RETURNS TABLE (claimed boolean, same_request boolean, status integer, headers jsonb, body bytea)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    short text;
BEGIN
    SELECT c.claimed, c.same_request, c.status, c.headers, c.body INTO claimed, same_request, status, headers, body
        FROM ops.claim_v3(p_principal, p_key, p_request_hash, p_answer_status, p_answer_headers, p_answer_body) c;
    IF NOT claimed THEN
        RETURN NEXT;
        RETURN;
    END IF;
    WITH placed AS (
        INSERT INTO orders.orders
            (id, number, buyer_id, organization_id, bulk, po_number, deliver_on, status, payment_method, ship_to,
             subtotal, shipping, tax, total, original_total, expires_at, created_at)
        VALUES (p_order_id, p_number, p_buyer_id, p_organization_id, p_bulk, p_po_number, p_deliver_on, p_status,
                p_payment_method, p_ship_to, p_subtotal, p_shipping, p_tax, p_total, p_total, p_expires_at, p_moment)
    ), parts AS (
        INSERT INTO orders.vendor_orders
            (id, order_id, vendor_id, vendor_name, status, subtotal, shipping, tax, total, weight_grams, accept_by,
             created_at)
        SELECT v.id, p_order_id, v.vendor_id, v.vendor_name, p_part_status, v.subtotal, v.shipping, v.tax,
               v.subtotal + v.shipping + v.tax, v.weight_grams, p_accept_by, p_moment
        FROM unnest(p_part_ids, p_vendor_ids, p_vendor_names, p_subtotals, p_shippings, p_taxes, p_weights)
            AS v (id, vendor_id, vendor_name, subtotal, shipping, tax, weight_grams)
    ), history AS (
        INSERT INTO orders.transitions (order_id, vendor_order_id, to_status, actor_id, request_id, created_at)
        SELECT p_order_id, NULL, p_status, p_buyer_id, p_request_id, p_moment
        UNION ALL
        SELECT p_order_id, v.id, p_part_status, p_buyer_id, p_request_id, p_moment FROM unnest(p_part_ids) AS v (id)
    )
    INSERT INTO orders.order_lines
        (order_id, vendor_order_id, position, sku_id, product_id, name, unit, quantity, unit_price, total, tax)
    SELECT p_order_id, l.part_id, l.position, l.sku_id, l.product_id, l.name, l.unit, l.quantity, l.unit_price,
           l.total, l.tax
    FROM unnest(p_line_part_ids, p_sku_ids, p_product_ids, p_names, p_units, p_quantities, p_unit_prices,
                p_line_totals, p_line_taxes) WITH ORDINALITY
        AS l (part_id, sku_id, product_id, name, unit, quantity, unit_price, total, tax, position);
    SELECT json_agg(r)::text INTO short
        FROM vendors.reserve_v1(p_line_part_ids, p_sku_ids, p_quantities, p_buyer_id, p_request_id) r;
    IF short IS NOT NULL THEN
        RAISE EXCEPTION 'not enough stock' USING ERRCODE = 'SHORT', DETAIL = short;
    END IF;
    RETURN NEXT;
END
$$
--;
GRANT EXECUTE ON FUNCTION orders.place_v1 TO ishop_orders
"""
