"""The requests of a vendor: what a day of sales without a network did to 10,000 skus, sent in one batch."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from benchmarks.orders import post
from benchmarks.supplies import Supplies


def batch_body(supplies: Supplies) -> dict[str, Any]:
    """One pack more of every sku, by a device that was never seen before, so that no row is a duplicate."""
    device = uuid4().hex
    return {
        "mode": "partial",
        "rows": [
            {"sku_id": str(sku_id), "delta": 1, "device_id": device, "sequence": sequence}
            for sequence, sku_id in enumerate(supplies.stock_skus)
        ],
    }


def batches(supplies: Supplies) -> Iterator[bytes]:
    """Batches without end."""
    while True:
        yield post("/v1/stock/batch", supplies.vendor, batch_body(supplies))
