"""What slows guessing down without ever locking the owner of an account out.

An attempt counts for the address and the network that it comes from together, for the address over all networks, and
for the network over all addresses. Who failed too often from one network at one address waits. When an address is tried
too often over all networks, or a network tries too many, only networks that the account was signed in from before get
through: its owner, at home, does not notice. It is all the same for addresses that have no account.

Attempts are counted before it is known whether they are right, so that a hundred at once are a hundred.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from gateway.rate_limits import Limit, RateLimits
from ishop.errors import TooManyRequests

WINDOW_SECONDS: Final = 15 * 60
PER_EMAIL_AND_NETWORK: Final = Limit("sign-in-email-network", 10, WINDOW_SECONDS)
PER_EMAIL: Final = Limit("sign-in-email", 30, WINDOW_SECONDS)
PER_NETWORK: Final = Limit("sign-in-network", 300, WINDOW_SECONDS)


@dataclass(frozen=True, slots=True)
class Guessing:
    """The counters; without `limits`, as in load tests, nothing is counted."""

    limits: RateLimits | None

    async def count(self, subject: str, network: str) -> TooManyRequests | None:
        """Count an attempt at an address (or an account). What to answer to networks that it does not know, if any.

        Raises TooManyRequests where this network failed too often at this address.
        """
        if self.limits is None:
            return None
        name = _hash(subject)
        of_both = await self.limits.count(PER_EMAIL_AND_NETWORK, f"{name}/{network}")
        if of_both.exceeded:
            # Not counted any further, so that one network alone cannot make the address hard to reach for all others.
            raise of_both.refusal()
        of_others = await self.limits.count_all([(PER_EMAIL, name), (PER_NETWORK, network)])
        return of_others.refusal() if of_others.exceeded else None

    async def forget(self, subject: str, network: str) -> None:
        """Begin again for who has shown that he is the owner."""
        if self.limits is not None:
            await self.limits.forget(PER_EMAIL_AND_NETWORK, f"{_hash(subject)}/{network}")


def _hash(subject: str) -> str:
    """The counters may lie in a store of others, which needs no addresses."""
    return hashlib.sha256(subject.encode()).hexdigest()[:32]
