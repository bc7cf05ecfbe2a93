"""`python -m benchmarks.page`: write the figures of the newest kept runs into docs/results/README.md.

The prose of that page is written by hand and holds no figure; every figure stands between two marks and comes from
here. The page links the files that it was made from, so that `--check` and a test can make it again from just these.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from benchmarks import blocks, flat
from benchmarks.kept import RESULTS, Run, kept, read

PAGE: Final = RESULTS / "README.md"
BLOCK: Final = re.compile(r"(<!-- figures: (?P<name>[a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)
SOURCE: Final = re.compile(r"\((?P<name>\d{8}T\d{6}Z-[\w-]+)\.json\)")

Sources = Mapping[str, Run]
"""Kept runs by the names of their files, without suffix."""

BLOCKS: Final[Mapping[str, Callable[[Sources], str]]] = {
    "sources": blocks.sources,
    "machine": blocks.machine,
    "prove": blocks.prove,
    "faults": blocks.faults,
    "bench": blocks.bench,
    "missed": blocks.missed,
    "http": blocks.over_http,
    "moved": blocks.moved,
    "million": flat.million,
    "capacity": blocks.capacity,
}


def newest(directory: Path = RESULTS) -> list[str]:
    """The names of the kept runs that a page of today is made of.

    Of `make bench` the newest full run and the oldest, to compare with; of the proofs the newest of each, as they can
    be run one by one; of everything else the newest.
    """
    bench = [path.stem for path in kept("bench-full", directory)]
    names = {*bench[:1], *bench[-1:]}
    for kind in ("faults", "million*", "apart"):
        names.update(path.stem for path in kept(kind, directory)[:1])
    proved: set[str] = set()
    for path in kept("prove-*", directory):
        outcomes = {outcome["name"] for outcome in read(path)["outcomes"]}
        if not path.stem.endswith("-quick") and outcomes - proved:
            proved |= outcomes
            names.add(path.stem)
    return sorted(names)


def linked(page: str) -> list[str]:
    """The names of the kept runs that a page says it was made of."""
    return sorted({found["name"] for found in SOURCE.finditer(page)})


def rendered(page: str, names: Iterable[str], directory: Path = RESULTS) -> str:
    """The page with every block made anew from these runs."""
    runs = {name: read(directory / f"{name}.json") for name in names}
    return BLOCK.sub(lambda found: f"{found[1]}\n{BLOCKS[found['name']](runs)}\n\n{found[3]}", page)


def main(
    *, check: Annotated[bool, typer.Option("--check", help="Only say whether the page is what its files make")] = False
) -> None:
    """Write the page from the newest kept runs."""
    page = PAGE.read_text()
    if check:
        if rendered(page, linked(page)) != page:
            print("docs/results/README.md is not what its files make: run python -m benchmarks.page", file=sys.stderr)
            raise typer.Exit(1)
        return
    names = newest()
    PAGE.write_text(rendered(page, names))
    files = " ".join(f"docs/results/{name}.*" for name in names)
    print(f"Written. To keep it with its files: git add docs/results/README.md && git add --force {files}")


if __name__ == "__main__":
    typer.run(main)
