"""Every login role may see which revision the database has, so that a service can tell "not migrated yet" from a bug."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "GRANT SELECT ON public.alembic_version"
        " TO ishop_catalog, ishop_vendors, ishop_orders, ishop_gateway, ishop_worker"
    )


def downgrade() -> None:
    op.execute(
        "REVOKE SELECT ON public.alembic_version"
        " FROM ishop_catalog, ishop_vendors, ishop_orders, ishop_gateway, ishop_worker"
    )
