"""The command: what it refuses, and how it ends when it is told to stop."""

import asyncio
import signal
import sys

import pytest

COMMAND = (sys.executable, "-m", "benchmarks.prove", "--quick", "--only")


async def started(name: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*COMMAND, name, stdout=pipe, stderr=asyncio.subprocess.STDOUT)


async def test_a_proof_that_does_not_exist_is_refused() -> None:
    process = await started("nothing")
    said, _ = await process.communicate()
    assert process.returncode == 2
    assert b"There is no proof nothing." in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_told_to_stop_it_ends_with_130(number: signal.Signals) -> None:
    process = await started("contention")
    assert process.stdout is not None
    assert b"contention: " in await process.stdout.readline()
    process.send_signal(number)
    await process.communicate()
    assert process.returncode == 130
