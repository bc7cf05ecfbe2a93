"""What the gateway counts of every request, and the figures of its limits, sign-ins and circuit breakers."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import Gauge

from gateway.routes import Route
from ishop.telemetry.metrics import REQUEST_SECONDS, Requests, counter, gauge

GATEWAY: Final = "gateway"
"""Who answers what no service does: pages, health, and what is in no route."""
UNAUTHENTICATED: Final = 401
REFUSALS: Final = frozenset({408, 413, 429, 431, 503, 504})
"""Statuses that say: not now, or not so much."""

IN_FLIGHT: Final = gauge("ishop_requests_in_flight", "Requests that a service is answering now.", "service")
REFUSED: Final = counter(
    "ishop_requests_refused_total",
    "Requests refused by a limit or for want of a part: 413 body, 429 rate, 503 not available, 504 out of time, "
    "408 and 431 slow and large heads.",
    "service",
    "status",
)
SIGN_IN_FAILURES: Final = counter(
    "ishop_sign_in_failures_total", "Passwords, codes and tokens that were not right, by route (401).", "route"
)
SHARED: Final = gauge(
    "ishop_limits_shared", "1 where rate limits are counted in Valkey, 0 where in the memory of the gateway alone."
)
CIRCUIT_OPEN: Final = gauge(
    "ishop_circuit_open", "1 where the gateway lets only a probe a second through to a service, else 0.", "service"
)


class Figures:
    """Counts what goes through the gateway's door, by the templates of its route table."""

    def __init__(self, routes: Iterable[Route]) -> None:
        known = tuple(routes)
        self._requests = Requests(REQUEST_SECONDS)
        self._services = {route.path: route.upstream for route in known}
        self._in_flight = {route.upstream: IN_FLIGHT.labels(route.upstream) for route in known}
        self._sign_ins = {route.path: SIGN_IN_FAILURES.labels(route.path) for route in known if route.signs_in}

    def in_flight(self, service: str) -> Gauge:
        """To be raised while `service` is at work on a request."""
        return self._in_flight[service]

    def count(self, method: str, route: str | None, status: int | None, seconds: float) -> None:
        """Count a request that is over; `route` is the template that it fitted."""
        service = self._services.get(route or "", GATEWAY)
        self._requests.count(service, method, route, status, seconds)
        if status in REFUSALS:
            REFUSED.labels(service, str(status)).inc()
        elif status == UNAUTHENTICATED and route in self._sign_ins:
            self._sign_ins[route].inc()
