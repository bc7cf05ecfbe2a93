"""A worker in a process of its own that a test can kill: `worker_child.py DSN NOTES SECONDS HEARTBEAT`.

Its handler writes one line `begin KEY` per key into NOTES, takes SECONDS, and writes `end KEY`.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from ishop.jobs import Jobs
from ishop.worker import run_worker
from tests.ishop.queues import TOPIC


async def main(dsn: str, notes: Path, seconds: float, heartbeat: float) -> None:
    """Work until killed."""

    async def handle(keys: Sequence[str]) -> None:
        write_lines("begin", keys)
        await asyncio.sleep(seconds)
        write_lines("end", keys)

    def write_lines(word: str, keys: Sequence[str]) -> None:
        file = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, "".join(f"{word} {key}\n" for key in keys).encode())
        os.close(file)

    jobs = Jobs()
    jobs.on(TOPIC, handle)
    await run_worker(dsn, jobs, stop=asyncio.Event(), heartbeat_timeout=timedelta(seconds=heartbeat))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))
