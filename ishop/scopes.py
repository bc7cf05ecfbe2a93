"""Scopes: what a token that is not a person's own may be used for, by the tag of a route and whether it only reads.

A resource that no set below names is out of reach for every such token, so a new route is closed to API keys until
somebody decides otherwise. Keys, members, acting and everything about one's own account are never to be named.
"""

from collections.abc import Iterable
from typing import Final


def _scopes(*resources: str) -> frozenset[str]:
    return frozenset(f"{resource}:{access}" for resource in resources for access in ("read", "write"))


OF_VENDORS: Final = _scopes("stock", "vendor-orders")
OF_ORGANIZATIONS: Final = _scopes("bulk-orders", "orders") | {"organizations:read"}
OF_THE_OFFICE: Final = _scopes("orders", "payments") | {"stock:read"}

SCOPES: Final = OF_VENDORS | OF_ORGANIZATIONS | OF_THE_OFFICE
"""Every scope that an API key may have."""


def needed_scope(tag: str, methods: Iterable[str]) -> str:
    """The scope that a route with this tag asks of a token that lists scopes."""
    return f"{tag}:{'read' if set(methods) <= {'GET', 'HEAD'} else 'write'}"
