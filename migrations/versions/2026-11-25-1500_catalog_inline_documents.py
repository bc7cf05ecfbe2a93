"""Documents lie in the rows of their table, and more indexes hold all that is filtered by (ADR 18)."""

from migrations.helpers import owner, statements

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with owner("catalog"):
        statements(INLINE)


def downgrade() -> None:
    with owner("catalog"):
        statements(APART)


INLINE = """
-- Compressed in the row, three to a page, where each was four pages of a table of its own. Rows move when they are
-- written the next time, or all at once by VACUUM FULL.
ALTER TABLE catalog.product_documents ALTER search_vector SET STORAGE MAIN, ALTER document_id SET STORAGE MAIN,
    ALTER document_en SET STORAGE MAIN, RESET (toast_tuple_target)
--;
DROP INDEX catalog.ix_product_documents_region_code
--;
CREATE INDEX ix_product_documents_region_code ON catalog.product_documents (region_code, product_id)
    INCLUDE (certified_until, price_from, in_stock, category_slug, commodity_slug, vendor_id, certificate_kinds, latitude,
             longitude)
--;
DROP INDEX catalog.ix_product_documents_region_price
--;
CREATE INDEX ix_product_documents_region_price ON catalog.product_documents (region_code, price_from, product_id)
    INCLUDE (certified_until, in_stock, category_slug, commodity_slug, vendor_id, certificate_kinds, latitude, longitude)
--;
DROP INDEX catalog.ix_product_documents_words
--;
CREATE INDEX ix_product_documents_words ON catalog.product_documents USING gin
    (search_vector, (ARRAY['category:' || category_slug, 'commodity:' || commodity_slug, 'region:' || region_code,
     (('price:' || left(price_from::text, 1)) || 'e') || length(price_from::text)::text,
     (('price:' || left(price_from::text, 2)) || 'e') || length(price_from::text)::text,
     'in_stock:' || in_stock::text, 'part:' || ((uuid_hash(product_id) & 31)::text)] || certificate_kinds))
"""

APART = """
DROP INDEX catalog.ix_product_documents_words
--;
CREATE INDEX ix_product_documents_words ON catalog.product_documents USING gin
    (search_vector, (ARRAY['category:' || category_slug, 'region:' || region_code] || certificate_kinds))
--;
DROP INDEX catalog.ix_product_documents_region_price
--;
CREATE INDEX ix_product_documents_region_price ON catalog.product_documents (region_code, price_from, product_id)
--;
DROP INDEX catalog.ix_product_documents_region_code
--;
CREATE INDEX ix_product_documents_region_code ON catalog.product_documents (region_code, product_id)
--;
ALTER TABLE catalog.product_documents ALTER search_vector SET STORAGE EXTENDED, ALTER document_id SET STORAGE EXTENDED,
    ALTER document_en SET STORAGE EXTENDED, SET (toast_tuple_target = 512)
"""
