"""The audit log: who changed which right, price, certificate, state or money, from what to what.

A journal that exists is not written twice: transitions of orders and payments are published as they are. Tables that
keep none get triggers; adding one is a line in AUDITED.
"""

from alembic import op

from migrations.helpers import owner, statements

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

AUDITED = (
    # table, what it is, its key, the columns that matter, and the changes that are of interest
    (
        "identity.users",
        "account",
        "id",
        "roles,confirmed_at,superseded_at",
        "UPDATE OF roles, confirmed_at, superseded_at",
    ),
    (
        "identity.service_accounts",
        "service_account",
        "id",
        "name,vendor_id,organization_id,role,scopes",
        "INSERT OR UPDATE OR DELETE",
    ),
    (
        "identity.api_keys",
        "api_key",
        "id",
        "service_account_id,prefix,expires_at,replaced_at,revoked_at",
        "INSERT OR DELETE OR UPDATE OF expires_at, replaced_at, revoked_at",
    ),
    ("identity.signing_keys", "signing_key", "kid", "signs_from,valid_until", "INSERT OR UPDATE OR DELETE"),
    ("vendors.vendors", "vendor", "id", "status,name,nib,pkp,size_class", "UPDATE OR DELETE"),
    ("vendors.vendor_members", "vendor", "vendor_id", "user_id,role", "INSERT OR UPDATE OR DELETE"),
    (
        "vendors.certificates",
        "certificate",
        "id",
        "vendor_id,product_id,kind,number,valid_from,valid_until,revoked_at,verified_by",
        "INSERT OR UPDATE OR DELETE",
    ),
    ("catalog.products", "product", "id", "status", "UPDATE OF status"),
    (
        "catalog.skus",
        "sku",
        "id",
        "price,active,order_multiple,min_quantity",
        "DELETE OR UPDATE OF price, active, order_multiple, min_quantity",
    ),
    ("catalog.price_tiers", "sku", "sku_id", "min_quantity,price", "INSERT OR UPDATE OR DELETE"),
    ("orders.organizations", "organization", "id", "name,kind,terms_days", "UPDATE OR DELETE"),
    ("orders.organization_members", "organization", "organization_id", "user_id,role", "INSERT OR UPDATE OR DELETE"),
    ("orders.refunds", "order", "order_id", "amount,reason,status", "INSERT OR UPDATE OR DELETE"),
    (
        "orders.shipping_rates",
        "shipping_rate",
        "origin_zone",
        "origin_zone,destination_zone,price_per_kg,valid_from,valid_until",
        "UPDATE OR DELETE",
    ),
    (
        "orders.tax_rates",
        "tax_rate",
        "code",
        "base_numerator,base_denominator,rate_percent,valid_from,valid_until",
        "UPDATE OR DELETE",
    ),
)


def upgrade() -> None:
    with owner("ops"):
        statements(LOG)
    with owner("orders"):
        statements(PUBLISHED_BY_ORDERS)
    for table, subject, key, columns, changes in AUDITED:
        with owner(table.partition(".")[0]):
            op.execute(
                f"CREATE TRIGGER audit AFTER {changes} ON {table} FOR EACH ROW "
                f"EXECUTE FUNCTION ops.write_audit_v1('{subject}', '{key}', '{columns}')"
            )
    with owner("identity"):
        # Registering is no change of a right; an account that comes or goes with one is.
        for name, change, row in (("audit_given", "INSERT", "NEW"), ("audit_taken", "DELETE", "OLD")):
            op.execute(
                f"CREATE TRIGGER {name} AFTER {change} ON identity.users FOR EACH ROW WHEN ({row}.roles <> '{{}}') "
                "EXECUTE FUNCTION ops.write_audit_v1('account', 'id', 'roles,confirmed_at,superseded_at')"
            )


def downgrade() -> None:
    for table, *_ in AUDITED:
        with owner(table.partition(".")[0]):
            op.execute(f"DROP TRIGGER audit ON {table}")
    with owner("identity"):
        op.execute("DROP TRIGGER audit_given ON identity.users")
        op.execute("DROP TRIGGER audit_taken ON identity.users")
    with owner("orders"):
        statements("""
DROP VIEW orders.audited_transitions_v1, orders.audited_payments_v1
--;
DROP INDEX orders.ix_transitions_created_at, orders.ix_transitions_vendor_order_id
--;
DROP TRIGGER append_only ON orders.transitions
--;
DROP TRIGGER append_only ON orders.payments
        """)
    with owner("ops"):
        statements("""
DROP FUNCTION ops.claim_v2(text, text, bytea, text), ops.acting_v1(text, text), ops.write_audit_v1()
--;
DROP VIEW ops.audited_changes_v1
--;
DROP TABLE ops.audit_log
--;
DROP FUNCTION ops.refuse_change()
        """)


LOG = """
CREATE TABLE ops.audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_audit_log PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor_id uuid,
    database_role text NOT NULL,
    action text NOT NULL,
    subject_type text NOT NULL,
    subject_id text NOT NULL,
    before jsonb,
    after jsonb,
    request_id text
)
--;
COMMENT ON COLUMN ops.audit_log.actor_id IS 'Who called; null where nobody did: the clock, an operator, a revision'
--;
CREATE INDEX ix_audit_log_subject_id ON ops.audit_log (subject_id, id)
--;
CREATE INDEX ix_audit_log_actor_id ON ops.audit_log (actor_id, id)
--;
CREATE INDEX ix_audit_log_at ON ops.audit_log USING brin (at)
--;
CREATE FUNCTION ops.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% is only ever added to', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$
--;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ops.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_change()
--;
-- Arguments: what the subject is, the column that names it, the columns that matter. Others, and changes that leave
-- those as they are, are not written down. Building a market is not a change of one: what the migrator inserts is left.
CREATE FUNCTION ops.write_audit_v1() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    columns text[] := string_to_array(TG_ARGV[2], ',');
    old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    old_values jsonb := (SELECT jsonb_object_agg(key, value) FROM jsonb_each(old_row) WHERE key = ANY (columns));
    new_values jsonb := (SELECT jsonb_object_agg(key, value) FROM jsonb_each(new_row) WHERE key = ANY (columns));
BEGIN
    IF old_values IS NOT DISTINCT FROM new_values OR (TG_OP = 'INSERT' AND session_user = 'ishop_migrator') THEN
        RETURN NULL;
    END IF;
    INSERT INTO ops.audit_log (actor_id, database_role, action, subject_type, subject_id, before, after, request_id)
    VALUES (
        CAST(nullif(current_setting('ishop.actor', true), '') AS uuid),
        session_user,
        TG_TABLE_NAME || '.' || lower(TG_OP),
        TG_ARGV[0],
        coalesce(new_row, old_row) ->> TG_ARGV[1],
        old_values,
        new_values,
        nullif(current_setting('ishop.request_id', true), '')
    );
    RETURN NULL;
END
$$
--;
-- For this transaction: who calls, and in which request.
CREATE FUNCTION ops.acting_v1(p_actor text, p_request_id text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT set_config('ishop.actor', p_actor, true), set_config('ishop.request_id', coalesce(p_request_id, ''), true)
$$
--;
-- As claim_v1, and says for the audit log who calls, in the same round trip.
CREATE FUNCTION ops.claim_v2(p_principal text, p_key text, p_request_hash bytea, p_request_id text)
RETURNS TABLE (claimed boolean, same_request boolean, status integer, headers jsonb, body bytea)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT ops.acting_v1(p_principal, p_request_id);
    SELECT * FROM ops.claim_v1(p_principal, p_key, p_request_hash);
$$
--;
CREATE VIEW ops.audited_changes_v1 AS
    SELECT id, at, actor_id, database_role, action, subject_type, subject_id, before, after, request_id FROM ops.audit_log
--;
GRANT SELECT ON ops.audited_changes_v1 TO ishop_gateway
--;
GRANT EXECUTE ON FUNCTION ops.write_audit_v1(), ops.refuse_change()
    TO ishop_identity_owner, ishop_catalog_owner, ishop_vendors_owner, ishop_orders_owner
--;
GRANT EXECUTE ON FUNCTION ops.acting_v1(text, text), ops.claim_v2(text, text, bytea, text)
    TO ishop_catalog, ishop_vendors, ishop_orders, ishop_gateway
"""

PUBLISHED_BY_ORDERS = """
CREATE VIEW orders.audited_transitions_v1 AS
    SELECT id, created_at AS at, actor_id, CASE WHEN vendor_order_id IS NULL THEN 'order' ELSE 'vendor_order' END AS subject_type,
           coalesce(vendor_order_id, order_id) AS subject_id, order_id, vendor_order_id, from_status, to_status, reason, request_id
    FROM orders.transitions
--;
CREATE VIEW orders.audited_payments_v1 AS
    SELECT id, created_at AS at, recorded_by AS actor_id, order_id, amount, reference, allocated FROM orders.payments
--;
-- A block range index costs an order nothing, and finds the days that the office asks about.
CREATE INDEX ix_transitions_created_at ON orders.transitions USING brin (created_at)
--;
CREATE INDEX ix_transitions_vendor_order_id ON orders.transitions (vendor_order_id, id) WHERE vendor_order_id IS NOT NULL
--;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON orders.transitions
    FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_change()
--;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON orders.payments
    FOR EACH STATEMENT EXECUTE FUNCTION ops.refuse_change()
--;
GRANT SELECT ON orders.audited_transitions_v1, orders.audited_payments_v1 TO ishop_gateway
"""
