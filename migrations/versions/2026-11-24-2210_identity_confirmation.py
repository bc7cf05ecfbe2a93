"""Schema identity: an address belongs to the account that confirmed it; mails, and the single-use tokens in them.

The version before this one cannot register anybody while it still serves: it names the constraint that goes here. All
else that it does goes on.
"""

from alembic import op

from migrations.helpers import owner, statements

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with owner("orders"):
        statements(PUBLISHED_BY_ORDERS)
    with owner("identity"):
        statements(CONFIRMATION)


def downgrade() -> None:
    with owner("identity"):
        statements("""
DROP TABLE identity.mails, identity.mail_requests, identity.one_time_tokens
--;
DROP INDEX identity.ix_users_unconfirmed, identity.uq_users_email
--;
-- Of several accounts with one address the confirmed one stays, or else the newest.
DELETE FROM identity.users u USING identity.users o
    WHERE o.email = u.email AND u.confirmed_at IS NULL AND (o.confirmed_at IS NOT NULL OR o.id > u.id)
--;
ALTER TABLE identity.users DROP COLUMN superseded_at, ADD CONSTRAINT uq_users_email UNIQUE (email)
--;
COMMENT ON COLUMN identity.users.email IS NULL
        """)
    with owner("orders"):
        op.execute("DROP VIEW orders.buyers_v1")


PUBLISHED_BY_ORDERS = """
-- Who has ever ordered for himself, with what became of it; an order of an organization is the organization's.
CREATE VIEW orders.buyers_v1 AS
    SELECT buyer_id AS user_id, id AS order_id, status IN ('awaiting_payment', 'confirmed') AS open
    FROM orders.orders WHERE organization_id IS NULL
--;
GRANT SELECT ON orders.buyers_v1 TO ishop_gateway
"""

CONFIRMATION = """
ALTER TABLE identity.users
    ADD COLUMN superseded_at timestamptz,
    ADD CONSTRAINT ck_users_superseded CHECK (confirmed_at IS NULL OR superseded_at IS NULL),
    DROP CONSTRAINT uq_users_email
--;
CREATE UNIQUE INDEX uq_users_email ON identity.users (email) WHERE confirmed_at IS NOT NULL
--;
CREATE INDEX ix_users_unconfirmed ON identity.users (email, id) WHERE confirmed_at IS NULL
--;
COMMENT ON COLUMN identity.users.email IS 'Of one confirmed account at most; of any number of others'
--;
COMMENT ON COLUMN identity.users.superseded_at IS
    'When another account confirmed the address: this one cannot sign in any more'
--;
CREATE TABLE identity.one_time_tokens (
    token_hash bytea CONSTRAINT pk_one_time_tokens PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT fk_one_time_tokens_user_id_users REFERENCES identity.users ON DELETE CASCADE,
    purpose text NOT NULL CONSTRAINT ck_one_time_tokens_purpose CHECK (purpose IN ('confirmation', 'reset')),
    expires_at timestamptz NOT NULL
)
--;
CREATE INDEX ix_one_time_tokens_user_id ON identity.one_time_tokens (user_id)
--;
CREATE INDEX ix_one_time_tokens_expires_at ON identity.one_time_tokens (expires_at)
--;
CREATE TABLE identity.mail_requests (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_mail_requests PRIMARY KEY,
    kind text NOT NULL,
    email text NOT NULL,
    subject_id uuid,
    done_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
)
--;
COMMENT ON COLUMN identity.mail_requests.subject_id IS 'What the mail is about, as its kind has it'
--;
COMMENT ON COLUMN identity.mail_requests.done_at IS 'When it was sent, or found to be none that should be'
--;
CREATE INDEX ix_mail_requests_email ON identity.mail_requests (email, kind, created_at)
--;
CREATE INDEX ix_mail_requests_created_at ON identity.mail_requests (created_at)
--;
CREATE TABLE identity.mails (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_mails PRIMARY KEY,
    recipient text NOT NULL,
    sender text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
)
--;
CREATE INDEX ix_mails_recipient ON identity.mails (recipient, id)
--;
GRANT SELECT, INSERT, UPDATE, DELETE ON identity.one_time_tokens, identity.mail_requests, identity.mails
    TO ishop_gateway
"""
