"""Rate limits: how many requests a minute a principal, an address or an e-mail address may make.

Fixed windows of one minute, counted in the memory of this process. The headers are those of
draft-ietf-httpapi-ratelimit-headers: `RateLimit-Policy` states the limit, `RateLimit` what is left of it.
"""

import ipaddress
import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from limits import RateLimitItemPerMinute
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from ishop.errors import TooManyRequests

PUBLIC_READS: Final = RateLimitItemPerMinute(1200, namespace="public-reads")
READS: Final = RateLimitItemPerMinute(600, namespace="reads")
WRITES: Final = RateLimitItemPerMinute(300, namespace="writes")
SIGN_IN: Final = RateLimitItemPerMinute(20, namespace="sign-in")

WINDOW_SECONDS: Final = 60
MAX_WINDOWS: Final = 100_000


class WindowMemory(Storage):
    """Counters in memory. Every window is as long as every other, so the oldest is always the first to end.

    The library's own memory storage starts a thread every 10 ms of traffic that walks over all keys: measured 16 us a
    request and stalls of 24 ms with 50,000 keys, which anybody with as many addresses could bring about.
    """

    STORAGE_SCHEME = None

    def __init__(self) -> None:
        super().__init__()
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    @property
    def base_exceptions(self) -> type[Exception]:
        """What a broken storage raises: this one cannot break."""
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count `amount` more in the window of `key`, which ends `expiry` seconds after its first request."""
        now = time.time()
        ends, count = self._windows.get(key, (0.0, 0))
        if ends <= now:
            self._forget(key, now)
            ends, count = now + expiry, 0
        self._windows[key] = (ends, count + amount)
        return count + amount

    def get(self, key: str) -> int:
        """What was counted in the window of `key` so far."""
        ends, count = self._windows.get(key, (0.0, 0))
        return count if ends > time.time() else 0

    def get_expiry(self, key: str) -> float:
        """When the window of `key` ends, as a Unix time; now where there is none."""
        ends, _ = self._windows.get(key, (0.0, 0))
        return max(ends, time.time())

    def check(self) -> bool:
        """Whether counting works."""
        return True

    def reset(self) -> int:
        """Forget everything and return how many windows there were."""
        forgotten = len(self._windows)
        self._windows.clear()
        return forgotten

    def clear(self, key: str) -> None:
        """Forget the window of `key`."""
        self._windows.pop(key, None)

    def _forget(self, key: str, now: float) -> None:
        """Make room for a new window of `key`: its old one goes, and the oldest that have ended or are too many."""
        self._windows.pop(key, None)
        while self._windows:
            oldest = next(iter(self._windows))
            if self._windows[oldest][0] > now and len(self._windows) < MAX_WINDOWS:
                return
            del self._windows[oldest]


@dataclass(frozen=True, slots=True)
class Quota:
    """What one subject may still do in its window."""

    limit: RateLimitItemPerMinute
    remaining: int
    reset_seconds: int
    exceeded: bool

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The two header fields that tell the caller."""
        name = self.limit.namespace
        policy = f'"{name}";q={self.limit.amount};w={WINDOW_SECONDS}'
        state = f'"{name}";r={self.remaining};t={self.reset_seconds}'
        return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", state.encode())]

    def refusal(self) -> TooManyRequests:
        """The 429 for a caller that went over it."""
        return TooManyRequests(seconds=self.reset_seconds, headers={"Retry-After": str(self.reset_seconds)})


class RateLimits:
    """The counters of this process."""

    def __init__(self) -> None:
        self._windows = WindowMemory()
        self._limiter = FixedWindowRateLimiter(self._windows)

    def count(self, limit: RateLimitItemPerMinute, subject: str) -> Quota:
        """Count one request of `subject` against `limit`."""
        allowed = self._limiter.hit(limit, subject)
        window = self._limiter.get_window_stats(limit, subject)
        seconds = max(1, math.ceil(window.reset_time - time.time()))
        return Quota(limit, window.remaining, seconds, exceeded=not allowed)

    def forget(self, limit: RateLimitItemPerMinute, subject: str) -> None:
        """Let `subject` begin again."""
        self._limiter.clear(limit, subject)


def subject_of_address(host: str | None) -> str:
    """Who stands behind a client address: an IPv4 address itself, of IPv6 the /64 that one customer gets."""
    if host is None or ":" not in host:
        return host or "unknown"
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False))
