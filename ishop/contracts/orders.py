"""What other services may read of orders."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

published = MetaData(schema="orders")

memberships = Table(
    "memberships_v1",
    published,
    Column("user_id", Uuid),
    Column("organization_id", Uuid),
    Column("organization_name", Text),
    Column("role", Text),
)

buyers = Table(
    "buyers_v1",
    published,
    Column("user_id", Uuid),
    Column("order_id", Uuid),
    Column("open", Boolean),
)
"""Who has ever ordered for himself; an order of an organization is the organization's."""

person_orders = Table(
    "person_orders_v1",
    published,
    Column("user_id", Uuid),
    Column("id", Uuid, primary_key=True),
    Column("number", Text),
    Column("organization_id", Uuid),
    Column("status", Text),
    Column("payment_method", Text),
    Column("po_number", Text),
    Column("ship_to", JSONB),
    Column("lines", JSONB),
    Column("subtotal", BigInteger),
    Column("shipping", BigInteger),
    Column("tax", BigInteger),
    Column("total", BigInteger),
    Column("paid", BigInteger),
    Column("created_at", DateTime(timezone=True)),
)
"""All that a person ordered, for the person alone."""
