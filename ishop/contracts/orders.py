"""What other services may read of orders."""

from sqlalchemy import Column, MetaData, Table, Text, Uuid

published = MetaData(schema="orders")

memberships = Table(
    "memberships_v1",
    published,
    Column("user_id", Uuid),
    Column("organization_id", Uuid),
    Column("organization_name", Text),
    Column("role", Text),
)
