"""The command: what it refuses, and how it ends when it is told to stop."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from benchmarks.grounds import GroundsFailed
from benchmarks.prove.__main__ import run
from benchmarks.prove.outcome import Outcome, Say
from benchmarks.prove.plan import QUICK, Plan

COMMAND = (sys.executable, "-m", "benchmarks.prove", "--quick", "--only")


async def started(name: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*COMMAND, name, stdout=pipe, stderr=asyncio.subprocess.STDOUT)


async def test_a_proof_that_does_not_exist_is_refused() -> None:
    process = await started("nothing")
    said, _ = await process.communicate()
    assert process.returncode == 2
    assert b"There is no proof nothing." in said


async def test_what_cannot_be_put_to_the_proof_is_broken_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def impossible(_plan: Plan, _home: Path, _say: Say) -> Outcome:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(failing("no port"))
            tasks.create_task(failing("no disk"))
        raise AssertionError

    async def failing(why: str) -> None:
        raise GroundsFailed(why)

    async def easy(_plan: Plan, _home: Path, _say: Say) -> Outcome:
        return Outcome("easy", "It holds", 0, {}, [])

    monkeypatch.setattr("benchmarks.prove.__main__.PROOFS", {"impossible": impossible, "easy": easy})
    first, second = await run(["impossible", "easy"], QUICK)
    assert (first.title, first.broken) == ("could not be put to the proof", ["no port", "no disk"])
    assert second.broken == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_told_to_stop_it_ends_with_130(number: signal.Signals) -> None:
    process = await started("contention")
    assert process.stdout is not None
    assert b"contention: " in await process.stdout.readline()
    process.send_signal(number)
    await process.communicate()
    assert process.returncode == 130
