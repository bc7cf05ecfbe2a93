"""What other services may read of vendors, and the functions through which stock is taken, given back and shipped."""

from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Double, MetaData, Table, Text, Uuid, text

published = MetaData(schema="vendors")

vendors = Table(
    "vendors_v1",
    published,
    Column("id", Uuid, primary_key=True),
    Column("slug", Text),
    Column("name", Text),
    Column("status", Text),
    Column("region_code", Text),
    Column("latitude", Double),
    Column("longitude", Double),
    Column("pkp", Boolean),
)

stock = Table(
    "stock_v1",
    published,
    Column("sku_id", Uuid, primary_key=True),
    Column("vendor_id", Uuid),
    Column("available", BigInteger),
    Column("in_stock", Boolean),
)

certificates = Table(
    "certificates_v1",
    published,
    Column("vendor_id", Uuid),
    Column("product_id", Uuid),
    Column("kind", Text),
    Column("number", Text),
    Column("valid_from", Date),
    Column("valid_until", Date),
)

memberships = Table(
    "memberships_v1",
    published,
    Column("user_id", Uuid),
    Column("vendor_id", Uuid),
    Column("vendor_name", Text),
    Column("role", Text),
)

person_movements = Table(
    "person_movements_v1",
    published,
    Column("user_id", Uuid),
    Column("id", BigInteger, primary_key=True),
    Column("vendor_id", Uuid),
    Column("sku_id", Uuid),
    Column("kind", Text),
    Column("on_hand_change", BigInteger),
    Column("reason", Text),
    Column("created_at", DateTime(timezone=True)),
)
"""What a person changed of a vendor's stock, for the person alone."""

# vendors.reserve_v1 takes all lines of an order or none. It is called by orders.place_v1 only, in the database.

RELEASE = text(
    "SELECT vendors.release_v1(CAST(:vendor_order_ids AS uuid[]), :out_of_stock, CAST(:reason AS text), "
    "CAST(:actor AS uuid), CAST(:request_id AS text))"
)
"""Gives back what the vendor orders hold; again does nothing. out_of_stock also lowers on_hand."""

SHIP = text("SELECT vendors.ship_v1(CAST(:vendor_order_id AS uuid), CAST(:actor AS uuid), CAST(:request_id AS text))")
"""The goods left: on_hand and reserved fall; again does nothing."""
