"""`python -m benchmarks.capacity`: what a machine holds, computed from the newest kept runs."""

import sys

from benchmarks.capacity.measured import NotMeasured, measured
from benchmarks.capacity.model import Assumptions
from benchmarks.capacity.report import chapter
from benchmarks.kept import kept, read


def main() -> int:
    """Print the chapter; 1 where the kept runs do not measure what it needs."""
    bench, million = kept("bench-full"), kept("million*")
    if not bench:
        print("There is no full run in docs/results: `make bench` makes one.", file=sys.stderr)
        return 1
    try:
        print(chapter(measured(read(bench[0]), read(million[0]) if million else None), Assumptions()))
    except NotMeasured as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
