"""What other services may read of the catalog: published, versioned views. An order takes its prices from here only."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Date, Integer, MetaData, Numeric, Table, Text, Uuid

published = MetaData(schema="catalog")

offers = Table(
    "offers_v1",
    published,
    Column("sku_id", Uuid, primary_key=True),
    Column("code", Text),
    Column("product_id", Uuid),
    Column("vendor_id", Uuid),
    Column("vendor_name", Text),
    Column("region_code", Text),
    Column("pkp", Boolean),
    Column("name_id", Text),
    Column("name_en", Text),
    Column("sku_name", Text),
    Column("price", BigInteger),
    Column("weight_grams", Integer),
    Column("order_multiple", Integer),
    Column("min_quantity", Integer),
    Column("base_unit", Text),
    Column("base_quantity", Numeric),
    Column("certified_until", Date),
    Column("tier_quantities", ARRAY(Integer)),
    Column("tier_prices", ARRAY(BigInteger)),
)
"""One row a sku that can be sold now; certified_until is null where a needed certificate is missing."""

regions = Table(
    "regions_v1",
    published,
    Column("code", Text, primary_key=True),
    Column("name", Text),
    Column("island", Text),
    Column("timezone", Text),
)
