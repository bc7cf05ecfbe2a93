"""Rate limits: how many requests a minute a principal, an address or an e-mail address may make.

The header fields are those of draft-ietf-httpapi-ratelimit-headers: `RateLimit-Policy` states the limit, `RateLimit`
what is left of it, both of the limit that is nearest to its end.
"""

import importlib
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.routes import RouteClass
from gateway.windows import SharedWindows, Window, WindowMemory
from ishop.errors import TooManyRequests
from ishop.settings import Settings, SettingsError


@dataclass(frozen=True, slots=True)
class Limit:
    """So many requests of one subject in a window, which begins with its first one."""

    name: str
    amount: int
    seconds: int = 60


SIGN_IN: Final = Limit("sign-in", 20)

ANONYMOUS: Final[Mapping[RouteClass, Limit]] = {
    RouteClass.READ: Limit("public-reads", 1200),
    RouteClass.SEARCH: Limit("public-search", 600),
    RouteClass.WRITE: Limit("public-writes", 300),
    RouteClass.ORDER: Limit("public-orders", 120),
    RouteClass.HEAVY: Limit("public-heavy", 60),
    RouteClass.SIGN_IN: SIGN_IN,
}
"""Of an address whose caller is nobody, or nobody yet."""
PRINCIPAL: Final[Mapping[RouteClass, Limit]] = {
    RouteClass.READ: Limit("reads", 600),
    RouteClass.SEARCH: Limit("search", 300),
    RouteClass.WRITE: Limit("writes", 300),
    RouteClass.ORDER: Limit("orders", 120),
    RouteClass.HEAVY: Limit("heavy", 60),
}
"""Of one account, from however many addresses."""
ADDRESS_FACTOR: Final = 10
"""Of one address, with however many accounts: a hotel's or a mobile network's is shared by many honest ones."""
ADDRESS: Final[Mapping[RouteClass, Limit]] = {
    kind: Limit(f"{limit.name}-address", limit.amount * ADDRESS_FACTOR) for kind, limit in PRINCIPAL.items()
}
LIMITS: Final[Mapping[str, Limit]] = {
    limit.name: limit for limit in (*ANONYMOUS.values(), *PRINCIPAL.values(), *ADDRESS.values())
}


@dataclass(frozen=True, slots=True)
class Quota:
    """What one subject may still do in its window."""

    limit: Limit
    remaining: int
    reset_seconds: int
    exceeded: bool

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The two header fields that tell the caller."""
        name = self.limit.name
        policy = f'"{name}";q={self.limit.amount};w={self.limit.seconds}'
        state = f'"{name}";r={self.remaining};t={self.reset_seconds}'
        return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", state.encode())]

    def refusal(self) -> TooManyRequests:
        """The 429 for a caller that went over it."""
        return TooManyRequests(seconds=self.reset_seconds, headers={"Retry-After": str(self.reset_seconds)})


class RateLimits:
    """The counters of this process, shared with other gateways where there is a Valkey. `amounts` are by limit name."""

    def __init__(self, amounts: Mapping[str, int] | None = None, shared: SharedWindows | None = None) -> None:
        self._amounts = dict(amounts or {})
        self._memory = WindowMemory()
        self._shared = shared

    @classmethod
    def of(cls, settings: Settings) -> "RateLimits | None":
        """The limits that the settings ask for, if any; raises SettingsError for a limit that does not exist."""
        unknown = settings.rates.keys() - LIMITS.keys()
        if unknown:
            raise SettingsError(
                f"ISHOP_RATES names {', '.join(sorted(unknown))}, which are no limits. There are {', '.join(LIMITS)}."
            )
        if not settings.rate_limits:
            return None
        if settings.valkey_url is None:
            return cls(settings.rates)
        # Named by import string: the client of Valkey is nothing for a market without one to hold in memory.
        shared = importlib.import_module("gateway.valkey_windows").ValkeyWindows
        return cls(settings.rates, shared(settings.valkey_url.get_secret_value()))

    @property
    def counted_in(self) -> str:
        """Where requests are counted now; `memory` is that of this process."""
        return "valkey" if self._shared is not None and self._shared.reached else "memory"

    @property
    def shares(self) -> bool:
        """Whether other gateways are to count along."""
        return self._shared is not None

    async def count(self, limit: Limit, subject: str) -> Quota:
        """Count one request of `subject` against `limit`."""
        return await self.count_all([(limit, subject)])

    async def count_all(self, counted: Sequence[tuple[Limit, str]]) -> Quota:
        """Count one request against several limits; the quota that is exceeded, else the one nearest to its end."""
        keys = [(_key(limit, subject), limit.seconds) for limit, subject in counted]
        windows = [self._memory.hit(key, seconds) for key, seconds in keys]
        quotas = [self._quota(limit, window) for (limit, _), window in zip(counted, windows, strict=True)]
        # What is too much for this process alone is too much for all: a flood costs Valkey nothing.
        if self._shared is not None and not any(quota.exceeded for quota in quotas):
            shared = await self._shared.hit(keys)
            if shared is not None:
                quotas = [self._quota(limit, window) for (limit, _), window in zip(counted, shared, strict=True)]
        return min(quotas, key=_room)

    async def forget(self, limit: Limit, subject: str) -> None:
        """Let `subject` begin again."""
        self._memory.forget(_key(limit, subject), limit.seconds)
        if self._shared is not None:
            await self._shared.forget(_key(limit, subject))

    async def close(self) -> None:
        """Close the connection to Valkey."""
        if self._shared is not None:
            await self._shared.close()

    def _quota(self, limit: Limit, window: Window) -> Quota:
        if limit.name in self._amounts:
            limit = replace(limit, amount=self._amounts[limit.name])
        count, seconds = window
        return Quota(limit, max(0, limit.amount - count), seconds, exceeded=count > limit.amount)


def _key(limit: Limit, subject: str) -> str:
    return f"{limit.name}/{subject}"


def _room(quota: Quota) -> tuple[bool, float]:
    return not quota.exceeded, quota.remaining / quota.limit.amount


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
