"""What other services may read of orders."""

from sqlalchemy import Boolean, Column, MetaData, Table, Text, Uuid

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
