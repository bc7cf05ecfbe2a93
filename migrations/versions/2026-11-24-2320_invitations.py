"""Invitations to act for a vendor or an organization; the mail that brings their tokens is asked for by a function."""

from alembic import op

from migrations.helpers import owner, statements

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with owner("identity"):
        statements("""
CREATE FUNCTION identity.request_mail_v1(p_kind text, p_email text, p_subject_id uuid) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_id uuid;
BEGIN
    IF p_kind NOT IN ('vendor_invitation', 'organization_invitation') THEN
        RAISE EXCEPTION 'other services ask for invitations only';
    END IF;
    INSERT INTO identity.mail_requests (kind, email, subject_id) VALUES (p_kind, p_email, p_subject_id)
        RETURNING id INTO v_id;
    PERFORM ops.emit_v1('identity.mail_requested.v1', ARRAY[v_id::text], NULL);
    RETURN v_id;
END
$$
--;
GRANT EXECUTE ON FUNCTION identity.request_mail_v1(text, text, uuid) TO ishop_vendors, ishop_orders
        """)
    with owner("vendors"):
        statements("""
CREATE TABLE vendors.invitations (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_invitations PRIMARY KEY,
    vendor_id uuid NOT NULL CONSTRAINT fk_invitations_vendor_id_vendors REFERENCES vendors.vendors,
    email text NOT NULL,
    role text NOT NULL CONSTRAINT ck_invitations_role CHECK (role IN ('owner', 'staff')),
    token_hash bytea CONSTRAINT uq_invitations_token_hash UNIQUE,
    invited_by uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    accepted_by uuid,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
)
--;
CREATE INDEX ix_invitations_vendor_id ON vendors.invitations (vendor_id)
--;
CREATE VIEW vendors.invitations_v1 AS
    SELECT i.id, p.name AS party_name, i.email, i.role
    FROM vendors.invitations i JOIN vendors.vendors p ON p.id = i.vendor_id
    WHERE i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > now()
--;
CREATE FUNCTION vendors.set_invitation_token_v1(p_id uuid, p_token_hash bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE vendors.invitations SET token_hash = p_token_hash WHERE id = p_id AND accepted_at IS NULL
$$
--;
-- Who is a member already keeps his role: managers change it, not a mail of last week.
CREATE FUNCTION vendors.accept_invitation_v1(p_token_hash bytea, p_user_id uuid, p_email text)
RETURNS TABLE (party_id uuid, role text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE vendors.invitations AS i SET accepted_at = now(), accepted_by = p_user_id
        WHERE i.token_hash = p_token_hash AND i.email = p_email
            AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > now()
        RETURNING i.vendor_id, i.role INTO party_id, role;
    IF FOUND THEN
        INSERT INTO vendors.vendor_members AS m (vendor_id, user_id, role) VALUES (party_id, p_user_id, role)
            ON CONFLICT ON CONSTRAINT pk_vendor_members DO NOTHING;
        SELECT m.role INTO role FROM vendors.vendor_members AS m WHERE m.vendor_id = party_id AND m.user_id = p_user_id;
        RETURN NEXT;
    END IF;
END
$$
--;
GRANT SELECT, INSERT, UPDATE, DELETE ON vendors.invitations TO ishop_vendors
--;
GRANT SELECT ON vendors.invitations_v1 TO ishop_gateway
--;
GRANT EXECUTE ON FUNCTION vendors.set_invitation_token_v1(uuid, bytea),
    vendors.accept_invitation_v1(bytea, uuid, text) TO ishop_gateway
        """)
    with owner("orders"):
        statements("""
CREATE TABLE orders.invitations (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_invitations PRIMARY KEY,
    organization_id uuid NOT NULL CONSTRAINT fk_invitations_organization_id_organizations REFERENCES orders.organizations,
    email text NOT NULL,
    role text NOT NULL CONSTRAINT ck_invitations_role CHECK (role IN ('requester', 'approver', 'receiver', 'finance')),
    token_hash bytea CONSTRAINT uq_invitations_token_hash UNIQUE,
    invited_by uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    accepted_by uuid,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
)
--;
CREATE INDEX ix_invitations_organization_id ON orders.invitations (organization_id)
--;
CREATE VIEW orders.invitations_v1 AS
    SELECT i.id, p.name AS party_name, i.email, i.role
    FROM orders.invitations i JOIN orders.organizations p ON p.id = i.organization_id
    WHERE i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > now()
--;
CREATE FUNCTION orders.set_invitation_token_v1(p_id uuid, p_token_hash bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE orders.invitations SET token_hash = p_token_hash WHERE id = p_id AND accepted_at IS NULL
$$
--;
-- Who is a member already keeps his role: managers change it, not a mail of last week.
CREATE FUNCTION orders.accept_invitation_v1(p_token_hash bytea, p_user_id uuid, p_email text)
RETURNS TABLE (party_id uuid, role text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE orders.invitations AS i SET accepted_at = now(), accepted_by = p_user_id
        WHERE i.token_hash = p_token_hash AND i.email = p_email
            AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > now()
        RETURNING i.organization_id, i.role INTO party_id, role;
    IF FOUND THEN
        INSERT INTO orders.organization_members AS m (organization_id, user_id, role) VALUES (party_id, p_user_id, role)
            ON CONFLICT ON CONSTRAINT pk_organization_members DO NOTHING;
        SELECT m.role INTO role FROM orders.organization_members AS m WHERE m.organization_id = party_id AND m.user_id = p_user_id;
        RETURN NEXT;
    END IF;
END
$$
--;
GRANT SELECT, INSERT, UPDATE, DELETE ON orders.invitations TO ishop_orders
--;
GRANT SELECT ON orders.invitations_v1 TO ishop_gateway
--;
GRANT EXECUTE ON FUNCTION orders.set_invitation_token_v1(uuid, bytea),
    orders.accept_invitation_v1(bytea, uuid, text) TO ishop_gateway
        """)


def downgrade() -> None:
    for schema in ("vendors", "orders"):
        op.execute(f"DROP FUNCTION {schema}.accept_invitation_v1(bytea, uuid, text)")
        op.execute(f"DROP FUNCTION {schema}.set_invitation_token_v1(uuid, bytea)")
        op.execute(f"DROP VIEW {schema}.invitations_v1")
        op.execute(f"DROP TABLE {schema}.invitations")
    op.execute("DROP FUNCTION identity.request_mail_v1(text, text, uuid)")
