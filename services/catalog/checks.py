"""What `ishop doctor` looks at in the catalog."""

from typing import Final

from ishop.doctor import Check

# A change of stock or of a vendor commits together with its row in the outbox, and the document follows before the job
# is done: so a document may differ while that row or job exists, and never otherwise. Documents are composed anew slice
# by slice, because a million of them at once would have to be sorted on disk.
DOCUMENTS: Final = """
    WITH on_its_way AS MATERIALIZED (
        SELECT o.key FROM ops.outbox o
        WHERE o.topic IN ('vendors.stock_availability_changed.v1', 'vendors.vendor_changed.v1')
        UNION
        SELECT jsonb_array_elements_text(convert_from(q.payload, 'UTF8')::jsonb) FROM ops.pgqueuer q
        WHERE q.entrypoint IN ('vendors.stock_availability_changed.v1', 'vendors.vendor_changed.v1')
    )
    SELECT coalesce(d.slug, n.slug) || CASE WHEN d.slug IS NULL THEN ' has no document'
                                            WHEN n.slug IS NULL THEN ' is not for sale but has a document'
                                            ELSE ' has an outdated document' END
    FROM (SELECT * FROM catalog.current_documents WHERE product_id > $1 AND product_id <= $2) n
    FULL JOIN (SELECT * FROM catalog.product_documents WHERE product_id > $1 AND product_id <= $2) d
        ON d.product_id = n.product_id
    WHERE (d.slug, d.vendor_id, d.commodity_slug, d.category_slug, d.region_code, d.certificate_kinds,
           d.certified_until, d.price_from, d.in_stock, d.latitude, d.longitude, d.search_vector,
           d.document_id::text, d.document_en::text)
        IS DISTINCT FROM (n.slug, n.vendor_id, n.commodity_slug, n.category_slug, n.region_code, n.certificate_kinds,
           n.certified_until, n.price_from, n.in_stock, n.latitude, n.longitude, n.search_vector,
           n.document_id::text, n.document_en::text)
        AND NOT EXISTS (SELECT FROM on_its_way w WHERE w.key = coalesce(d.vendor_id, n.vendor_id)::text)
        AND NOT EXISTS (SELECT FROM on_its_way w JOIN catalog.skus s ON s.id::text = w.key
                        WHERE s.product_id = coalesce(d.product_id, n.product_id))
"""

SLICES: Final = """
    SELECT p.id FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM catalog.products) p
    WHERE p.number % 200 = 0 ORDER BY p.id
"""

CHECKS: Final = (
    Check("every product for sale has its document, equal to the tables of truth", DOCUMENTS, bounds=SLICES),
)
