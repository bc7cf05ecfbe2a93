"""Schema identity: sessions as their owners see them, and the networks that accounts were signed in from.

Safe while the version before serves: it goes on with its families, which get their session when this version first
refreshes them.
"""

from alembic import op

from migrations.helpers import owner, statements

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with owner("identity"):
        statements(SESSIONS)


def downgrade() -> None:
    with owner("identity"):
        op.execute("DROP TABLE identity.known_networks, identity.sessions")
        op.execute("ALTER TABLE identity.refresh_tokens DROP COLUMN replaces")


SESSIONS = """
CREATE TABLE identity.sessions (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_sessions PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT fk_sessions_user_id_users REFERENCES identity.users ON DELETE CASCADE,
    network text NOT NULL,
    user_agent text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
)
--;
COMMENT ON COLUMN identity.sessions.network IS 'Of the address it was used from last: /24 or /64'
--;
CREATE INDEX ix_sessions_user_id ON identity.sessions (user_id, id)
--;
CREATE INDEX ix_sessions_last_used_at ON identity.sessions (last_used_at)
--;
INSERT INTO identity.sessions (id, user_id, network, user_agent, created_at, last_used_at, ended_at)
    SELECT family_id, user_id, 'unknown', '', min(created_at), max(created_at), max(revoked_at)
    FROM identity.refresh_tokens GROUP BY family_id, user_id
--;
ALTER TABLE identity.refresh_tokens ADD COLUMN replaces uuid
--;
COMMENT ON COLUMN identity.refresh_tokens.replaces IS 'The token that was given for this one'
--;
CREATE TABLE identity.known_networks (
    user_id uuid NOT NULL CONSTRAINT fk_known_networks_user_id_users REFERENCES identity.users ON DELETE CASCADE,
    network_hash bytea NOT NULL,
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_known_networks PRIMARY KEY (user_id, network_hash)
)
--;
CREATE INDEX ix_known_networks_last_seen_at ON identity.known_networks (last_seen_at)
--;
GRANT SELECT, INSERT, UPDATE, DELETE ON identity.sessions, identity.known_networks TO ishop_gateway
"""
