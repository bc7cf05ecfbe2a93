"""Rate limits: who is counted as whom, what the headers say, and when it is enough."""

import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from gateway.rate_limits import READS, SIGN_IN, WINDOW_SECONDS, RateLimits, WindowMemory, subject_of_address
from ishop.auth import Principal, Signer
from tests.databases import Cluster
from tests.gateway import probes
from tests.gateway.doors import Door, open_door
from tests.gateway.test_app import problem


@pytest.fixture
async def limited(cluster: Cluster) -> AsyncIterator[Door]:
    """A gateway that counts, before the probe service."""
    settings = cluster.settings.model_copy(update={"rate_limits": True})
    async with open_door(settings, probes.ROUTES, {probes.PROBE: probes.create_probe}) as opened:
        yield opened


def bearer(door: Door, user: UUID) -> dict[str, str]:
    """The header of a signed-in user."""
    return {"Authorization": f"Bearer {Signer.from_settings(door.runtime.settings).sign(Principal(user))}"}


class TestHeaders:
    async def test_absent_when_limits_are_off(self, door: Door) -> None:
        headers = (await door.client.get("/v1/seen")).headers
        assert "ratelimit" not in headers
        assert "ratelimit-policy" not in headers

    async def test_say_what_is_left(self, limited: Door) -> None:
        await limited.client.get("/v1/seen")
        headers = (await limited.client.get("/v1/seen/a")).headers
        assert headers["ratelimit-policy"] == '"public-reads";q=1200;w=60'
        left, seconds = headers["ratelimit"].removeprefix('"public-reads";r=').split(";t=")
        assert left == "1198"
        assert 55 <= int(seconds) <= 60

    async def test_health_is_never_counted(self, limited: Door) -> None:
        assert "ratelimit" not in (await limited.client.get("/healthz")).headers


class TestCounting:
    async def test_each_principal_by_itself(self, limited: Door) -> None:
        first, second = uuid4(), uuid4()
        await limited.client.get("/v1/mine", headers=bearer(limited, first))
        again = await limited.client.get("/v1/mine", headers=bearer(limited, first))
        other = await limited.client.get("/v1/mine", headers=bearer(limited, second))
        assert again.headers["ratelimit"].startswith('"reads";r=598;')
        assert other.headers["ratelimit"].startswith('"reads";r=599;')

    async def test_reads_and_writes_apart(self, limited: Door) -> None:
        await limited.client.get("/v1/seen")
        answer = await limited.client.post("/v1/things", json={"text": "kopi"})
        assert answer.headers["ratelimit"].startswith('"writes";r=299;')

    async def test_bad_tokens_count_for_their_address(self, limited: Door) -> None:
        headers = {"Authorization": "Bearer forged"}
        await limited.client.get("/v1/mine", headers=headers)
        answer = await limited.client.get("/v1/mine", headers=headers)
        problem(answer, 401, "unauthenticated")
        assert answer.headers["ratelimit"].startswith('"public-reads";r=1198;')

    async def test_refused_when_it_is_enough(self, limited: Door) -> None:
        for _ in range(SIGN_IN.amount):
            assert (await limited.client.post("/v1/sign-in")).status_code == 200
        answer = await limited.client.post("/v1/sign-in", headers={"Accept-Language": "en"})
        body = problem(answer, 429, "too_many_requests")
        seconds = int(answer.headers["retry-after"])
        assert 55 <= seconds <= 60
        assert body["detail"] == f"Too many requests; try again in {seconds} seconds."
        assert answer.headers["ratelimit"] == f'"sign-in";r=0;t={seconds}'
        assert (await limited.client.get("/v1/seen")).status_code == 200


class TestWindows:
    def test_begins_again_when_the_window_is_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        limits, moment = RateLimits(), time.time()
        for _ in range(READS.amount):
            assert not limits.count(READS, "a").exceeded
        assert limits.count(READS, "a").exceeded
        monkeypatch.setattr(time, "time", lambda: moment + WINDOW_SECONDS + 1)
        assert limits.count(READS, "a").remaining == READS.amount - 1

    def test_memory_is_bounded_when_addresses_are_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gateway.rate_limits.MAX_WINDOWS", 1000)
        windows = WindowMemory()
        for number in range(5000):
            windows.incr(f"address-{number}", WINDOW_SECONDS)
        assert windows.reset() == 1000
        assert windows.get("address-4999") == 0

    def test_ended_windows_are_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        windows, moment = WindowMemory(), time.time()
        for number in range(100):
            windows.incr(f"address-{number}", WINDOW_SECONDS)
        monkeypatch.setattr(time, "time", lambda: moment + WINDOW_SECONDS + 1)
        windows.incr("another", WINDOW_SECONDS)
        assert windows.reset() == 1


@pytest.mark.parametrize(
    ("host", "subject"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not:an:address", "not:an:address"),
        (None, "unknown"),
    ],
)
def test_subject_of_an_address(host: str | None, subject: str) -> None:
    assert subject_of_address(host) == subject
