"""${message}

Revision: ${up_revision}, after ${down_revision}.
"""

from alembic import op

from migrations.helpers import owner, statements

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else 'statements("""\n    """)'}


def downgrade() -> None:
    ${downgrades if downgrades else 'statements("""\n    """)'}
