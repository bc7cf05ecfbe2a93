"""Schema ops: the outbox and the idempotency keys, reached by the services through functions only."""

from alembic import op

from migrations.helpers import create_schema, owner, statements

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

EVERYBODY = (
    "ishop_catalog, ishop_vendors, ishop_orders, ishop_gateway, ishop_worker, "
    "ishop_catalog_owner, ishop_vendors_owner, ishop_orders_owner, ishop_identity_owner"
)


def upgrade() -> None:
    create_schema("ops")
    with owner("ops"):
        statements("""
CREATE TABLE ops.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_outbox PRIMARY KEY,
    topic text NOT NULL,
    key text NOT NULL,
    request_id text,
    created_at timestamptz NOT NULL DEFAULT now()
)
--;
CREATE TABLE ops.idempotency_keys (
    principal text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status integer,
    headers jsonb,
    body bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (principal, key)
)
--;
CREATE INDEX ix_idempotency_keys_created_at ON ops.idempotency_keys (created_at)
--;
CREATE FUNCTION ops.emit_v1(p_topic text, p_keys text[], p_request_id text DEFAULT NULL) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO ops.outbox (topic, key, request_id) SELECT p_topic, k, p_request_id FROM unnest(p_keys) AS k
$$
--;
-- Claims (principal, key) for this transaction. `claimed`: go on. Otherwise the stored answer of the first request.
-- A claim in flight elsewhere is waited for at most 2 s, then 55P03 (lock_not_available) is raised.
CREATE FUNCTION ops.claim_v1(p_principal text, p_key text, p_request_hash bytea)
RETURNS TABLE (claimed boolean, same_request boolean, status integer, headers jsonb, body bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
BEGIN
    INSERT INTO ops.idempotency_keys AS k (principal, key, request_hash) VALUES (p_principal, p_key, p_request_hash)
        ON CONFLICT ON CONSTRAINT pk_idempotency_keys DO NOTHING;
    IF FOUND THEN
        RETURN QUERY SELECT true, true, NULL::integer, NULL::jsonb, NULL::bytea;
    ELSE
        -- Who does not know the request gets nothing of its answer: roles of other services may call this too.
        RETURN QUERY SELECT false, true, k.status, k.headers, k.body FROM ops.idempotency_keys AS k
            WHERE k.principal = p_principal AND k.key = p_key AND k.request_hash = p_request_hash;
        IF NOT FOUND THEN
            RETURN QUERY SELECT false, false, NULL::integer, NULL::jsonb, NULL::bytea;
        END IF;
    END IF;
END
$$
--;
CREATE FUNCTION ops.answer_v1(p_principal text, p_key text, p_status integer, p_headers jsonb, p_body bytea)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE ops.idempotency_keys SET status = p_status, headers = p_headers, body = p_body
    WHERE principal = p_principal AND key = p_key AND status IS NULL
$$
--;
CREATE FUNCTION ops.purge_idempotency_keys_v1() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH gone AS (
        DELETE FROM ops.idempotency_keys WHERE (principal, key) IN (
            SELECT principal, key FROM ops.idempotency_keys WHERE created_at < now() - interval '7 days' LIMIT 50000)
        RETURNING 1)
    SELECT count(*) FROM gone
$$
        """)
        op.execute(f"GRANT USAGE ON SCHEMA ops TO {EVERYBODY}")
        op.execute(f"GRANT EXECUTE ON FUNCTION ops.emit_v1(text, text[], text) TO {EVERYBODY}")
        op.execute(
            "GRANT EXECUTE ON FUNCTION ops.claim_v1(text, text, bytea), ops.answer_v1(text, text, integer, jsonb, bytea)"
            " TO ishop_catalog, ishop_vendors, ishop_orders, ishop_gateway"
        )
        op.execute("GRANT EXECUTE ON FUNCTION ops.purge_idempotency_keys_v1() TO ishop_worker")


def downgrade() -> None:
    op.execute("DROP SCHEMA ops CASCADE")
