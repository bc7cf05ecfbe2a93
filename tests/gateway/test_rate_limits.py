"""Rate limits: who is counted as whom, what the headers say, and when it is enough."""

import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from httpx import ASGITransport, AsyncClient
from pydantic import ValidationError

from gateway.rate_limits import ADDRESS, LIMITS, PRINCIPAL, SIGN_IN, RateLimits, subject_of_address
from gateway.routes import ROUTES, RouteClass
from gateway.windows import WindowMemory
from ishop.auth import Principal, Signer
from ishop.settings import Settings, SettingsError
from tests.databases import Cluster
from tests.gateway import probes
from tests.gateway.doors import BASE_URL, Door, open_door
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
        assert answer.headers["ratelimit"].startswith('"public-writes";r=299;')

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


class TestClasses:
    async def test_one_account_from_many_addresses(self, cluster: Cluster) -> None:
        settings = cluster.settings.model_copy(update={"rate_limits": True, "rates": {"reads": 3}})
        async with open_door(settings, probes.ROUTES, {probes.PROBE: probes.create_probe}) as door:
            statuses = []
            headers = bearer(door, uuid4())
            for number in range(5):
                transport = ASGITransport(door.gateway, client=(f"203.0.113.{number}", 50000))
                async with AsyncClient(transport=transport, base_url=BASE_URL) as client:
                    statuses.append((await client.get("/v1/mine", headers=headers)).status_code)
        assert statuses == [200, 200, 200, 429, 429]

    async def test_many_accounts_from_one_address(self, cluster: Cluster) -> None:
        settings = cluster.settings.model_copy(update={"rate_limits": True, "rates": {"reads-address": 3}})
        async with open_door(settings, probes.ROUTES, {probes.PROBE: probes.create_probe}) as door:
            answers = [await door.client.get("/v1/mine", headers=bearer(door, uuid4())) for _ in range(5)]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
            assert answers[-1].headers["ratelimit"].startswith('"reads-address";r=0;')

    def test_every_class_of_the_route_table_has_a_limit(self) -> None:
        kinds = {f"{route.method} {route.path}": route.kind for route in ROUTES}
        assert kinds["GET /v1/search/products"] is RouteClass.SEARCH
        assert kinds["POST /v1/orders"] is RouteClass.ORDER
        assert kinds["POST /v1/stock/batch"] is RouteClass.HEAVY
        assert kinds["POST /v1/auth/token"] is RouteClass.SIGN_IN
        assert kinds["GET /v1/orders"] is RouteClass.READ
        assert kinds["PATCH /v1/stock/{sku_id}"] is RouteClass.WRITE
        assert PRINCIPAL.keys() == ADDRESS.keys() == set(RouteClass) - {RouteClass.SIGN_IN}


class TestSettings:
    def test_amounts_are_read_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ISHOP_RATES", "search=5, sign-in=7")
        assert Settings(_env_file=None).rates == {"search": 5, "sign-in": 7}

    @pytest.mark.parametrize("text", ["search", "search=0", "search=-1", "search=many", "search=1.5", "=,"])
    def test_refused_when_they_are_no_numbers(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ISHOP_RATES", text)
        with pytest.raises(ValidationError):
            Settings(_env_file=None)

    def test_refused_when_there_is_no_such_limit(self) -> None:
        with pytest.raises(SettingsError, match="ISHOP_RATES names serach, which are no limits"):
            RateLimits.of(Settings(_env_file=None, rates={"serach": 5}))

    @pytest.mark.parametrize("url", ["127.0.0.1:6379", "http://127.0.0.1", "valkey"])
    def test_refused_when_valkey_has_no_address(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VALKEY_URL", url)
        with pytest.raises(ValidationError):
            Settings(_env_file=None)


class TestWindows:
    async def test_begins_again_when_the_window_is_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        limits, moment, reads = RateLimits(), time.time(), LIMITS["reads"]
        for _ in range(reads.amount):
            assert not (await limits.count(reads, "a")).exceeded
        assert (await limits.count(reads, "a")).exceeded
        monkeypatch.setattr(time, "time", lambda: moment + 61)
        assert (await limits.count(reads, "a")).remaining == reads.amount - 1

    def test_memory_is_bounded_when_addresses_are_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gateway.windows.MAX_WINDOWS", 1000)
        windows = WindowMemory()
        for number in range(5000):
            windows.hit(f"address-{number}", 60)
        assert len(windows) == 1000

    def test_ended_windows_are_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        windows, moment = WindowMemory(), time.time()
        for number in range(100):
            windows.hit(f"address-{number}", 60)
        monkeypatch.setattr(time, "time", lambda: moment + 61)
        windows.hit("another", 60)
        assert len(windows) == 1


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
