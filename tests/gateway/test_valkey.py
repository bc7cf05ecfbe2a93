"""Limits that several gateways share, counted by a real Valkey; and what becomes of them when it is lost."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from gateway.rate_limits import LIMITS, RateLimits
from gateway.valkey_windows import ValkeyWindows
from ishop.auth import Principal, Signer
from tests.conftest import VALKEY_MISSING
from tests.databases import TestDatabase
from tests.gateway import probes
from tests.gateway.doors import Door, open_door
from tests.gateway.test_app import logged
from tests.gateway.valkeys import PROGRAM, ValkeyServer, sharing, valkey_server

pytestmark = [pytest.mark.valkey, pytest.mark.skipif(PROGRAM is None, reason=VALKEY_MISSING)]

READS = LIMITS["reads"]
PATIENCE = 20


@pytest.fixture
async def server() -> AsyncIterator[ValkeyServer]:
    async with valkey_server() as running:
        yield running


@pytest.fixture
async def doors(database: TestDatabase, server: ValkeyServer) -> AsyncIterator[tuple[Door, Door]]:
    """Two gateways that count in one place."""
    settings = sharing(database.settings, server).model_copy(update={"rates": {"reads": 10}})
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(open_door(settings, probes.ROUTES, {probes.PROBE: probes.create_probe}))
            for _ in range(2)
        ]
        await until(first, "valkey")
        await until(second, "valkey")
        yield first, second


async def until(door: Door, counted_in: str) -> None:
    """Wait until the gateway counts there."""
    async with asyncio.timeout(PATIENCE):
        while True:
            assert (await door.client.get("/v1/seen")).status_code == 200
            ready = await door.client.get("/readyz")
            assert (ready.status_code, ready.json()["status"]) == (200, "ok")
            if ready.json()["rate_limits"] == counted_in:
                return
            await asyncio.sleep(0.05)


def bearer(door: Door) -> dict[str, str]:
    return {"Authorization": f"Bearer {Signer.from_settings(door.runtime.settings).sign(Principal(uuid4()))}"}


class TestSharing:
    async def test_what_one_gateway_counted_the_other_knows(self, doors: tuple[Door, Door]) -> None:
        headers = bearer(doors[0])
        answers = [await doors[number % 2].client.get("/v1/mine", headers=headers) for number in range(12)]
        assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
        left = [answer.headers["ratelimit"].partition(";t=")[0] for answer in answers]
        assert left == [f'"reads";r={max(0, 9 - number)}' for number in range(12)]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= READS.seconds

    async def test_exact_when_many_come_at_once(self, doors: tuple[Door, Door]) -> None:
        headers = bearer(doors[0])
        answers = await asyncio.gather(
            *(doors[number % 2].client.get("/v1/mine", headers=headers) for number in range(200))
        )
        assert sum(answer.status_code == 200 for answer in answers) == 10

    async def test_no_address_and_no_person_is_written_there(
        self, doors: tuple[Door, Door], server: ValkeyServer
    ) -> None:
        for _ in range(3):
            await doors[0].client.get("/v1/mine", headers=bearer(doors[0]))
        names = await server.names()
        assert len(names) == 4  # three accounts, and the address that they used
        assert all(name.startswith("ishop:limit:") and len(name) == len("ishop:limit:") + 32 for name in names)

    async def test_windows_end_by_themselves(self, server: ValkeyServer) -> None:
        windows = ValkeyWindows(server.url)
        try:
            counted = None
            async with asyncio.timeout(PATIENCE):
                while counted is None:
                    await asyncio.sleep(0.02)
                    counted = await windows.hit([("a", 60), ("b", 900), ("a", 60)])
        finally:
            await windows.close()
        assert [count for count, _ in counted] == [1, 1, 2]
        assert [seconds for _, seconds in counted] == [60, 900, 60]


class TestLoss:
    async def test_nobody_notices_when_it_dies_and_comes_back(
        self, doors: tuple[Door, Door], server: ValkeyServer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        door, headers = doors[0], bearer(doors[0])
        for _ in range(4):
            await door.client.get("/v1/mine", headers=headers)
        await server.kill()
        answers = [await door.client.get("/v1/mine", headers=headers) for _ in range(8)]
        # What this gateway counted while it shared is not forgotten.
        assert [answer.status_code for answer in answers] == [200] * 6 + [429] * 2
        await until(door, "memory")
        await server.start()
        await until(door, "valkey")
        await server.kill()
        await door.client.get("/v1/seen")
        events = [line["event"] for line in await logged(capsys) if "Valkey" in line["event"]]
        lost, reached = "Valkey is lost: rate limits are counted in memory", "Valkey is reached: rate limits are shared"
        assert events == [lost, reached, lost]

    async def test_nobody_waits_long_when_it_is_slow(self, doors: tuple[Door, Door], server: ValkeyServer) -> None:
        """Frozen, it takes what it is sent and answers nothing. A hundred requests meet that, and none fails."""
        server.signal(signal.SIGSTOP)
        try:
            answers = await asyncio.gather(*(doors[0].client.get("/v1/seen") for _ in range(100)))
            assert {answer.status_code for answer in answers} == {200}
            assert (await doors[0].client.get("/readyz")).json()["rate_limits"] == "memory"
        finally:
            server.signal(signal.SIGCONT)
        await until(doors[0], "valkey")

    async def test_who_hangs_up_while_waiting_spoils_nobody_elses_count(self, server: ValkeyServer) -> None:
        limits = RateLimits(shared=ValkeyWindows(server.url))
        try:
            async with asyncio.timeout(PATIENCE):
                while limits.counted_in != "valkey":
                    await limits.count(READS, "warm-up")
                    await asyncio.sleep(0.02)
            counts = [asyncio.create_task(limits.count(READS, f"subject-{number}")) for number in range(20)]
            await asyncio.sleep(0)
            for task in counts[::2]:
                task.cancel()
            quotas = await asyncio.gather(*counts[1::2])
            assert {quota.remaining for quota in quotas} == {READS.amount - 1}
        finally:
            await limits.close()

    async def test_who_may_begin_again_may_everywhere(self, server: ValkeyServer) -> None:
        first, second = RateLimits(shared=ValkeyWindows(server.url)), RateLimits(shared=ValkeyWindows(server.url))
        try:
            async with asyncio.timeout(PATIENCE):
                while (first.counted_in, second.counted_in) != ("valkey", "valkey"):
                    await asyncio.gather(first.count(READS, "warm-up"), second.count(READS, "warm-up"))
                    await asyncio.sleep(0.02)
            for _ in range(3):
                await first.count(READS, "owner")
            await first.forget(READS, "owner")
            assert (await second.count(READS, "owner")).remaining == READS.amount - 1
        finally:
            await first.close()
            await second.close()

    async def test_a_wrong_password_is_a_lost_valkey(self, server: ValkeyServer) -> None:
        limits = RateLimits(shared=ValkeyWindows(f"valkey://:wrong@127.0.0.1:{server.port}"))
        try:
            for _ in range(5):
                assert not (await limits.count(READS, "somebody")).exceeded
                await asyncio.sleep(0.02)
            assert limits.counted_in == "memory"
        finally:
            await limits.close()
