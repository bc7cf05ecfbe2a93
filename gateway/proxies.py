"""Who called where a proxy stands before the gateway, and over what; a proxy is believed only where it is named."""

import functools
import ipaddress
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from starlette.types import Scope

from ishop.settings import Network

MAX_HOPS: Final = 32


class Proxies:
    """The proxies that are believed: ISHOP_TRUSTED_PROXIES."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks
        self._trusts: Callable[[str], bool] = functools.lru_cache(maxsize=1024)(self._is_one)

    def client_of(self, scope: Scope) -> tuple[str | None, str]:
        """The caller's address, and the scheme it used: of the connection, unless that comes from a proxy of ours."""
        client = scope.get("client")
        peer: str | None = client[0] if client else None
        scheme: str = scope.get("scheme", "http")
        if not self._networks or peer is None or not self._trusts(peer):
            return peer, scheme
        hops = _values(scope["headers"], b"x-forwarded-for")
        schemes = _values(scope["headers"], b"x-forwarded-proto")
        return self._nearest_stranger(peer, hops), schemes[-1] if schemes and schemes[-1] == "https" else "http"

    def _nearest_stranger(self, peer: str, hops: list[str]) -> str:
        """The rightmost address that is no proxy of ours: what stands left of it, anybody could have written.

        Where the line breaks off or cannot be read, it is the last proxy that could be told.
        """
        nearest = peer
        for hop in reversed(hops[-MAX_HOPS:]):
            address = _address(hop)
            if address is None:
                break
            nearest = address
            if not self._trusts(address):
                break
        return nearest

    def _is_one(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)


def _values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    """All values of a list field, in the order of the lines and inside each."""
    return [
        value.strip()
        for found, line in headers
        if found == name
        for value in line.decode("latin-1").split(",")
        if value.strip()
    ]


def _address(hop: str) -> str | None:
    """The address of one hop: bare, in brackets, or with a port behind it; None for anything else."""
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    try:
        return str(ipaddress.ip_address(hop))
    except ValueError:
        return None
