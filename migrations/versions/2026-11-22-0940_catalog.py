"""Schema catalog: commodities, products with skus and tiers, and the stored document of every published product."""

from alembic import op

from migrations.helpers import create_schema, owner, statements

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_schema("catalog")
    with owner("catalog"):
        statements(TABLES)
        statements(OFFERS)
        statements(DOCUMENTS)
        statements(GRANTS)


def downgrade() -> None:
    op.execute("DROP SCHEMA catalog CASCADE")


TABLES = """
CREATE TABLE catalog.categories (
    slug text CONSTRAINT pk_categories PRIMARY KEY,
    name_id text NOT NULL,
    name_en text NOT NULL,
    position integer NOT NULL
)
--;
CREATE TABLE catalog.regions (
    code text CONSTRAINT pk_regions PRIMARY KEY,
    name text NOT NULL,
    kind text NOT NULL CONSTRAINT ck_regions_kind CHECK (kind IN ('province', 'regency', 'city')),
    island text NOT NULL,
    capital text NOT NULL,
    latitude double precision NOT NULL,
    longitude double precision NOT NULL,
    timezone text NOT NULL,
    source text NOT NULL
)
--;
CREATE TABLE catalog.commodities (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_commodities PRIMARY KEY,
    slug text NOT NULL CONSTRAINT uq_commodities_slug UNIQUE,
    category_slug text NOT NULL CONSTRAINT fk_commodities_category_slug_categories REFERENCES catalog.categories,
    name_id text NOT NULL,
    name_en text NOT NULL,
    description_id text NOT NULL,
    description_en text NOT NULL,
    base_unit text NOT NULL CONSTRAINT ck_commodities_base_unit CHECK (base_unit IN ('kg', 'l', 'pcs')),
    synonyms text[] NOT NULL DEFAULT '{}',
    certificate_rules text[] NOT NULL DEFAULT '{}',
    shelf_life_days integer,
    shipping_flags text[] NOT NULL DEFAULT '{}',
    kbli_2020 text,
    hs_heading text,
    source text NOT NULL
)
--;
COMMENT ON COLUMN catalog.commodities.certificate_rules IS
    'Every rule must be met at the promised delivery date; PIRT|BPOM_MD is met by either kind'
--;
CREATE INDEX ix_commodities_category_slug ON catalog.commodities (category_slug)
--;
CREATE TABLE catalog.synonym_groups (
    canonical text CONSTRAINT pk_synonym_groups PRIMARY KEY,
    variants text[] NOT NULL DEFAULT '{}',
    english text[] NOT NULL DEFAULT '{}',
    related text[] NOT NULL DEFAULT '{}',
    source text NOT NULL
)
--;
CREATE TABLE catalog.products (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_products PRIMARY KEY,
    slug text NOT NULL CONSTRAINT uq_products_slug UNIQUE
        CONSTRAINT ck_products_slug CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND slug !~ '^[0-9a-f]{8}-'),
    vendor_id uuid NOT NULL,
    commodity_id uuid NOT NULL CONSTRAINT fk_products_commodity_id_commodities REFERENCES catalog.commodities,
    name_id text NOT NULL,
    name_en text NOT NULL,
    description_id text NOT NULL,
    description_en text NOT NULL,
    status text NOT NULL CONSTRAINT ck_products_status
        CHECK (status IN ('draft', 'in_review', 'published', 'suspended', 'archived')),
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
)
--;
CREATE INDEX ix_products_vendor_id ON catalog.products (vendor_id, id)
--;
CREATE INDEX ix_products_commodity_id ON catalog.products (commodity_id)
--;
CREATE TABLE catalog.skus (
    id uuid DEFAULT uuidv7() CONSTRAINT pk_skus PRIMARY KEY,
    product_id uuid NOT NULL CONSTRAINT fk_skus_product_id_products REFERENCES catalog.products,
    code text NOT NULL CONSTRAINT uq_skus_code UNIQUE,
    name text NOT NULL,
    price bigint NOT NULL CONSTRAINT ck_skus_price CHECK (price BETWEEN 1 AND 1000000000),
    weight_grams integer NOT NULL CONSTRAINT ck_skus_weight_grams CHECK (weight_grams > 0),
    base_quantity numeric(14, 4) NOT NULL CONSTRAINT ck_skus_base_quantity CHECK (base_quantity > 0),
    order_multiple integer NOT NULL DEFAULT 1 CONSTRAINT ck_skus_order_multiple CHECK (order_multiple BETWEEN 1 AND 1000000),
    min_quantity integer NOT NULL DEFAULT 1 CONSTRAINT ck_skus_min_quantity CHECK (min_quantity BETWEEN 1 AND 1000000),
    position integer NOT NULL DEFAULT 0,
    active boolean NOT NULL DEFAULT true
)
--;
COMMENT ON COLUMN catalog.skus.base_quantity IS 'Content of one pack in the base unit of the commodity'
--;
CREATE INDEX ix_skus_product_id ON catalog.skus (product_id, position)
--;
CREATE TABLE catalog.price_tiers (
    sku_id uuid NOT NULL CONSTRAINT fk_price_tiers_sku_id_skus REFERENCES catalog.skus ON DELETE CASCADE,
    min_quantity integer NOT NULL CONSTRAINT ck_price_tiers_min_quantity CHECK (min_quantity > 1),
    price bigint NOT NULL CONSTRAINT ck_price_tiers_price CHECK (price BETWEEN 1 AND 1000000000),
    CONSTRAINT pk_price_tiers PRIMARY KEY (sku_id, min_quantity)
)
--;
CREATE TABLE catalog.product_documents (
    product_id uuid CONSTRAINT pk_product_documents PRIMARY KEY
        CONSTRAINT fk_product_documents_product_id_products REFERENCES catalog.products ON DELETE CASCADE,
    slug text NOT NULL CONSTRAINT uq_product_documents_slug UNIQUE,
    version bigint NOT NULL,
    vendor_id uuid NOT NULL,
    commodity_slug text NOT NULL,
    category_slug text NOT NULL,
    region_code text NOT NULL,
    certificate_kinds text[] NOT NULL,
    certified_until date,
    price_from bigint NOT NULL,
    in_stock boolean NOT NULL,
    latitude double precision NOT NULL,
    longitude double precision NOT NULL,
    search_vector tsvector NOT NULL,
    document_id json NOT NULL,
    document_en json NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
) WITH (toast_tuple_target = 512)
--;
COMMENT ON TABLE catalog.product_documents IS
    'What list, detail and both search engines show of a published product; derived, rebuilt by refresh_documents'
--;
CREATE INDEX ix_product_documents_vendor_id ON catalog.product_documents (vendor_id, product_id)
--;
-- Search looks for the products of commodities, newest or cheapest first. All that it filters, counts and sorts by is in
-- the index itself, so that it reads the table only for the page that it shows.
CREATE INDEX ix_product_documents_commodity_slug ON catalog.product_documents (commodity_slug, product_id)
    INCLUDE (certified_until, price_from, in_stock, category_slug, region_code, vendor_id, certificate_kinds, latitude,
             longitude)
--;
CREATE INDEX ix_product_documents_commodity_price ON catalog.product_documents (commodity_slug, price_from, product_id)
    INCLUDE (certified_until, in_stock, category_slug, region_code, vendor_id, certificate_kinds, latitude, longitude)
--;
CREATE INDEX ix_product_documents_category_slug ON catalog.product_documents (category_slug, product_id)
--;
CREATE INDEX ix_product_documents_region_code ON catalog.product_documents (region_code, product_id)
--;
CREATE INDEX ix_product_documents_price_from ON catalog.product_documents (price_from, product_id)
--;
CREATE INDEX ix_product_documents_certificate_kinds ON catalog.product_documents USING gin (certificate_kinds)
--;
CREATE INDEX ix_product_documents_search_vector ON catalog.product_documents USING gin (search_vector)
--;
CREATE INDEX ix_product_documents_place ON catalog.product_documents USING gist (point(longitude, latitude))
--;
CREATE SEQUENCE catalog.document_versions AS bigint
"""

OFFERS = """
-- Until which day every certificate that a product's commodity needs is valid: null where one is missing today,
-- infinity where all are open-ended. A renewal that follows on without a day between counts already.
CREATE VIEW catalog.product_certification AS
    SELECT p.id AS product_id, p.vendor_id, p.commodity_id, p.status, r.certified_until
    FROM catalog.products p
    JOIN catalog.commodities c ON c.id = p.commodity_id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN count(one.until) = count(*) THEN coalesce(min(one.until), 'infinity'::date) END AS certified_until
        FROM unnest(c.certificate_rules) AS rule
        CROSS JOIN LATERAL (
            SELECT CASE WHEN upper_inf(span) THEN 'infinity'::date ELSE upper(span) - 1 END AS until
            FROM (
                SELECT range_agg(daterange(x.valid_from, x.valid_until, '[]')) AS days FROM vendors.certificates_v1 x
                WHERE x.vendor_id = p.vendor_id AND (x.product_id IS NULL OR x.product_id = p.id)
                  AND x.kind = ANY (string_to_array(rule, '|'))
            ) held
            LEFT JOIN LATERAL unnest(held.days) AS span ON span @> (now() AT TIME ZONE 'Asia/Makassar')::date
        ) one
    ) r
--;
-- What can be sold now, one row a sku: the only place where an order takes its prices from.
CREATE VIEW catalog.offers_v1 AS
    SELECT s.id AS sku_id, s.code, s.product_id, p.vendor_id, v.name AS vendor_name, v.region_code, v.pkp,
           p.name_id, p.name_en, s.name AS sku_name, s.price, s.weight_grams, s.order_multiple, s.min_quantity,
           c.base_unit, s.base_quantity, k.certified_until, tiers.quantities AS tier_quantities, tiers.prices AS tier_prices
    FROM catalog.skus s
    JOIN catalog.products p ON p.id = s.product_id AND p.status = 'published'
    JOIN catalog.commodities c ON c.id = p.commodity_id
    JOIN catalog.product_certification k ON k.product_id = p.id
    JOIN vendors.vendors_v1 v ON v.id = p.vendor_id AND v.status = 'active'
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(t.min_quantity ORDER BY t.min_quantity), '{}') AS quantities,
               coalesce(array_agg(t.price ORDER BY t.min_quantity), '{}') AS prices
        FROM catalog.price_tiers t WHERE t.sku_id = s.id
    ) tiers
    WHERE s.active
"""

DOCUMENTS = """
-- Everything a product document is made of, from the tables of truth.
CREATE VIEW catalog.current_documents AS
    SELECT p.id AS product_id, p.slug, p.vendor_id, c.slug AS commodity_slug, c.category_slug, v.region_code,
           certs.kinds AS certificate_kinds, k.certified_until, packs.price_from, packs.in_stock, v.latitude, v.longitude,
           -- Without positions, because nothing is ranked by them. The commodity is a word of its own, and so is every word
           -- of the names, so that the index answers by itself what they hold.
           strip(to_tsvector('simple', extensions.unaccent(concat_ws(' ', p.name_id, p.name_en, c.name_id, c.name_en,
               array_to_string(c.synonyms, ' '), v.name, r.name, p.description_id, p.description_en))))
           || array_to_tsvector('commodity:' || c.slug || ARRAY(
               SELECT 'name:' || word FROM unnest(tsvector_to_array(to_tsvector('simple', extensions.unaccent(
                   concat_ws(' ', p.name_id, p.name_en, v.name))))) AS word)) AS search_vector,
           json_build_object('id', p.id, 'slug', p.slug, 'name', p.name_id, 'description', p.description_id,
               'commodity', json_build_object('slug', c.slug, 'name', c.name_id), 'category', c.category_slug,
               'vendor', json_build_object('id', v.id, 'slug', v.slug, 'name', v.name, 'region_code', v.region_code),
               'skus', packs.skus, 'certificates', certs.certificates) AS document_id,
           json_build_object('id', p.id, 'slug', p.slug, 'name', p.name_en, 'description', p.description_en,
               'commodity', json_build_object('slug', c.slug, 'name', c.name_en), 'category', c.category_slug,
               'vendor', json_build_object('id', v.id, 'slug', v.slug, 'name', v.name, 'region_code', v.region_code),
               'skus', packs.skus, 'certificates', certs.certificates) AS document_en
    FROM catalog.products p
    JOIN catalog.commodities c ON c.id = p.commodity_id
    JOIN catalog.product_certification k ON k.product_id = p.id
    JOIN vendors.vendors_v1 v ON v.id = p.vendor_id AND v.status = 'active'
    JOIN catalog.regions r ON r.code = v.region_code
    CROSS JOIN LATERAL (
        SELECT min(s.price) AS price_from, coalesce(bool_or(st.in_stock), false) AS in_stock,
               json_agg(json_build_object('id', s.id, 'code', s.code, 'name', s.name,
                   'price', json_build_object('amount', s.price, 'currency', 'IDR'),
                   'tiers', (SELECT coalesce(json_agg(json_build_object('min_quantity', t.min_quantity,
                                 'price', json_build_object('amount', t.price, 'currency', 'IDR')) ORDER BY t.min_quantity), '[]')
                             FROM catalog.price_tiers t WHERE t.sku_id = s.id),
                   'weight_grams', s.weight_grams, 'order_multiple', s.order_multiple, 'min_quantity', s.min_quantity,
                   'in_stock', coalesce(st.in_stock, false)) ORDER BY s.position, s.id) AS skus
        FROM catalog.skus s LEFT JOIN vendors.stock_v1 st ON st.sku_id = s.id
        WHERE s.product_id = p.id AND s.active
    ) packs
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(DISTINCT x.kind), '{}') AS kinds,
               coalesce(json_agg(json_build_object('kind', x.kind, 'number', x.number, 'valid_until', x.valid_until)
                                 ORDER BY x.kind, x.number), '[]') AS certificates
        FROM vendors.certificates_v1 x
        WHERE x.vendor_id = p.vendor_id AND (x.product_id IS NULL OR x.product_id = p.id) AND x.kind <> 'NIB'
          AND x.valid_from <= (now() AT TIME ZONE 'Asia/Makassar')::date
          AND (x.valid_until IS NULL OR x.valid_until >= (now() AT TIME ZONE 'Asia/Makassar')::date)
    ) certs
    WHERE p.status = 'published' AND packs.price_from IS NOT NULL
--;
-- Rebuilds the documents of these products and returns those that changed, came or went; an unchanged document keeps its
-- version. Statement 1 locks the products in id order, so that statement 2 reads a fresh snapshot and an older rebuild can
-- never overwrite a newer one. The document of what is not published goes.
CREATE FUNCTION catalog.refresh_documents(p_product_ids uuid[]) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM 1 FROM catalog.products p WHERE p.id = ANY (p_product_ids) ORDER BY p.id FOR NO KEY UPDATE;
    RETURN QUERY
    WITH fresh AS MATERIALIZED (
        SELECT * FROM catalog.current_documents n WHERE n.product_id = ANY (p_product_ids)
    ), gone AS (
        DELETE FROM catalog.product_documents d WHERE d.product_id = ANY (p_product_ids)
            AND NOT EXISTS (SELECT FROM fresh f WHERE f.product_id = d.product_id)
        RETURNING d.product_id
    ), written AS (
        INSERT INTO catalog.product_documents AS d (
            product_id, slug, version, vendor_id, commodity_slug, category_slug, region_code, certificate_kinds,
            certified_until, price_from, in_stock, latitude, longitude, search_vector, document_id, document_en)
        SELECT f.product_id, f.slug, nextval('catalog.document_versions'), f.vendor_id, f.commodity_slug, f.category_slug,
            f.region_code, f.certificate_kinds, f.certified_until, f.price_from, f.in_stock, f.latitude, f.longitude,
            f.search_vector, f.document_id, f.document_en
        FROM fresh f
        ON CONFLICT (product_id) DO UPDATE SET
            slug = excluded.slug, version = excluded.version, vendor_id = excluded.vendor_id,
            commodity_slug = excluded.commodity_slug, category_slug = excluded.category_slug,
            region_code = excluded.region_code, certificate_kinds = excluded.certificate_kinds,
            certified_until = excluded.certified_until, price_from = excluded.price_from, in_stock = excluded.in_stock,
            latitude = excluded.latitude, longitude = excluded.longitude,
            search_vector = excluded.search_vector, document_id = excluded.document_id, document_en = excluded.document_en,
            changed_at = now()
        WHERE (d.slug, d.vendor_id, d.commodity_slug, d.category_slug, d.region_code, d.certificate_kinds,
               d.certified_until, d.price_from, d.in_stock, d.latitude, d.longitude, d.search_vector,
               d.document_id::text, d.document_en::text)
            IS DISTINCT FROM (excluded.slug, excluded.vendor_id, excluded.commodity_slug, excluded.category_slug,
               excluded.region_code, excluded.certificate_kinds, excluded.certified_until, excluded.price_from,
               excluded.in_stock, excluded.latitude, excluded.longitude, excluded.search_vector,
               excluded.document_id::text, excluded.document_en::text)
        RETURNING d.product_id
    )
    SELECT g.product_id FROM gone g UNION ALL SELECT w.product_id FROM written w;
END
$$
"""

GRANTS = """
GRANT USAGE ON SCHEMA catalog TO ishop_catalog, ishop_orders, ishop_vendors, ishop_gateway
--;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA catalog TO ishop_catalog
--;
REVOKE ALL ON catalog.offers_v1, catalog.current_documents, catalog.product_certification FROM ishop_catalog
--;
GRANT SELECT ON catalog.offers_v1, catalog.current_documents, catalog.product_certification TO ishop_catalog
--;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA catalog TO ishop_catalog
--;
GRANT EXECUTE ON FUNCTION catalog.refresh_documents(uuid[]) TO ishop_catalog
--;
GRANT SELECT ON catalog.offers_v1 TO ishop_orders
--;
CREATE VIEW catalog.regions_v1 AS SELECT code, name, island, timezone FROM catalog.regions
--;
GRANT SELECT ON catalog.regions_v1 TO ishop_orders, ishop_vendors
"""
