"""The route table: every operation that exists, and which service answers it. What is not here does not exist."""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ishop.deprecation import Deprecation
from ishop.errors import MethodNotAllowed, NotFound

CATALOG: Final = "catalog"
VENDORS: Final = "vendors"
ORDERS: Final = "orders"
IDENTITY: Final = "identity"

KIB: Final = 1024
MIB: Final = 1024 * KIB
ORDER: Final = 256 * KIB
"""1,000 lines of 100 bytes, twice over. What may be longer costs more to refuse than to serve."""


class RouteClass(StrEnum):
    """What a request costs and how much it matters: limits and places in line are given out by it."""

    READ = "read"
    SEARCH = "search"
    WRITE = "write"
    ORDER = "order"
    HEAVY = "heavy"
    """A batch of thousands of rows."""
    SIGN_IN = "sign-in"


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: `path` is the template that the service itself uses, letter for letter."""

    method: str
    path: str
    upstream: str
    special: RouteClass | None = None
    """Where it is no common read or write."""
    body_limit: int = MIB
    """In bytes; a longer body is answered with 413."""
    signs_in: bool = False
    """The caller is nobody yet: its Authorization header is ignored, and the tight limits against guessing hold."""
    public: bool = False
    """Its answer is the same for everybody, whoever calls: the service is asked by nobody, and once for many."""
    deprecations: tuple[Deprecation, ...] = ()
    """What of it is to go, and what to use instead: told in the document and in the header fields of its answers."""

    @property
    def kind(self) -> RouteClass:
        """Its class: what it says itself, else a read or a write."""
        if self.signs_in:
            return RouteClass.SIGN_IN
        return self.special or (RouteClass.READ if self.method == "GET" else RouteClass.WRITE)


ROUTES: Final = (
    # Find: search, and what things are called
    Route("GET", "/v1/search/products", CATALOG, RouteClass.SEARCH, public=True),
    Route("GET", "/v1/search/suggestions", CATALOG, RouteClass.SEARCH, public=True),
    Route("GET", "/v1/products", CATALOG, public=True),
    Route("GET", "/v1/products/{id_or_slug}", CATALOG, public=True),
    Route("GET", "/v1/commodities", CATALOG, public=True),
    Route("GET", "/v1/commodities/{slug}", CATALOG, public=True),
    Route("GET", "/v1/categories", CATALOG, public=True),
    Route("GET", "/v1/regions", CATALOG, public=True),
    # Producers, and what they have
    Route("GET", "/v1/vendors", VENDORS, public=True),
    Route("GET", "/v1/vendors/{vendor}", VENDORS, public=True),
    Route("GET", "/v1/vendors/{vendor}/members", VENDORS),
    Route("PATCH", "/v1/vendors/{vendor}/members/{user_id}", VENDORS, body_limit=16 * KIB),
    Route("DELETE", "/v1/vendors/{vendor}/members/{user_id}", VENDORS),
    Route("POST", "/v1/vendors/{vendor}/invitations", VENDORS, body_limit=16 * KIB),
    Route("GET", "/v1/vendors/{vendor}/invitations", VENDORS),
    Route("DELETE", "/v1/vendors/{vendor}/invitations/{invitation_id}", VENDORS),
    Route("GET", "/v1/stock", VENDORS),
    Route("GET", "/v1/stock/{sku_id}", VENDORS),
    Route("PATCH", "/v1/stock/{sku_id}", VENDORS),
    Route("GET", "/v1/stock/{sku_id}/movements", VENDORS),
    Route("POST", "/v1/stock/batch", VENDORS, RouteClass.HEAVY, body_limit=2 * MIB),
    # Who calls
    Route("POST", "/v1/auth/register", IDENTITY, body_limit=16 * KIB, signs_in=True),
    Route("POST", "/v1/auth/confirm", IDENTITY, body_limit=16 * KIB, signs_in=True),
    Route("POST", "/v1/auth/confirm/resend", IDENTITY, body_limit=16 * KIB),
    Route("POST", "/v1/auth/token", IDENTITY, body_limit=16 * KIB, signs_in=True),
    Route("POST", "/v1/auth/revoke", IDENTITY, body_limit=16 * KIB, signs_in=True),
    Route("POST", "/v1/auth/password/reset", IDENTITY, body_limit=16 * KIB, signs_in=True),
    Route("POST", "/v1/auth/password/reset/confirm", IDENTITY, body_limit=16 * KIB, signs_in=True),
    Route("GET", "/v1/me", IDENTITY),
    Route("POST", "/v1/me/password", IDENTITY, body_limit=16 * KIB),
    Route("GET", "/v1/me/export", IDENTITY),
    Route("POST", "/v1/me/delete", IDENTITY, body_limit=16 * KIB),
    Route("GET", "/v1/me/sessions", IDENTITY),
    Route("DELETE", "/v1/me/sessions/{session_id}", IDENTITY),
    Route("POST", "/v1/me/sessions/end-others", IDENTITY, body_limit=16 * KIB),
    Route("POST", "/v1/invitations/accept", IDENTITY, body_limit=16 * KIB),
    Route("POST", "/v1/auth/act", IDENTITY, body_limit=16 * KIB),
    Route("GET", "/v1/acting-grants", IDENTITY),
    Route("POST", "/v1/api-keys", IDENTITY, body_limit=16 * KIB),
    Route("GET", "/v1/api-keys", IDENTITY),
    Route("DELETE", "/v1/api-keys/{api_key_id}", IDENTITY),
    Route("POST", "/v1/api-keys/{api_key_id}/rotate", IDENTITY, body_limit=16 * KIB),
    # Look back
    Route("GET", "/v1/audit-log", IDENTITY),
    # Buy
    Route("POST", "/v1/orders/preview", ORDERS, RouteClass.ORDER, body_limit=ORDER),
    Route("POST", "/v1/orders", ORDERS, RouteClass.ORDER, body_limit=ORDER),
    Route("GET", "/v1/orders", ORDERS),
    Route("GET", "/v1/orders/{order_id}", ORDERS),
    Route("POST", "/v1/orders/{order_id}/cancel", ORDERS),
    Route("POST", "/v1/orders/{order_id}/payments", ORDERS),
    # Buy for an organization
    Route("GET", "/v1/organizations", ORDERS),
    Route("GET", "/v1/organizations/{organization_id}/members", ORDERS),
    Route("PATCH", "/v1/organizations/{organization_id}/members/{user_id}", ORDERS, body_limit=16 * KIB),
    Route("DELETE", "/v1/organizations/{organization_id}/members/{user_id}", ORDERS),
    Route("POST", "/v1/organizations/{organization_id}/invitations", ORDERS, body_limit=16 * KIB),
    Route("GET", "/v1/organizations/{organization_id}/invitations", ORDERS),
    Route("DELETE", "/v1/organizations/{organization_id}/invitations/{invitation_id}", ORDERS),
    Route("POST", "/v1/bulk-orders/preview", ORDERS, RouteClass.ORDER, body_limit=ORDER),
    Route("POST", "/v1/bulk-orders", ORDERS, RouteClass.ORDER, body_limit=ORDER),
    Route("GET", "/v1/bulk-orders", ORDERS),
    Route("GET", "/v1/bulk-orders/{order_id}", ORDERS),
    # Sell: a producer's part of an order
    Route("GET", "/v1/vendor-orders", ORDERS),
    Route("GET", "/v1/vendor-orders/{vendor_order_id}", ORDERS),
    Route("POST", "/v1/vendor-orders/{vendor_order_id}/accept", ORDERS),
    Route("POST", "/v1/vendor-orders/{vendor_order_id}/reject", ORDERS),
    Route("POST", "/v1/vendor-orders/{vendor_order_id}/ship", ORDERS),
    Route("POST", "/v1/vendor-orders/{vendor_order_id}/deliver", ORDERS),
)

# Ids, slugs and numbers need no other characters, so there is nothing to decode and nothing to normalise: an escape,
# a dot segment, a doubled or trailing slash, a matrix parameter or another case is simply another address.
VARIABLE_PATH: Final = re.compile(r"(?:/[A-Za-z0-9_-]{1,128})+")

Methods = Mapping[str, Route]

PATHS_REMEMBERED: Final = 4096
"""Of those that a route fits; the same pages are asked for again and again."""


@dataclass(slots=True)
class _Node:
    """A place in the tree of paths: its own methods, and what may follow. A fixed segment goes before a variable."""

    methods: dict[str, Route] = field(default_factory=dict)
    fixed: dict[str, "_Node"] = field(default_factory=dict)
    variable: "_Node | None" = None

    def child(self, segment: str) -> "_Node":
        if segment.startswith("{"):
            self.variable = self.variable or _Node()
            return self.variable
        return self.fixed.setdefault(segment, _Node())


class RouteTable:
    """Finds the route of a request in a few dictionary look-ups."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        self._fixed_paths: dict[str, Methods] = {}
        self._walk = functools.lru_cache(maxsize=PATHS_REMEMBERED)(self._find)
        for route in routes:
            node = self._root
            for segment in route.path[1:].split("/"):
                node = node.child(segment)
            if route.method in node.methods:
                raise ValueError(f"{route.method} {route.path} is in the route table twice")
            node.methods[route.method] = route
            if route.method == "GET":
                node.methods["HEAD"] = route
            if "{" not in route.path:
                self._fixed_paths[route.path] = node.methods

    def find(self, method: str, path: str) -> Route:
        """The route of a request; `path` is what the caller sent, not decoded. Raises NotFound, MethodNotAllowed."""
        methods = self._fixed_paths.get(path) or self._walk(path)
        route = methods.get(method)
        if route is None:
            raise MethodNotAllowed(headers={"Allow": ", ".join(sorted(methods))})
        return route

    def methods(self, path: str) -> str:
        """The methods of a path, as an Allow field lists them. Raises NotFound."""
        return ", ".join(sorted(self._fixed_paths.get(path) or self._walk(path)))

    def _find(self, path: str) -> Methods:
        if VARIABLE_PATH.fullmatch(path) is None:
            raise NotFound
        node = self._root
        for segment in path[1:].split("/"):
            following = node.fixed.get(segment) or node.variable
            if following is None:
                raise NotFound
            node = following
        if not node.methods:
            raise NotFound
        return node.methods
