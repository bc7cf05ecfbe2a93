"""What revisions share: objects belong to the owner role of their schema, never to the one who migrates."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op

SCHEMAS = ("ops", "identity", "catalog", "vendors", "orders")


@contextmanager
def owner(schema: str) -> Iterator[None]:
    """Run the DDL inside as the NOLOGIN owner of `schema`, so that SECURITY DEFINER functions get its rights only."""
    op.execute(f"SET LOCAL ROLE ishop_{schema}_owner")
    yield
    op.execute("RESET ROLE")


def create_schema(schema: str) -> None:
    """Create `schema`, owned by its owner role; nothing in it is open to PUBLIC, not even new functions."""
    op.execute(f"CREATE SCHEMA {schema} AUTHORIZATION ishop_{schema}_owner")
    with owner(schema):
        op.execute("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")


def statements(sql: str) -> None:
    """Run several statements, parted by a line that holds only `--;`; the drivers prepare one statement at a time."""
    for statement in sql.split("\n--;\n"):
        if statement.strip():
            op.execute(statement)
