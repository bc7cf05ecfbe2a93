"""Freed memory goes back to the system when it is asked for."""

import subprocess
import sys

import pytest

HOLED = """
from pathlib import Path
from ishop.heap import give_back_freed

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

blocks = [bytes(16_384) for _ in range(4_000)]
full = resident()
kept = blocks[::16]
del blocks
freed = resident()
give_back_freed()
print(full - freed, freed - resident())
"""
"""64 MB in blocks, most of them freed: what is kept between them keeps the heap from shrinking by itself."""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heap is meant")
def test_gives_back_what_lies_between_what_is_kept() -> None:
    program = [sys.executable, "-c", HOLED]
    told = subprocess.run(program, capture_output=True, text=True, check=True)  # noqa: S603 - this file's own text.
    by_itself, when_asked = map(int, told.stdout.split())
    assert by_itself < 8 << 20
    assert when_asked > 32 << 20
