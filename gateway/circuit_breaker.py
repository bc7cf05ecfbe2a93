"""A circuit breaker: where a service does not answer, callers are told at once instead of waiting one by one."""

import time
from collections.abc import Callable
from typing import Final

import structlog

from gateway.figures import CIRCUIT_OPEN
from ishop.errors import Unavailable

log = structlog.get_logger(__name__)

FAILURES_IN_A_ROW: Final = 5
OPEN_SECONDS: Final = 1.0
"""How long nobody is let through; callers are told to come back after as long (Retry-After)."""


class CircuitBreaker:
    """Closed, it counts; after FAILURES_IN_A_ROW it opens; half-open, it lets one call a second through as a probe.

    An answer closes it. That a probe is under way is not remembered, so one that hangs, or whose caller hangs up, keeps
    nobody out: a second later there is another.
    """

    def __init__(self, service: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._clock = clock
        self._failures = 0
        self._next_probe = 0.0
        self._open = CIRCUIT_OPEN.labels(service)
        self._open.set(0)

    def admit(self) -> None:
        """Before a call; raises Unavailable where it is not to be made."""
        if self._failures < FAILURES_IN_A_ROW:
            return
        now = self._clock()
        if now < self._next_probe:
            raise Unavailable
        self._next_probe = now + OPEN_SECONDS

    def answered(self) -> None:
        """The service answered, whatever it said."""
        if self._failures >= FAILURES_IN_A_ROW:
            self._open.set(0)
            log.warning("circuit closed", upstream=self._service)
        self._failures = 0

    def failed(self) -> None:
        """The service could not be connected to, or had a whole request and did not answer in time."""
        self._failures += 1
        if self._failures == FAILURES_IN_A_ROW:
            self._next_probe = self._clock() + OPEN_SECONDS
            self._open.set(1)
            log.warning("circuit opened", upstream=self._service)
