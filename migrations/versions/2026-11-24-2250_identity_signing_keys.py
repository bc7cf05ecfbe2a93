"""Signing keys that a rotation made; every service reads the public parts through a view."""

from alembic import op

from migrations.helpers import owner, statements

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with owner("identity"):
        statements("""
CREATE TABLE identity.signing_keys (
    kid text CONSTRAINT pk_signing_keys PRIMARY KEY,
    jwk jsonb NOT NULL,
    sealed bytea,
    signs_from timestamptz NOT NULL,
    valid_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
)
--;
COMMENT ON COLUMN identity.signing_keys.jwk IS 'The public part'
--;
COMMENT ON COLUMN identity.signing_keys.sealed IS 'The private part, encrypted by ISHOP_SIGNING_KEY'
--;
COMMENT ON COLUMN identity.signing_keys.valid_until IS
    'What it has signed is refused from here on; null: no end is known yet'
--;
CREATE VIEW identity.verify_keys_v1 AS SELECT kid, jwk, valid_until FROM identity.signing_keys
--;
GRANT SELECT, INSERT, UPDATE ON identity.signing_keys TO ishop_gateway
--;
GRANT USAGE ON SCHEMA identity TO ishop_catalog, ishop_vendors, ishop_orders
--;
GRANT SELECT ON identity.verify_keys_v1 TO ishop_catalog, ishop_vendors, ishop_orders, ishop_gateway
        """)


def downgrade() -> None:
    with owner("identity"):
        op.execute("REVOKE USAGE ON SCHEMA identity FROM ishop_catalog, ishop_vendors, ishop_orders")
    op.execute("DROP VIEW identity.verify_keys_v1")
    op.execute("DROP TABLE identity.signing_keys")
