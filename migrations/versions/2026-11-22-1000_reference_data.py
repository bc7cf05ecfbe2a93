"""Reference data that every market needs: regions, shipping zones and rates, tax rates; dated, each with its source."""

from alembic import op

from migrations.helpers import owner, statements

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with owner("catalog"):
        statements(REGIONS)
    with owner("orders"):
        statements(SHIPPING_AND_TAX)


def downgrade() -> None:
    with owner("orders"):
        op.execute("TRUNCATE orders.shipping_zones, orders.shipping_rates, orders.tax_rates")
    with owner("catalog"):
        op.execute("TRUNCATE catalog.regions")


REGIONS = """
INSERT INTO catalog.regions (code, name, kind, island, capital, latitude, longitude, timezone, source)
SELECT code, name, kind, island, capital, latitude, longitude, 'Asia/Makassar', 'Kepmendagri 300.2.2-2138/2025 (codes)'
FROM (VALUES
    ('52.01', 'Lombok Barat', 'regency', 'Lombok', 'Gerung', -8.69583, 116.11667),
    ('52.02', 'Lombok Tengah', 'regency', 'Lombok', 'Praya', -8.70000, 116.30000),
    ('52.03', 'Lombok Timur', 'regency', 'Lombok', 'Selong', -8.53333, 116.53333),
    ('52.04', 'Sumbawa', 'regency', 'Sumbawa', 'Sumbawa Besar', -8.74390, 117.33240),
    ('52.05', 'Dompu', 'regency', 'Sumbawa', 'Dompu', -8.50940, 118.48160),
    ('52.06', 'Bima', 'regency', 'Sumbawa', 'Woha', -8.60000, 118.61667),
    ('52.07', 'Sumbawa Barat', 'regency', 'Sumbawa', 'Taliwang', -8.75159, 116.92132),
    ('52.08', 'Lombok Utara', 'regency', 'Lombok', 'Tanjung', -8.35214, 116.40152),
    ('52.71', 'Kota Mataram', 'city', 'Lombok', 'Mataram', -8.58330, 116.11670),
    ('52.72', 'Kota Bima', 'city', 'Sumbawa', 'Bima', -8.46728, 118.75259)
) AS r (code, name, kind, island, capital, latitude, longitude)
"""

SHIPPING_AND_TAX = """
INSERT INTO orders.shipping_zones (region_prefix, zone) VALUES
    ('52.01', 'lombok'), ('52.02', 'lombok'), ('52.03', 'lombok'), ('52.08', 'lombok'), ('52.71', 'lombok'),
    ('52.04', 'sumbawa'), ('52.07', 'sumbawa'), ('52.05', 'bima'), ('52.06', 'bima'), ('52.72', 'bima'),
    ('51', 'bali'), ('31', 'java'), ('32', 'java'), ('33', 'java'), ('34', 'java'), ('35', 'java'), ('36', 'java'),
    ('11', 'sumatra'), ('12', 'sumatra'), ('13', 'sumatra'), ('14', 'sumatra'), ('15', 'sumatra'), ('16', 'sumatra'),
    ('17', 'sumatra'), ('18', 'sumatra'), ('19', 'sumatra'), ('21', 'sumatra')
--;
INSERT INTO orders.shipping_rates (origin_zone, destination_zone, price_per_kg, days_min, days_max, valid_from, source)
SELECT origin, destination, price, days_min, days_max, date '2026-01-01',
       'Estimate of regional courier tariffs, 2026; the operator replaces it with a contracted tariff'
FROM (
    SELECT origin, destination, price, days_min, days_max FROM (VALUES
        ('same', 'same', 9000, 1, 2), ('lombok', 'lombok', 10000, 1, 2), ('sumbawa', 'sumbawa', 10000, 1, 2),
        ('bima', 'bima', 10000, 1, 2), ('lombok', 'sumbawa', 23000, 2, 4), ('sumbawa', 'lombok', 23000, 2, 4),
        ('lombok', 'bima', 28000, 3, 5), ('bima', 'lombok', 28000, 3, 5), ('sumbawa', 'bima', 20000, 2, 4),
        ('bima', 'sumbawa', 20000, 2, 4)
    ) AS near (origin, destination, price, days_min, days_max)
    UNION ALL
    SELECT origin, destination, price, days_min, days_max
    FROM (VALUES ('lombok'), ('sumbawa'), ('bima')) AS origins (origin)
    CROSS JOIN (VALUES ('bali', 20000, 2, 3), ('java', 32000, 3, 6), ('sumatra', 45000, 5, 9))
        AS far (destination, price, days_min, days_max)
) AS rates
--;
INSERT INTO orders.tax_rates (code, base_numerator, base_denominator, rate_percent, valid_from, source) VALUES
    ('PPN', 11, 12, 12, date '2025-01-01', 'PMK 131/2024 art. 3; rounding PER-11/PJ/2025 art. 129 (read in secondary sources)')
"""
