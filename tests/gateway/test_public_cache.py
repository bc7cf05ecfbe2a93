"""The memory of public answers: what it keeps, for whom and for how long, and that nobody can tell that it is there."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest

from gateway import public_cache
from gateway.answers import LIFE_SECONDS, Answer
from gateway.public_cache import MAX_ENTRIES, OVERHEAD, Flight, Key, PublicCache
from ishop.auth import Principal, Signer
from tests.databases import Cluster
from tests.gateway.shelves import Clock, Shop, opened
from tests.gateway.test_app import logged, problem
from tests.modes import MODES, Mode

ADDRESS = "/v1/shelf/kopi"
OF_THE_CALL = {"x-request-id", "ratelimit", "ratelimit-policy"}
PUBLIC = [(b"cache-control", b"public, max-age=60"), (b"vary", b"Accept-Language"), (b"etag", b'"1"')]


@pytest.fixture(params=MODES)
async def shop(request: pytest.FixtureRequest, cluster: Cluster) -> AsyncIterator[Shop]:
    """A shop either way to run."""
    async with opened(cluster.settings, request.param) as one:
        yield one


def token(shop: Shop) -> dict[str, str]:
    """The header of somebody who is signed in."""
    return {"Authorization": f"Bearer {Signer.from_settings(shop.runtime.settings).sign(Principal(uuid4()))}"}


def told(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """All of an answer but what belongs to the one call."""
    fields = sorted((name, value) for name, value in answer.headers.multi_items() if name not in OF_THE_CALL)
    return answer.status_code, fields, answer.content


class TestKeeping:
    async def test_asked_once_for_many_when_they_come_one_after_the_other(self, shop: Shop) -> None:
        answers = [await shop.warm.get(ADDRESS) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200] * 5
        assert len({answer.content for answer in answers}) == 1
        assert shop.asked == 1

    async def test_a_change_is_told_once_the_life_is_over_and_not_before(self, shop: Shop) -> None:
        assert (await shop.warm.get(ADDRESS)).json()["stock"] == 40
        shop.state.stock = 39
        shop.clock.now += LIFE_SECONDS - 0.001
        assert (await shop.warm.get(ADDRESS)).json()["stock"] == 40
        shop.clock.now += 0.001
        assert (await shop.warm.get(ADDRESS)).json()["stock"] == 39
        assert shop.asked == 2

    async def test_the_life_counts_from_the_question_not_from_the_answer(self, shop: Shop) -> None:
        slow = asyncio.create_task(shop.warm.get("/v1/shelf/slow"))
        await shop.state.arrived.wait()
        shop.clock.now += LIFE_SECONDS
        shop.state.open.set()
        await slow
        await shop.warm.get("/v1/shelf/slow")
        assert shop.asked == 2

    @pytest.mark.parametrize(
        ("address", "headers"),
        [
            ("/v1/shelf/teh", {}),
            (f"{ADDRESS}?page=2", {}),
            (f"{ADDRESS}?old=x", {}),
            (ADDRESS, {"Accept-Language": "en"}),
        ],
    )
    async def test_asked_again_when_it_is_another_answer(
        self, shop: Shop, address: str, headers: dict[str, str]
    ) -> None:
        await shop.warm.get(ADDRESS)
        other = await shop.warm.get(address, headers=headers)
        assert shop.asked == 2
        assert told(other) == told(await shop.cold.get(address, headers=headers))

    async def test_the_language_counts_not_how_it_is_asked_for(self, shop: Shop) -> None:
        await shop.warm.get(ADDRESS, headers={"Accept-Language": "en"})
        answer = await shop.warm.get(ADDRESS, headers={"Accept-Language": "en-GB, id;q=0.3"})
        assert answer.json()["language"] == "en"
        assert shop.asked == 1

    async def test_a_second_language_line_cannot_mislead_it(self, shop: Shop) -> None:
        both = [("Accept-Language", "en"), ("Accept-Language", "id")]
        assert told(await shop.warm.get(ADDRESS, headers=both)) == told(await shop.cold.get(ADDRESS, headers=both))
        for language in ("id", "en"):
            answer = await shop.warm.get(ADDRESS, headers={"Accept-Language": language})
            assert answer.json()["language"] == answer.headers["content-language"] == language


class TestPrivacy:
    @pytest.mark.parametrize(
        "spoilt",
        [
            {"cache-control": "no-store"},
            {"cache-control": "private, max-age=60"},
            {"cache-control": "public"},
            {"cache-control": "public, max-age=0"},
            {"cache-control": "public, no-cache, max-age=60"},
            {"cache-control": "public, max-age=60, private"},
            {"set-cookie": "seen=1"},
            {"vary": "Authorization"},
            {"vary": "Accept-Language, Cookie"},
        ],
    )
    async def test_asked_each_time_when_an_answer_is_not_for_all(self, shop: Shop, spoilt: dict[str, str]) -> None:
        shop.state.spoilt = spoilt
        for number in (1, 2):
            answer = await shop.warm.get(ADDRESS, headers=token(shop))
            assert shop.asked == number
            assert told(answer) == told(await shop.cold.get(ADDRESS, headers=token(shop)))
            shop.state.asked.pop()

    async def test_asked_each_time_when_the_route_is_not_public(self, shop: Shop) -> None:
        for number in (1, 2, 3):
            answer = await shop.warm.get("/v1/own/kopi", headers={} if number == 1 else token(shop))
            assert answer.headers["cache-control"] == "public, max-age=60"
            assert shop.asked == number

    async def test_the_service_learns_nothing_of_who_asks_for_all(self, shop: Shop) -> None:
        headers = {
            **token(shop),
            "Cookie": "a=1",
            "User-Agent": "mine",
            "Accept-Language": "en-US",
            "Accept": "text/csv",
        }
        await shop.warm.get(ADDRESS, headers=headers)
        (seen,) = shop.state.asked
        assert not {"authorization", "cookie", "user-agent", "accept"} & seen.keys()
        assert seen["accept-language"] == "en"

    async def test_a_bad_token_is_refused_although_the_answer_is_there(self, shop: Shop) -> None:
        await shop.warm.get(ADDRESS)
        answer = await shop.warm.get(ADDRESS, headers={"Authorization": "Bearer nonsense"})
        problem(answer, 401, "unauthenticated")

    async def test_asked_for_itself_when_a_caller_sends_a_body(self, shop: Shop) -> None:
        await shop.warm.get(ADDRESS)
        assert (await shop.warm.request("GET", ADDRESS, content=b"x")).status_code == 200
        assert shop.asked == 2


class TestStampede:
    async def test_asked_once_when_many_come_at_once(self, shop: Shop) -> None:
        callers = [asyncio.create_task(shop.warm.get("/v1/shelf/slow")) for _ in range(64)]
        await shop.state.arrived.wait()
        shop.state.open.set()
        answers = await asyncio.gather(*callers)
        assert shop.asked == 1
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert len({answer.headers["x-request-id"] for answer in answers}) == 64

    async def test_the_others_are_served_when_the_first_gives_up(self, shop: Shop) -> None:
        first = asyncio.create_task(shop.warm.get("/v1/shelf/slow"))
        await shop.state.arrived.wait()
        others = [asyncio.create_task(shop.warm.get("/v1/shelf/slow")) for _ in range(3)]
        for _ in range(20):
            await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        shop.state.open.set()
        assert [answer.status_code for answer in await asyncio.gather(*others)] == [200] * 3
        assert shop.asked == 1

    async def test_each_has_its_own_error_and_the_next_asks_anew(self, shop: Shop) -> None:
        callers = [asyncio.create_task(shop.warm.get("/v1/shelf/slow-missing")) for _ in range(3)]
        await shop.state.arrived.wait()
        shop.state.open.set()
        answers = await asyncio.gather(*callers)
        for answer in answers:
            problem(answer, 404, "not_found")
        assert len({answer.json()["request_id"] for answer in answers}) == 3
        asked = shop.asked
        problem(await shop.warm.get("/v1/shelf/slow-missing"), 404, "not_found")
        assert shop.asked == asked + 1

    async def test_nobody_gets_what_was_asked_for_too_long_before_he_came(self, shop: Shop) -> None:
        first = asyncio.create_task(shop.warm.get("/v1/shelf/slow"))
        await shop.state.arrived.wait()
        shop.clock.now += LIFE_SECONDS
        shop.state.stock = 39
        late = [asyncio.create_task(shop.warm.get("/v1/shelf/slow")) for _ in range(8)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert shop.asked == 1
        shop.state.open.set()
        await first
        assert {answer.json()["stock"] for answer in await asyncio.gather(*late)} == {39}
        assert shop.asked == 2

    @pytest.mark.parametrize("shop", [Mode.in_process], indirect=True)
    async def test_all_are_told_when_the_service_is_gone(self, shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
        async def gone(*_: Any) -> None:
            raise RuntimeError("secret")

        shop.gateway._upstreams["shelf"] = gone  # type: ignore[assignment] # noqa: SLF001 - a service that cannot be there.
        await logged(capsys)
        answers = await asyncio.gather(*(shop.warm.get(ADDRESS) for _ in range(3)))
        for answer in answers:
            problem(answer, 500, "internal_error")
        assert len(shop.cache) == 0
        assert [line["event"] for line in await logged(capsys)].count("request") == 3


class TestSameForEverybody:
    async def test_head_304_and_what_is_of_the_call(self, shop: Shop) -> None:
        tag = (await shop.warm.get(ADDRESS)).headers["etag"]
        for method, headers in (
            ("HEAD", {}),
            ("GET", {"If-None-Match": tag}),
            ("GET", {"If-None-Match": f'"other", W/{tag}'}),
            ("GET", {"If-None-Match": "*"}),
            ("GET", {"If-None-Match": '"other"'}),
            ("HEAD", {"If-None-Match": tag}),
            ("GET", {"X-Request-Id": "followed-1"}),
        ):
            warm = await shop.warm.request(method, ADDRESS, headers=headers)
            cold = await shop.cold.request(method, ADDRESS, headers=headers)
            assert told(warm) == told(cold), (method, headers)
        assert len(shop.state.asked) == 8  # The warm one asked once, of eight.
        assert warm.headers["x-request-id"] == "followed-1"

    async def test_limits_are_counted_of_each_caller(self, cluster: Cluster) -> None:
        async with opened(cluster.settings, rate_limits=True, rates={"public-reads": 3}) as shop:
            left = [(await shop.warm.get(ADDRESS)).headers["ratelimit"].partition(";t=")[0] for _ in range(3)]
            assert left == [f'"public-reads";r={number}' for number in (2, 1, 0)]
            problem(await shop.warm.get(ADDRESS), 429, "too_many_requests")
            assert shop.asked == 1

    async def test_origins_and_deprecations_are_told_each_caller(self, cluster: Cluster) -> None:
        async with opened(cluster.settings, cors_origins=("https://shop.example",)) as shop:
            for headers in ({}, {"Origin": "https://shop.example"}, {"Origin": "https://other.example"}):
                for address in (ADDRESS, f"{ADDRESS}?old=x"):
                    warm = [await shop.warm.get(address, headers=headers) for _ in range(2)]
                    assert told(warm[0]) == told(warm[1]) == told(await shop.cold.get(address, headers=headers))

    async def test_every_call_leaves_its_line(self, shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
        await logged(capsys)
        for _ in range(3):
            await shop.warm.get(ADDRESS, headers=token(shop))
        lines = [line for line in await logged(capsys) if line.get("logger") == "gateway.access"]
        assert [(line["route"], line["status"]) for line in lines] == [("/v1/shelf/{name}", 200)] * 3
        assert len({line["request_id"] for line in lines}) == len({line["principal"] for line in lines}) == 3

    @pytest.mark.parametrize("size", [0, 3 * OVERHEAD * 8, 1 << 20])
    async def test_no_sequence_of_requests_tells_whether_it_is_on(self, cluster: Cluster, size: int) -> None:
        """Cold, full and warm: any requests, with changes behind which the life of what was kept is over."""
        chance = random.Random(size)  # noqa: S311 - a sequence that can be repeated, no secret.
        async with opened(cluster.settings, size=size, cors_origins=("https://shop.example",)) as shop:
            tags = ["*", '"none"']
            for _ in range(400):
                if chance.random() < 0.1:
                    shop.state.stock, shop.state.size = chance.randrange(3), chance.randrange(3000)
                    shop.state.spoilt = chance.choice([{}, {}, {"cache-control": "no-store"}, {"vary": "Cookie"}])
                    shop.clock.now += LIFE_SECONDS
                method = chance.choice(["GET", "GET", "GET", "HEAD", "OPTIONS", "POST"])
                name = chance.choice(["kopi", "teh", "missing", "gula"])
                query = chance.choice(["", "", "?page=2", "?page=x", "?old=1", "?unknown=1", "?page=%00"])
                headers = {
                    name: value
                    for name, values in (
                        ("Accept-Language", ["en", "id", "en;q=0.1, id"]),
                        ("If-None-Match", tags[-6:]),
                        ("Authorization", [token(shop)["Authorization"], "Bearer bad"]),
                        ("Origin", ["https://shop.example", "https://other.example"]),
                    )
                    for value in [chance.choice(values)]
                    if chance.random() < 0.4
                }
                path = f"/v1/{chance.choice(['shelf', 'shelf', 'own'])}/{name}{query}"
                # One id for both, since a problem tells it.
                headers["X-Request-Id"] = uuid4().hex
                warm = await shop.warm.request(method, path, headers=headers)
                assert told(warm) == told(await shop.cold.request(method, path, headers=headers)), (
                    method,
                    path,
                    headers,
                )
                tags += [warm.headers["etag"]] if "etag" in warm.headers else []
                assert shop.cache.bytes <= size


class TestBounds:
    async def test_never_more_bytes_than_allowed(self, cluster: Cluster) -> None:
        async with opened(cluster.settings, size=100_000) as shop:
            shop.state.size = 5000
            for page in range(60):
                await shop.warm.get(f"{ADDRESS}?page={page}")
                assert shop.cache.bytes <= 100_000
            assert 10 < len(shop.cache) < 15
            await shop.warm.get(f"{ADDRESS}?page=59")
            assert shop.asked == 60
            await shop.warm.get(f"{ADDRESS}?page=0")
            assert shop.asked == 61

    async def test_one_large_answer_does_not_push_all_others_out(self, cluster: Cluster) -> None:
        async with opened(cluster.settings, size=100_000) as shop:
            await shop.warm.get(ADDRESS)
            shop.state.size = 20_000
            assert len((await shop.warm.get(f"{ADDRESS}?page=2")).json()["more"]) == 20_000
            assert len(shop.cache) == 1

    async def test_never_more_entries_than_allowed_and_what_is_over_goes_first(self) -> None:
        clock = Clock()
        cache = PublicCache(1 << 40, clock)
        for number in range(MAX_ENTRIES + 5):
            await cache.ask(_key(number), _answering())
        assert len(cache) == MAX_ENTRIES
        assert cache.find(_key(4)) is None
        assert cache.find(_key(5)) is not None
        clock.now += LIFE_SECONDS
        await cache.ask(_key(0), _answering())
        assert len(cache) == 1
        assert cache.bytes == OVERHEAD + len("/0") + len(b"{}")

    async def test_what_is_over_goes_by_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(public_cache, "LIFE_SECONDS", 0.01)
        clock = Clock()
        cache = PublicCache(1 << 20, clock)
        await cache.ask(_key(0), _answering())
        clock.now += LIFE_SECONDS / 2
        await cache.ask(_key(1), _answering())
        for left in (1, 0):
            clock.now += LIFE_SECONDS / 2
            async with asyncio.timeout(5):
                while len(cache) > left:  # noqa: ASYNC110 - it tells nobody.
                    await asyncio.sleep(0.01)
            assert cache.find(_key(0)) is None
            assert (cache.find(_key(1)) is not None) == (left == 1)
        assert cache.bytes == 0

    async def test_kept_no_longer_than_the_answer_allows(self) -> None:
        short = Answer(200, [(b"cache-control", b"public, max-age=0")], b"{}")
        assert short.life == 0
        assert Answer(200, PUBLIC, b"{}").life == LIFE_SECONDS
        assert Answer(404, PUBLIC, b"{}").life == 0

    async def test_time_in_line_is_no_age(self) -> None:
        clock, place = Clock(), asyncio.Event()
        cache = PublicCache(1 << 20, clock)

        async def in_line(flight: Flight) -> Answer:
            await place.wait()
            flight.begin()
            return Answer(200, PUBLIC, b"{}")

        asked = asyncio.create_task(cache.ask(_key(1), in_line))
        await asyncio.sleep(0)
        clock.now += 5
        joined = asyncio.create_task(cache.ask(_key(1), _answering()))
        await asyncio.sleep(0)
        place.set()
        assert await asked is await joined is cache.find(_key(1))

    async def test_asks_no_further_when_it_is_closed(self) -> None:
        cache = PublicCache(1 << 20)

        async def never(_flight: Flight) -> Answer:
            await asyncio.get_running_loop().create_future()
            raise AssertionError

        asked = asyncio.create_task(cache.ask(_key(1), never))
        await asyncio.sleep(0)
        await cache.close()
        with pytest.raises(asyncio.CancelledError):
            await asked

    def test_off_when_its_size_is_nothing(self, cluster: Cluster) -> None:
        assert PublicCache.of(cluster.settings.model_copy(update={"cache_mib": 0})) is None
        assert PublicCache.of(cluster.settings.model_copy(update={"cache_mib": 1})) is not None


def _key(number: int) -> Key:
    return f"/{number}", b"", "id"


def _answering() -> Any:
    async def answer(flight: Flight) -> Answer:
        flight.begin()
        return Answer(200, PUBLIC, orjson.dumps({}))

    return answer
