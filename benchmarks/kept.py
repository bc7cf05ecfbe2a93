"""Where results are kept: for every run a JSON file with every raw value and, beside it, the report as Markdown."""

import io
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
from rich.console import Console

from benchmarks.grounds import ROOT

RESULTS: Final = ROOT / "docs/results"
PAGE_WIDTH: Final = 1000
"""Of the Markdown file, where a cell that is broken over two lines would become two rows."""

Run = Mapping[str, Any]
"""What a JSON file holds."""


def kept(kind: str, directory: Path = RESULTS) -> list[Path]:
    """The runs of a kind that are there, the newest first; `kind` may hold wildcards."""
    return sorted(directory.glob(f"*Z-{kind}.json"), reverse=True)


def read(path: Path) -> Run:
    """A run that was kept."""
    run: Run = orjson.loads(path.read_bytes())
    return run


def keep(
    kind: str,
    taken_at: datetime,
    document: Mapping[str, Any],
    show: Callable[[Console], None],
    *,
    directory: Path = RESULTS,
    width: int = PAGE_WIDTH,
) -> Path:
    """Write the raw values and what `show` prints; the path of the Markdown.

    The names begin with the moment, so that files of a kind (`bench-full`, `faults`, ...) sort by their age.
    """
    directory.mkdir(parents=True, exist_ok=True)
    raw = directory / f"{taken_at:%Y%m%dT%H%M%SZ}-{kind}.json"
    raw.write_bytes(
        orjson.dumps({"taken_at": taken_at, **document}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    )
    page = io.StringIO()
    show(Console(file=page, width=width, color_system=None))
    markdown = raw.with_suffix(".md")
    markdown.write_text("".join(f"{line.rstrip()}\n" for line in page.getvalue().splitlines()))
    return markdown
