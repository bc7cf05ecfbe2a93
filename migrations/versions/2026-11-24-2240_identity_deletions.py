"""What a person may see of himself everywhere, and the trail of accounts that were deleted."""

from alembic import op

from migrations.helpers import owner, statements

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with owner("orders"):
        statements(PUBLISHED_BY_ORDERS)
    with owner("vendors"):
        statements(PUBLISHED_BY_VENDORS)
    with owner("identity"):
        statements(DELETIONS)


def downgrade() -> None:
    with owner("identity"):
        op.execute("DROP TABLE identity.deletions")
    with owner("vendors"):
        op.execute("DROP VIEW vendors.person_movements_v1")
        op.execute("DROP INDEX vendors.ix_stock_movements_actor_id")
    with owner("orders"):
        op.execute("DROP VIEW orders.person_orders_v1")


PUBLISHED_BY_ORDERS = """
-- All that a person ordered, for himself or for an organization, as he may see it.
CREATE VIEW orders.person_orders_v1 AS
    SELECT o.buyer_id AS user_id, o.id, o.number, o.organization_id, o.status, o.payment_method, o.po_number, o.ship_to,
           o.subtotal, o.shipping, o.tax, o.total, o.paid, o.created_at,
           (SELECT coalesce(jsonb_agg(jsonb_build_object('sku_id', l.sku_id, 'name', l.name, 'quantity', l.quantity,
                                                'unit_price', l.unit_price, 'total', l.total) ORDER BY l.position), '[]')
            FROM orders.order_lines l WHERE l.order_id = o.id) AS lines
    FROM orders.orders o
--;
GRANT SELECT ON orders.person_orders_v1 TO ishop_gateway
"""

PUBLISHED_BY_VENDORS = """
-- Only what members of vendors did: buyers have orders instead, and there are far more of those.
CREATE INDEX ix_stock_movements_actor_id ON vendors.stock_movements (actor_id, id) WHERE kind IN ('count', 'delta')
--;
CREATE VIEW vendors.person_movements_v1 AS
    SELECT actor_id AS user_id, id, vendor_id, sku_id, kind, on_hand_change, reason, created_at
    FROM vendors.stock_movements WHERE kind IN ('count', 'delta')
--;
GRANT SELECT ON vendors.person_movements_v1 TO ishop_gateway
"""

DELETIONS = """
CREATE TABLE identity.deletions (
    user_id uuid CONSTRAINT pk_deletions PRIMARY KEY,
    registered_at timestamptz NOT NULL,
    request_id text,
    deleted_at timestamptz NOT NULL DEFAULT now()
)
--;
COMMENT ON TABLE identity.deletions IS 'Accounts that their owners deleted; nothing here tells who they were'
--;
CREATE INDEX ix_deletions_deleted_at ON identity.deletions (deleted_at)
--;
GRANT SELECT, INSERT ON identity.deletions TO ishop_gateway
"""
