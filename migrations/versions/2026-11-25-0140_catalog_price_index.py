"""The index by price covers what searches ask for, and another tells which commodities hold a certificate (ADR 18)."""

from migrations.helpers import owner, statements

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with owner("catalog"):
        statements(COVERING)


def downgrade() -> None:
    with owner("catalog"):
        statements(PLAIN)


COVERING = """
DROP INDEX catalog.ix_product_documents_price_from
--;
CREATE INDEX ix_product_documents_price_from ON catalog.product_documents (price_from, product_id)
    INCLUDE (certified_until, in_stock, category_slug, commodity_slug, region_code, vendor_id, certificate_kinds, latitude,
             longitude)
--;
CREATE INDEX ix_product_documents_commodity_certificates ON catalog.product_documents (commodity_slug, certificate_kinds)
"""

PLAIN = """
DROP INDEX catalog.ix_product_documents_commodity_certificates
--;
DROP INDEX catalog.ix_product_documents_price_from
--;
CREATE INDEX ix_product_documents_price_from ON catalog.product_documents (price_from, product_id)
"""
