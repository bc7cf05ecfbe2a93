"""Places in line: what is full sends away, everything else goes on, and nothing grows without bound."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from gateway.admission import SHARES, Admission, Lane
from gateway.routes import ROUTES, RouteClass
from ishop.errors import Overloaded
from ishop.settings import Settings, SettingsError
from tests.databases import Cluster
from tests.gateway import probes
from tests.gateway.doors import Door, open_door
from tests.gateway.test_app import problem

PATIENCE = 20


@pytest.fixture
async def narrow(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Door]:
    """A gateway with two places for writes and a line of three, whose requests wait there for as long as it takes."""
    share = SHARES[RouteClass.WRITE]
    few = type(share)(at_once=2, line=3, patience=PATIENCE, deadline=PATIENCE)
    monkeypatch.setattr("gateway.admission.SHARES", {**SHARES, RouteClass.WRITE: few})
    async with open_door(cluster.settings, probes.ROUTES, {probes.PROBE: probes.create_probe}) as opened:
        probes.held.clear()
        probes.arrived = 0
        yield opened
        probes.held.set()


class TestLane:
    async def test_gives_places_in_the_order_of_coming(self) -> None:
        lane, order = Lane(1, 100, PATIENCE, "test", "order"), []

        async def go(number: int) -> None:
            async with lane.place():
                order.append(number)
                await asyncio.sleep(0)

        await asyncio.gather(*(go(number) for number in range(20)))
        assert order == list(range(20))

    async def test_never_more_at_once_whatever_is_cancelled(self) -> None:
        lane, inside, most = Lane(3, 1000, PATIENCE, "test", "cancelled"), 0, 0

        async def go() -> None:
            nonlocal inside, most
            async with lane.place():
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.001)
                inside -= 1

        tasks = [asyncio.create_task(go()) for _ in range(200)]
        for task in tasks[10::3]:
            await asyncio.sleep(0)
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(one) for one in ended} <= {type(None), asyncio.CancelledError}
        assert most == 3
        async with AsyncExitStack() as stack:
            for _ in range(3):  # All places came back: three go in without waiting.
                await stack.enter_async_context(lane.place())
            with pytest.raises(Overloaded):
                async with Lane(0, 0, PATIENCE, "test", "none").place():
                    pass

    async def test_who_gives_up_in_the_moment_a_place_comes_back_just_goes(self) -> None:
        lane = Lane(1, 10, PATIENCE, "test", "moment")

        async def go() -> None:
            async with lane.place():
                pass

        async with lane.place():
            leaving, staying = asyncio.create_task(go()), asyncio.create_task(go())
            await asyncio.sleep(0)
            leaving.cancel()  # It hears of this only after the place was given back.
        with pytest.raises(asyncio.CancelledError):
            await leaving
        await staying
        await go()

    async def test_nobody_waits_longer_than_the_patience(self) -> None:
        lane = Lane(1, 10, 0.01, "test", "patience")
        async with lane.place():
            with pytest.raises(Overloaded):
                async with lane.place():
                    pass
        async with lane.place():
            pass


class TestGateway:
    async def test_full_sends_away_and_says_when_to_come_back(self, narrow: Door) -> None:
        waiting = [asyncio.create_task(narrow.client.post("/v1/held")) for _ in range(5)]
        async with asyncio.timeout(PATIENCE):
            while probes.arrived < 2:  # noqa: ASYNC110 - the probe counts, it has no event for a number.
                await asyncio.sleep(0.01)
        answers = await asyncio.gather(*(narrow.client.post("/v1/held") for _ in range(50)))
        for answer in answers:
            body = problem(answer, 503, "overloaded")
            assert answer.headers["retry-after"] == "1"
            assert body["detail"].startswith("Terlalu banyak")
        # Other classes do not notice.
        assert (await narrow.client.get("/v1/seen")).status_code == 200
        assert (await narrow.client.post("/v1/sign-in")).status_code == 200
        assert (await narrow.client.get("/healthz")).status_code == 200
        assert probes.arrived == 2
        probes.held.set()
        assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200}

    async def test_who_sends_slowly_holds_no_place(self, narrow: Door) -> None:
        """Ten bodies that do not end, two places: a whole request goes past all of them."""
        probes.held.set()
        never = asyncio.Event()

        async def dribble() -> AsyncIterator[bytes]:
            yield b'{"text":'
            await never.wait()

        slow = [
            asyncio.create_task(
                narrow.client.post("/v1/things", content=dribble(), headers={"Content-Type": "application/json"})
            )
            for _ in range(10)
        ]
        await asyncio.sleep(0)
        assert (await narrow.client.post("/v1/things", json={"text": "kopi"})).json() == {"length": 4}
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)


class TestShares:
    def test_writers_leave_connections_to_readers(self) -> None:
        """The lanes of one service fit into the pool: 16 connections for writers, 20 in all."""
        kinds = SHARES.items()
        writers = sum(share.at_once for kind, share in kinds if kind in {"write", "order", "heavy"})
        assert writers == 16
        assert (
            sum(share.at_once for kind, share in kinds if kind in {"read", "search"})
            < Settings.model_fields["database_pool"].get_default()
        )

    def test_every_route_has_a_lane(self) -> None:
        admission = Admission(ROUTES, Settings(_env_file=None, request_seconds=12))
        assert {admission.seconds(route) for route in ROUTES} == {10, 12}
        lists = {route.path: route for route in ROUTES if route.method == "GET"}
        assert admission.lane(lists["/v1/products"]) is not admission.lane(lists["/v1/vendors"])
        assert admission.lane(lists["/v1/products"]) is admission.lane(lists["/v1/regions"])

    def test_refused_when_there_is_no_such_class(self) -> None:
        with pytest.raises(SettingsError, match="ISHOP_LANES names serach"):
            Admission(ROUTES, Settings(_env_file=None, lanes={"serach": 3}))
