"""`python -m benchmarks.capacity`: what a machine holds, computed from the newest kept runs."""

import sys

from benchmarks.capacity.measured import NotMeasured, measured
from benchmarks.capacity.model import Assumptions
from benchmarks.capacity.report import chapter
from benchmarks.kept import kept, read


def main() -> int:
    """Print the chapter; 1 where the kept runs do not measure what it needs."""
    bench, *others = ([read(path) for path in kept(kind)[:1]] for kind in ("bench-full", "million*", "apart"))
    if not bench:
        print("There is no full run in docs/results: `make bench` makes one.", file=sys.stderr)
        return 1
    try:
        print(chapter(measured(bench[0], *(runs[0] if runs else None for runs in others)), Assumptions()))
    except NotMeasured as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
