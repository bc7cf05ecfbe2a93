"""What the reconciler of the product index finds, as figures."""

from typing import Final

from ishop.telemetry.metrics import counter, gauge

DRIFT: Final = gauge(
    "ishop_index_drift",
    "Products that differed in Meilisearch and in the database when the reconciler last looked, what was on its way "
    "included; it sends them again.",
)
REBUILDS: Final = counter("ishop_index_rebuilds_total", "How often the whole index was built anew.")
