"""What an operator threw away of the jobs that gave up. A table of its own: running workers keep their index and rows."""

from migrations.helpers import owner, statements

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with owner("ops"):
        statements("""
CREATE TABLE ops.discarded_jobs (
    id bigint CONSTRAINT pk_discarded_jobs PRIMARY KEY,
    topic text NOT NULL,
    keys jsonb NOT NULL,
    error text NOT NULL,
    attempts integer NOT NULL,
    failed_at timestamptz NOT NULL,
    discarded_by text NOT NULL,
    discarded_at timestamptz NOT NULL DEFAULT now()
)
--;
COMMENT ON TABLE ops.discarded_jobs IS 'Dead jobs that an operator gave up on: what was not done, who decided so and when'
--;
GRANT SELECT, INSERT ON ops.discarded_jobs TO ishop_worker
        """)


def downgrade() -> None:
    with owner("ops"):
        statements("DROP TABLE ops.discarded_jobs")
