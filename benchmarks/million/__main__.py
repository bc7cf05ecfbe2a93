"""`make million`: asks the same of a market of 10,000 and of one of 1,000,000 products and orders, in turns.

Exit code 1 with `--strict` when a bound does not hold, and when something could not be measured.
"""

import asyncio
import random
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop
from rich.console import Console

from benchmarks import machine
from benchmarks.grounds import GroundsFailed, forget_environment, temporary_home
from benchmarks.kept import keep
from benchmarks.load import LoadFailed, send
from benchmarks.million.index_rate import IndexRate, index_rate
from benchmarks.million.kinds import Kind, kinds
from benchmarks.million.markets import LARGE, SMALL, Market, fill, opened, relations
from benchmarks.million.report import WIDTH, Plan, Results, missed, show
from ishop import logs
from ishop.home import StartupError
from ishop.meili_process import find_meilisearch
from ishop.settings import Settings

FULL: Final = Plan("full", rounds=5, warm_up=500, requests=300, searches=100)
QUICK: Final = Plan("quick", rounds=2, warm_up=50, requests=15, searches=15)

console = Console()
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    *,
    home: Annotated[
        Path | None, typer.Option(help="Where the large market is kept for the next run; made where it is not there")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Too few requests to trust; nothing is written")] = False,
    index: Annotated[bool, typer.Option(help="Also how fast Meilisearch is filled, where it is found")] = True,
    only: Annotated[str, typer.Option(help="Only kinds of requests with this in their name; nothing is written")] = "",
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when a bound does not hold")] = False,
) -> None:
    """Measure whether a market of a million products and orders is as quick as one of ten thousand."""
    forget_environment()
    logs.configure(Settings(_env_file=None, log_level="error"))
    plan = QUICK if quick else FULL
    taken_at = datetime.now(UTC)
    described = machine.describe()
    chosen = [kind for kind in kinds() if only in kind.name]
    try:
        with ExitStack() as homes:
            small = homes.enter_context(temporary_home())
            large = home.expanduser().resolve() if home else homes.enter_context(temporary_home())
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                rate = runner.run(index_rate(say)) if index and not quick and find_meilisearch() else None
                results = runner.run(take(plan, small, large, chosen, rate))
    except (GroundsFailed, LoadFailed, StartupError) as error:
        Console(stderr=True).print(f"[red]{error}[/red]", soft_wrap=True)
        raise typer.Exit(1) from error
    show(results, described, console if sys.stdout.isatty() else Console(width=WIDTH))
    if not quick and not only:
        written = keep("million", taken_at, results.document(described), partial(show, results, described))
        console.print(f"\nWritten: {written} and the raw values beside it.", soft_wrap=True)
    if strict and missed(results):
        raise typer.Exit(1)


async def take(plan: Plan, small: Path, large: Path, chosen: list[Kind], rate: IndexRate | None) -> Results:
    """Fill what is not filled, open both markets, and measure."""
    seconds = {size.name: await fill(home, size, say) for home, size in ((small, SMALL), (large, LARGE))}
    started = time.perf_counter()
    async with opened(small, SMALL, say) as few, opened(large, LARGE, say) as many:
        results = Results(plan, chosen, seconds, rate)
        for number in range(plan.rounds + 1):
            say(f"Round {number} of {plan.rounds}." if number else "Warming up.")
            for market in (few, many):
                await market.sign_in()
            for kind in chosen:
                await _ask(results, kind, [few, many] if number % 2 else [many, few], number)
        for market in (few, many):
            results.relations[market.size.name] = await relations(market.superuser_dsn)
    results.measured_in = time.perf_counter() - started
    return results


async def _ask(results: Results, kind: Kind, markets: list[Market], number: int) -> None:
    """Ask both markets in turn, one caller at a time; of a search only the large one, which has a bound of its own."""
    for market in markets:
        if kind.searches and market.size is SMALL:
            continue
        requests = kind.requests(market, random.Random(f"{kind.name} {number}"))  # noqa: S311 - what is asked is no secret.
        count = results.plan.count(kind) if number else results.plan.warm_up
        burst = await send(market.server.port, requests, connections=1, count=count, expected=kind.expected)
        if number:
            results.add(kind, market.size, burst.latencies)


def say(message: str) -> None:
    """A line about what is going on."""
    console.print(f"[dim]{message}[/dim]", soft_wrap=True)


if __name__ == "__main__":
    app()
