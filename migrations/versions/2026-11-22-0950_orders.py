"""Schema orders: orders with their vendor orders and lines, payments, refunds, organizations, shipping and tax tables."""

from alembic import op

from migrations.helpers import create_schema, owner, statements

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_schema("orders")
    with owner("orders"):
        statements(ORGANIZATIONS)
        statements(ORDERS)
        statements(MONEY)
        statements(PUBLISHED)


def downgrade() -> None:
    op.execute("DROP SCHEMA orders CASCADE")


ORGANIZATIONS = """
CREATE TABLE orders.organizations (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_organizations PRIMARY KEY,
    slug text NOT NULL CONSTRAINT uq_organizations_slug UNIQUE,
    name text NOT NULL,
    kind text NOT NULL CONSTRAINT ck_organizations_kind CHECK (kind IN ('hotel', 'restaurant', 'agency')),
    region_code text NOT NULL,
    terms_days integer CONSTRAINT ck_organizations_terms_days CHECK (terms_days BETWEEN 1 AND 90),
    created_at timestamptz NOT NULL DEFAULT now()
)
--;
COMMENT ON COLUMN orders.organizations.terms_days IS 'Days until payment is due; null may not order on terms'
--;
CREATE TABLE orders.organization_members (
    organization_id uuid NOT NULL CONSTRAINT fk_organization_members_organization_id_organizations REFERENCES orders.organizations,
    user_id uuid NOT NULL,
    role text NOT NULL CONSTRAINT ck_organization_members_role CHECK (role IN ('requester', 'approver', 'receiver', 'finance')),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_organization_members PRIMARY KEY (organization_id, user_id)
)
--;
CREATE INDEX ix_organization_members_user_id ON orders.organization_members (user_id)
"""

ORDERS = """
CREATE TABLE orders.orders (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_orders PRIMARY KEY,
    number text NOT NULL CONSTRAINT uq_orders_number UNIQUE,
    buyer_id uuid NOT NULL,
    organization_id uuid CONSTRAINT fk_orders_organization_id_organizations REFERENCES orders.organizations,
    bulk boolean NOT NULL,
    po_number text,
    deliver_on date,
    status text NOT NULL CONSTRAINT ck_orders_status
        CHECK (status IN ('awaiting_payment', 'confirmed', 'completed', 'cancelled', 'expired')),
    payment_method text NOT NULL CONSTRAINT ck_orders_payment_method CHECK (payment_method IN ('cod', 'terms', 'manual_transfer')),
    ship_to jsonb NOT NULL,
    subtotal bigint NOT NULL,
    shipping bigint NOT NULL,
    tax bigint NOT NULL,
    total bigint NOT NULL,
    original_total bigint NOT NULL,
    paid bigint NOT NULL DEFAULT 0,
    expires_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ck_orders_total CHECK (total = subtotal + shipping + tax AND subtotal >= 0 AND shipping >= 0 AND tax >= 0),
    CONSTRAINT ck_orders_original_total CHECK (total <= original_total AND original_total <= 9007199254740991),
    CONSTRAINT ck_orders_bulk CHECK (NOT bulk OR (organization_id IS NOT NULL AND po_number IS NOT NULL))
)
--;
CREATE INDEX ix_orders_buyer_id ON orders.orders (buyer_id, id)
--;
CREATE INDEX ix_orders_buyer_id_status ON orders.orders (buyer_id, status, id)
--;
CREATE INDEX ix_orders_organization_id ON orders.orders (organization_id, id) WHERE organization_id IS NOT NULL
--;
CREATE INDEX ix_orders_organization_id_status ON orders.orders (organization_id, status, id) WHERE organization_id IS NOT NULL
--;
CREATE INDEX ix_orders_expires_at ON orders.orders (expires_at) WHERE status = 'awaiting_payment'
--;
CREATE TABLE orders.vendor_orders (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_vendor_orders PRIMARY KEY,
    order_id uuid NOT NULL CONSTRAINT fk_vendor_orders_order_id_orders REFERENCES orders.orders,
    vendor_id uuid NOT NULL,
    vendor_name text NOT NULL,
    status text NOT NULL CONSTRAINT ck_vendor_orders_status
        CHECK (status IN ('placed', 'accepted', 'shipped', 'delivered', 'rejected', 'cancelled')),
    subtotal bigint NOT NULL,
    shipping bigint NOT NULL,
    tax bigint NOT NULL,
    total bigint NOT NULL,
    weight_grams bigint NOT NULL,
    accept_by timestamptz,
    tracking_number text,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT uq_vendor_orders_order_id UNIQUE (order_id, vendor_id),
    CONSTRAINT ck_vendor_orders_total CHECK (total = subtotal + shipping + tax AND subtotal >= 0 AND shipping >= 0 AND tax >= 0)
)
--;
COMMENT ON COLUMN orders.vendor_orders.accept_by IS 'Set when the order is confirmed: 48 h later an unanswered one is rejected'
--;
CREATE INDEX ix_vendor_orders_vendor_id ON orders.vendor_orders (vendor_id, id)
--;
CREATE INDEX ix_vendor_orders_vendor_id_status ON orders.vendor_orders (vendor_id, status, id)
--;
CREATE INDEX ix_vendor_orders_accept_by ON orders.vendor_orders (accept_by) WHERE status = 'placed'
--;
CREATE TABLE orders.order_lines (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_order_lines PRIMARY KEY,
    order_id uuid NOT NULL CONSTRAINT fk_order_lines_order_id_orders REFERENCES orders.orders,
    vendor_order_id uuid NOT NULL CONSTRAINT fk_order_lines_vendor_order_id_vendor_orders REFERENCES orders.vendor_orders,
    position integer NOT NULL,
    sku_id uuid NOT NULL,
    product_id uuid NOT NULL,
    name text NOT NULL,
    unit text NOT NULL,
    quantity integer NOT NULL CONSTRAINT ck_order_lines_quantity CHECK (quantity BETWEEN 1 AND 1000000),
    unit_price bigint NOT NULL,
    total bigint NOT NULL,
    tax bigint NOT NULL,
    CONSTRAINT uq_order_lines_order_id UNIQUE (order_id, position),
    CONSTRAINT ck_order_lines_total CHECK (total = quantity * unit_price AND tax >= 0)
)
--;
CREATE INDEX ix_order_lines_vendor_order_id ON orders.order_lines (vendor_order_id)
--;
CREATE TABLE orders.transitions (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_transitions PRIMARY KEY,
    order_id uuid NOT NULL CONSTRAINT fk_transitions_order_id_orders REFERENCES orders.orders,
    vendor_order_id uuid CONSTRAINT fk_transitions_vendor_order_id_vendor_orders REFERENCES orders.vendor_orders,
    from_status text,
    to_status text NOT NULL,
    actor_id uuid,
    reason text,
    request_id text,
    created_at timestamptz NOT NULL DEFAULT now()
)
--;
COMMENT ON TABLE orders.transitions IS 'Who moved an order (or one vendor order of it) when and why; actor null is the system'
--;
CREATE INDEX ix_transitions_order_id ON orders.transitions (order_id, id)
"""

MONEY = """
CREATE TABLE orders.payments (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_payments PRIMARY KEY,
    order_id uuid NOT NULL CONSTRAINT fk_payments_order_id_orders REFERENCES orders.orders,
    amount bigint NOT NULL CONSTRAINT ck_payments_amount CHECK (amount BETWEEN 1 AND 9007199254740991),
    reference text NOT NULL CONSTRAINT uq_payments_reference UNIQUE,
    allocated boolean NOT NULL,
    recorded_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
)
--;
COMMENT ON COLUMN orders.payments.allocated IS 'False: it came after expiry or cancellation, is due back and revives nothing'
--;
CREATE INDEX ix_payments_order_id ON orders.payments (order_id)
--;
CREATE TABLE orders.refunds (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_refunds PRIMARY KEY,
    order_id uuid NOT NULL CONSTRAINT fk_refunds_order_id_orders REFERENCES orders.orders,
    amount bigint NOT NULL CONSTRAINT ck_refunds_amount CHECK (amount > 0),
    reason text NOT NULL,
    status text NOT NULL DEFAULT 'due' CONSTRAINT ck_refunds_status CHECK (status IN ('due', 'paid')),
    created_at timestamptz NOT NULL DEFAULT now()
)
--;
CREATE INDEX ix_refunds_order_id ON orders.refunds (order_id)
--;
CREATE TABLE orders.shipping_zones (
    region_prefix text CONSTRAINT pk_shipping_zones PRIMARY KEY,
    zone text NOT NULL
)
--;
CREATE TABLE orders.shipping_rates (
    origin_zone text NOT NULL,
    destination_zone text NOT NULL,
    price_per_kg bigint NOT NULL CONSTRAINT ck_shipping_rates_price_per_kg CHECK (price_per_kg >= 0),
    days_min integer NOT NULL,
    days_max integer NOT NULL,
    valid_from date NOT NULL,
    valid_until date,
    source text NOT NULL,
    CONSTRAINT pk_shipping_rates PRIMARY KEY (origin_zone, destination_zone, valid_from)
)
--;
CREATE TABLE orders.tax_rates (
    code text NOT NULL,
    base_numerator integer NOT NULL,
    base_denominator integer NOT NULL,
    rate_percent integer NOT NULL,
    valid_from date NOT NULL,
    valid_until date,
    source text NOT NULL,
    CONSTRAINT pk_tax_rates PRIMARY KEY (code, valid_from)
)
"""

PUBLISHED = """
CREATE VIEW orders.memberships_v1 AS
    SELECT m.user_id, m.organization_id, o.name AS organization_name, m.role
    FROM orders.organization_members m JOIN orders.organizations o ON o.id = m.organization_id
--;
GRANT USAGE ON SCHEMA orders TO ishop_orders, ishop_gateway
--;
GRANT SELECT, INSERT, UPDATE, DELETE ON orders.organizations, orders.organization_members TO ishop_orders
--;
GRANT SELECT, INSERT, UPDATE ON orders.orders, orders.vendor_orders, orders.refunds TO ishop_orders
--;
GRANT SELECT, INSERT ON orders.order_lines, orders.transitions, orders.payments TO ishop_orders
--;
GRANT SELECT ON orders.shipping_zones, orders.shipping_rates, orders.tax_rates TO ishop_orders
--;
GRANT SELECT ON orders.memberships_v1 TO ishop_gateway
"""
