"""Whose address counts: only proxies that are named may say who called, and only as far as they can know."""

from ipaddress import ip_network

import pytest
from httpx import ASGITransport, AsyncClient
from pydantic import ValidationError

from gateway.proxies import Proxies
from ishop.settings import Settings
from tests.databases import Cluster
from tests.gateway import probes
from tests.gateway.doors import BASE_URL, open_door

TRUSTED = Proxies([ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48")])
NOBODY = Proxies([])


def caller(proxies: Proxies, peer: str, *lines: str, proto: str | None = None) -> tuple[str | None, str]:
    headers = [(b"x-forwarded-for", line.encode()) for line in lines]
    if proto is not None:
        headers.append((b"x-forwarded-proto", proto.encode()))
    return proxies.client_of({"client": (peer, 50000), "headers": headers, "scheme": "http"})


class TestForwarded:
    def test_not_believed_when_no_proxy_is_named(self) -> None:
        assert caller(NOBODY, "127.0.0.1", "198.51.100.9", proto="https") == ("127.0.0.1", "http")

    def test_not_believed_when_it_comes_from_elsewhere(self) -> None:
        assert caller(TRUSTED, "203.0.113.7", "198.51.100.9", proto="https") == ("203.0.113.7", "http")

    def test_believed_when_the_proxy_is_ours(self) -> None:
        assert caller(TRUSTED, "10.1.2.3", "198.51.100.9", proto="https") == ("198.51.100.9", "https")
        assert caller(TRUSTED, "2001:db8:ffff::1", "2001:db8:5::9") == ("2001:db8:5::9", "http")
        assert caller(TRUSTED, "::ffff:10.1.2.3", "198.51.100.9") == ("198.51.100.9", "http")

    @pytest.mark.parametrize(
        ("lines", "found"),
        [
            (("1.1.1.1, 198.51.100.9",), "198.51.100.9"),  # what the caller wrote itself stands to the left
            (("1.1.1.1", "198.51.100.9"),  "198.51.100.9"),  # a line of its own changes nothing
            (("198.51.100.9, 10.9.9.9",), "198.51.100.9"),  # two proxies of ours
            (("1.1.1.1, 198.51.100.9, 10.9.9.9, 10.8.8.8",), "198.51.100.9"),
            (("10.7.7.7, 10.8.8.8",), "10.7.7.7"),  # a call from inside
            (("198.51.100.9:4711",), "198.51.100.9"),
            (("[2001:db8:5::9]:443",), "2001:db8:5::9"),
            (("198.51.100.9, unknown",), "10.1.2.3"),  # what cannot be read ends the line
            (("198.51.100.9, '; DROP TABLE, 10.9.9.9",), "10.9.9.9"),
            (("",), "10.1.2.3"),
            ((), "10.1.2.3"),
            ((", ".join(["10.0.0.1"] * 5000),), "10.0.0.1"),
        ],
    )  # fmt: skip
    def test_the_rightmost_stranger(self, lines: tuple[str, ...], found: str) -> None:
        assert caller(TRUSTED, "10.1.2.3", *lines)[0] == found

    def test_the_last_scheme_counts(self) -> None:
        assert caller(TRUSTED, "10.1.2.3", proto="https, http")[1] == "http"
        assert caller(TRUSTED, "10.1.2.3", proto="gopher")[1] == "http"

    def test_nobody_where_there_is_no_connection(self) -> None:
        assert TRUSTED.client_of({"client": None, "headers": []}) == (None, "http")


class TestCounting:
    async def test_one_caller_cannot_be_many(self, cluster: Cluster) -> None:
        """Ten addresses in the header, one connection, no proxy: one subject."""
        statuses = await ask(cluster, "203.0.113.7", "10.0.0.0/8")
        assert statuses == [200, 200, 200, 429, 429]

    async def test_callers_behind_our_proxy_are_told_apart(self, cluster: Cluster) -> None:
        assert await ask(cluster, "10.1.2.3", "10.0.0.0/8") == [200] * 5


async def ask(cluster: Cluster, peer: str, trusted: str) -> list[int]:
    settings = cluster.settings.model_copy(
        update={"rate_limits": True, "rates": {"public-reads": 3}, "trusted_proxies": (ip_network(trusted),)}
    )
    async with open_door(settings, probes.ROUTES, {probes.PROBE: probes.create_probe}) as door:
        transport = ASGITransport(door.gateway, client=(peer, 50000))
        async with AsyncClient(transport=transport, base_url=BASE_URL) as client:
            return [
                (await client.get("/v1/seen", headers={"X-Forwarded-For": f"198.51.100.{number}"})).status_code
                for number in range(5)
            ]


class TestSettings:
    def test_read_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ISHOP_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1,2001:db8::/32")
        found = Settings(_env_file=None).trusted_proxies
        assert [str(network) for network in found] == ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"]

    @pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy.local", "*", "10.0.0.0/33"])
    def test_refused_when_it_is_no_range(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ISHOP_TRUSTED_PROXIES", text)
        with pytest.raises(ValidationError):
            Settings(_env_file=None)
