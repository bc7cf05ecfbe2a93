"""Where somebody signs in from: no more of it than is needed to recognise the place."""

import hashlib
import ipaddress
import re
from dataclasses import dataclass
from typing import Final

UNKNOWN: Final = "unknown"
MAX_USER_AGENT: Final = 200
UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A client as a session remembers it: its network instead of its address, and what it calls itself."""

    network: str
    user_agent: str

    @classmethod
    def of(cls, host: str | None, user_agent: str | None) -> "Place":
        """The place of a request."""
        return cls(network_of(host), UNPRINTABLE.sub(" ", user_agent or "").strip()[:MAX_USER_AGENT])

    @property
    def network_hash(self) -> bytes:
        """What is kept of the network for longer than the session lives."""
        return hashlib.sha256(self.network.encode()).digest()


def network_of(host: str | None) -> str:
    """The network of an address: of IPv4 the /24, of IPv6 the /64 that one customer gets."""
    try:
        address = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return UNKNOWN
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 64), strict=False))  # noqa: PLR2004 - IPv4.
