"""Names and addresses of the persons whose ids one has: members of a vendor see who the others are."""

from alembic import op

from migrations.helpers import owner, statements

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with owner("identity"):
        statements("""
-- A function and not a view, so that nobody lists all persons: one has to know the ids.
CREATE FUNCTION identity.people_v1(p_ids uuid[]) RETURNS TABLE (id uuid, name text, email text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT u.id, u.name, u.email FROM identity.users AS u WHERE u.id = ANY (p_ids)
$$
--;
GRANT EXECUTE ON FUNCTION identity.people_v1(uuid[]) TO ishop_vendors, ishop_orders
        """)


def downgrade() -> None:
    op.execute("DROP FUNCTION identity.people_v1(uuid[])")
