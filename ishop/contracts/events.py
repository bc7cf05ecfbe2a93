"""Topics of the outbox that cross a service border. Keys are ids only; handlers re-read the rows."""

STOCK_AVAILABILITY_CHANGED = "vendors.stock_availability_changed.v1"
"""A sku ran out or came back; key: sku id."""

PRODUCT_CHANGED = "catalog.product_changed.v1"
"""A product's document may differ from what is indexed; key: product id."""

VENDOR_CHANGED = "vendors.vendor_changed.v1"
"""A vendor's name, place, status or certificates changed; key: vendor id."""

ORDERS_PERSON_ERASURE = "orders.person_erasure_requested.v1"
VENDORS_PERSON_ERASURE = "vendors.person_erasure_requested.v1"
PERSON_ERASURE_TOPICS = (ORDERS_PERSON_ERASURE, VENDORS_PERSON_ERASURE)
"""A person's account was deleted, and each service erases what it holds of the person; key: user id."""
