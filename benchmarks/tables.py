"""Numbers and tables of every report."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from rich import box
from rich.table import Table


def spread(values: Sequence[float]) -> str:
    """The median, and the least and the most."""
    if not values:
        return ""
    return f"{number(median(values))} ({number(min(values))} to {number(max(values))})"


def number(value: float) -> str:
    """Three digits that mean something, none behind the point that do not."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def amount(value: float | str) -> str:
    """Counts to the unit, measured values with the digits that mean something, words as they are."""
    if isinstance(value, str):
        return value
    return number(value) if isinstance(value, float) else f"{value:,}"


def table(header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> Table:
    """A table that is Markdown too."""
    made = Table(*header, box=box.MARKDOWN)
    for row in rows:
        made.add_row(*(str(cell) for cell in row))
    return made


def markdown(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """A table of a page, whose cells may be as long as they want."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
