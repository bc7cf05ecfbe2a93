"""Service accounts and their API keys, by the hash of the secret."""

from alembic import op

from migrations.helpers import owner, statements

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with owner("identity"):
        statements("""
CREATE TABLE identity.service_accounts (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_service_accounts PRIMARY KEY,
    name text NOT NULL,
    vendor_id uuid,
    organization_id uuid,
    role text NOT NULL,
    scopes text[] NOT NULL,
    lifetime_days integer NOT NULL CONSTRAINT ck_service_accounts_lifetime_days CHECK (lifetime_days BETWEEN 1 AND 366),
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ck_service_accounts_owner CHECK (num_nonnulls(vendor_id, organization_id) <= 1)
)
--;
CREATE INDEX ix_service_accounts_vendor_id ON identity.service_accounts (vendor_id)
--;
CREATE INDEX ix_service_accounts_organization_id ON identity.service_accounts (organization_id)
--;
CREATE TABLE identity.api_keys (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_api_keys PRIMARY KEY,
    service_account_id uuid NOT NULL
        CONSTRAINT fk_api_keys_service_account_id_service_accounts REFERENCES identity.service_accounts,
    prefix text NOT NULL CONSTRAINT uq_api_keys_prefix UNIQUE,
    secret_hash bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    replaced_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
)
--;
CREATE INDEX ix_api_keys_service_account_id ON identity.api_keys (service_account_id)
--;
GRANT SELECT, INSERT ON identity.service_accounts TO ishop_gateway
--;
GRANT SELECT, INSERT, UPDATE ON identity.api_keys TO ishop_gateway
        """)


def downgrade() -> None:
    op.execute("DROP TABLE identity.api_keys, identity.service_accounts")
