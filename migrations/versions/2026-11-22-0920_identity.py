"""Schema identity: users and their refresh tokens, owned by the gateway."""

from alembic import op

from migrations.helpers import create_schema, owner, statements

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_schema("identity")
    with owner("identity"):
        statements("""
CREATE TABLE identity.users (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_users PRIMARY KEY,
    email text NOT NULL CONSTRAINT uq_users_email UNIQUE CONSTRAINT ck_users_email CHECK (email = lower(email)),
    name text NOT NULL,
    password_hash text NOT NULL,
    roles text[] NOT NULL DEFAULT '{}' CONSTRAINT ck_users_roles CHECK (roles <@ ARRAY['office', 'admin']),
    locale text NOT NULL DEFAULT 'id' CONSTRAINT ck_users_locale CHECK (locale IN ('id', 'en')),
    confirmed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
)
--;
CREATE TABLE identity.refresh_tokens (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_refresh_tokens PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT fk_refresh_tokens_user_id_users REFERENCES identity.users ON DELETE CASCADE,
    family_id uuid NOT NULL,
    token_hash bytea NOT NULL CONSTRAINT uq_refresh_tokens_token_hash UNIQUE,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
)
--;
CREATE INDEX ix_refresh_tokens_family_id ON identity.refresh_tokens (family_id)
--;
CREATE INDEX ix_refresh_tokens_user_id ON identity.refresh_tokens (user_id)
--;
GRANT USAGE ON SCHEMA identity TO ishop_gateway
--;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA identity TO ishop_gateway
        """)


def downgrade() -> None:
    op.execute("DROP SCHEMA identity CASCADE")
