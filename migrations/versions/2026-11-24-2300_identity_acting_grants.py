"""Grants by which officers act for vendors; the gateway adds to them and never takes away."""

from alembic import op

from migrations.helpers import owner, statements

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with owner("identity"):
        statements("""
CREATE TABLE identity.acting_grants (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_acting_grants PRIMARY KEY,
    officer_id uuid NOT NULL,
    vendor_id uuid NOT NULL,
    reason text NOT NULL CONSTRAINT ck_acting_grants_reason CHECK (length(reason) BETWEEN 5 AND 500),
    request_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
)
--;
CREATE INDEX ix_acting_grants_vendor_id ON identity.acting_grants (vendor_id)
--;
GRANT SELECT, INSERT ON identity.acting_grants TO ishop_gateway
        """)
    with owner("vendors"):
        op.execute("GRANT SELECT ON vendors.vendors_v1 TO ishop_gateway")


def downgrade() -> None:
    with owner("vendors"):
        op.execute("REVOKE SELECT ON vendors.vendors_v1 FROM ishop_gateway")
    op.execute("DROP TABLE identity.acting_grants")
