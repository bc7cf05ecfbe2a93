"""`make faults`: kill every process of a loaded market in turn; the exit code is 1 where a promise broke."""

import asyncio
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.faults.drill import Plan, Results, drill
from benchmarks.grounds import GroundsFailed, forget_environment, temporary_home
from benchmarks.kept import keep
from ishop import logs
from ishop.home import StartupError
from ishop.settings import Settings

WIDTH: Final = 110
SHOWN: Final = 20

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    rate: Annotated[float, typer.Option(min=1, help="Requests a second")] = 200,
    seconds: Annotated[float, typer.Option(min=1, help="Calm between two kills")] = 5,
    away: Annotated[float, typer.Option(min=1.5, help="How long a killed process stays away")] = 2,
) -> None:
    """Kill catalog, vendors, orders, worker, gateway and PostgreSQL under load, and start each again."""
    forget_environment()
    logs.configure(Settings(_env_file=None, log_level="error"))
    taken_at = datetime.now(UTC)
    described = machine.describe()
    try:
        with temporary_home() as home:
            results = asyncio.run(drill(Plan(rate, seconds, away), home))
    except (GroundsFailed, StartupError) as error:
        Console(stderr=True).print(f"[red]{error}[/red]", soft_wrap=True)
        raise typer.Exit(1) from error
    show(results, described, Console(width=WIDTH))
    document = {**asdict(results), "machine": described}
    written = keep("faults", taken_at, document, partial(show, results, described), width=WIDTH)
    print(f"\nWritten: {written} and the raw values beside it.")
    if results.broken:
        raise typer.Exit(1)


def show(results: Results, described: dict[str, str], console: Console) -> None:
    """Print the report."""
    plan = results.plan
    console.print(
        f"{plan.rate:g} requests a second for {results.seconds:.0f} s: {results.answered} answered, "
        f"{results.orders} orders accepted, {results.unsettled} writes never settled, "
        f"{results.turned_away} not sent, slowest answer {results.slowest_seconds:.2f} s.\n"
        f"Every process was killed (kill -9) and started again {plan.away_seconds:g} s later.",
        soft_wrap=True,
    )
    table = Table("killed", "start to ready, s", "kill to full service, s", "errors that callers got")
    for outcome in results.outcomes:
        errors = ", ".join(f"{times} x {kind}" for kind, times in sorted(outcome.errors.items()))
        table.add_row(outcome.part, f"{outcome.ready_seconds:.1f}", f"{outcome.whole_seconds:.1f}", errors or "none")
    console.print(table)
    console.print("No promise broke." if not results.broken else f"BROKEN: {len(results.broken)}", soft_wrap=True)
    for what, times in Counter(results.broken).most_common(SHOWN):
        console.print(f"  {times} x {what}", markup=False, soft_wrap=True)
    for name, value in described.items():
        console.print(f"{name}: {value}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    app()
