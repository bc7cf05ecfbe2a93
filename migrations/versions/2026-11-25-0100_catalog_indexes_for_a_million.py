"""Indexes that keep lists and searches of a million products as quick as those of ten thousand (ADR 18)."""

from migrations.helpers import owner, statements

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with owner("catalog"):
        statements(MORE)
    with owner("vendors"):
        statements("CREATE INDEX ix_vendors_place ON vendors.vendors USING gist (point(longitude, latitude))")


def downgrade() -> None:
    with owner("vendors"):
        statements("DROP INDEX vendors.ix_vendors_place")
    with owner("catalog"):
        statements(FEWER)


MORE = """
CREATE INDEX ix_product_documents_region_price ON catalog.product_documents (region_code, price_from, product_id)
--;
-- The products of a commodity in one region, in every order; a category is its commodities.
CREATE INDEX ix_product_documents_region_commodity ON catalog.product_documents (region_code, commodity_slug, product_id)
    INCLUDE (certified_until, price_from, in_stock, category_slug, vendor_id, certificate_kinds, latitude, longitude)
--;
CREATE INDEX ix_product_documents_region_commodity_price
    ON catalog.product_documents (region_code, commodity_slug, price_from, product_id)
    INCLUDE (certified_until, in_stock, category_slug, vendor_id, certificate_kinds, latitude, longitude)
--;
-- There are few sets of certificates: a kind is looked up as the sets that hold it.
CREATE INDEX ix_product_documents_certificates ON catalog.product_documents (certificate_kinds, product_id)
    INCLUDE (certified_until, price_from, in_stock, category_slug, commodity_slug, region_code, vendor_id, latitude, longitude)
--;
CREATE INDEX ix_product_documents_certificates_price ON catalog.product_documents (certificate_kinds, price_from, product_id)
    INCLUDE (certified_until, in_stock, category_slug, commodity_slug, region_code, vendor_id, latitude, longitude)
--;
-- The nearest products are those of the nearest vendors.
DROP INDEX catalog.ix_product_documents_vendor_id
--;
CREATE INDEX ix_product_documents_vendor_commodity ON catalog.product_documents (vendor_id, commodity_slug, product_id)
    INCLUDE (certified_until, price_from, in_stock, category_slug, region_code, certificate_kinds, latitude, longitude)
--;
CREATE INDEX ix_product_documents_out_of_stock ON catalog.product_documents (product_id) WHERE NOT in_stock
--;
-- Words and what is filtered by beside them, looked up together, so that a word in half of all products costs no more
-- than what it has in common with the filter.
CREATE INDEX ix_product_documents_words ON catalog.product_documents USING gin
    (search_vector, (ARRAY['category:' || category_slug, 'region:' || region_code] || certificate_kinds))
--;
DROP INDEX catalog.ix_product_documents_search_vector
--;
DROP INDEX catalog.ix_product_documents_category_slug
--;
DROP INDEX catalog.ix_product_documents_certificate_kinds
--;
DROP INDEX catalog.ix_product_documents_place
"""

FEWER = """
DROP INDEX catalog.ix_product_documents_vendor_commodity
--;
CREATE INDEX ix_product_documents_vendor_id ON catalog.product_documents (vendor_id, product_id)
--;
DROP INDEX catalog.ix_product_documents_certificates_price
--;
DROP INDEX catalog.ix_product_documents_certificates
--;
CREATE INDEX ix_product_documents_certificate_kinds ON catalog.product_documents USING gin (certificate_kinds)
--;
CREATE INDEX ix_product_documents_place ON catalog.product_documents USING gist (point(longitude, latitude))
--;
CREATE INDEX ix_product_documents_category_slug ON catalog.product_documents (category_slug, product_id)
--;
CREATE INDEX ix_product_documents_search_vector ON catalog.product_documents USING gin (search_vector)
--;
DROP INDEX catalog.ix_product_documents_words
--;
DROP INDEX catalog.ix_product_documents_out_of_stock
--;
DROP INDEX catalog.ix_product_documents_region_commodity_price
--;
DROP INDEX catalog.ix_product_documents_region_commodity
--;
DROP INDEX catalog.ix_product_documents_region_price
"""
