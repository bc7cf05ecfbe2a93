"""The requests of buyers: orders of one line by a consumer, bulk orders of many exact skus by a hotel."""

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from benchmarks.load import http_request
from benchmarks.supplies import Offer, Supplies
from ishop.clock import business_date, now

DELIVERY_DAYS: Final = 30
SHIP_TO: Final = {
    "name": "Baiq Rahmawati",
    "phone": "+62 370 000111",
    "address": "Jl. Contoh 1, Ampenan",
    "region_code": "52.71",
    "postal_code": "83114",
}


def order_body(offer: Offer) -> dict[str, Any]:
    """One line of the least quantity, paid at delivery, so that the order is confirmed at once."""
    return {"lines": [_line(offer)], "ship_to": SHIP_TO, "payment_method": "cod"}


def bulk_body(supplies: Supplies, lines: int) -> dict[str, Any]:
    """An order of a hotel on terms: the same `lines` skus of the whole market every time, from many vendors."""
    chosen = random.Random(lines).sample(supplies.offers, lines)  # noqa: S311 - which skus are bought is no secret.
    return {
        "organization_id": supplies.organization_id,
        "po_number": f"PO-BENCH-{lines}",
        "deliver_on": (business_date(now()) + timedelta(days=DELIVERY_DAYS)).isoformat(),
        "lines": [_line(offer) for offer in chosen],
        "ship_to": SHIP_TO,
        "payment_method": "terms",
    }


def one_line_orders(supplies: Supplies, offers: Sequence[Offer]) -> Iterator[bytes]:
    """Orders of one of the `offers` each, without end, each with a key of its own."""
    dice = random.Random()  # noqa: S311 - see above.
    while True:
        yield post("/v1/orders", supplies.consumer, order_body(dice.choice(offers)))


def bulk_orders(supplies: Supplies, lines: int) -> Iterator[bytes]:
    """The same bulk order again and again, each time with a new key and therefore a new order."""
    body = bulk_body(supplies, lines)
    while True:
        yield post("/v1/bulk-orders", supplies.hotel, body)


def post(target: str, token: str, body: object) -> bytes:
    """A write with an Idempotency-Key of its own."""
    return http_request("POST", target, token=token, headers={"Idempotency-Key": uuid4().hex}, body=body)


def _line(offer: Offer) -> dict[str, Any]:
    return {"sku_id": str(offer.sku_id), "quantity": offer.quantity}
