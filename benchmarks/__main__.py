"""`python -m benchmarks`: one run, in a market of its own; QUICK=1 for less than a minute instead of five.

Exit code 1 with `--strict` when a bound does not hold, and when something could not be measured.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

import typer
import uvloop
from rich.console import Console

from benchmarks import machine, processes, report
from benchmarks.capture import CaptureFailed, capture
from benchmarks.figures import BUYERS, Bench, measures, prepared
from benchmarks.grounds import GroundsFailed, forget_environment, opened
from benchmarks.load import LoadFailed, send
from benchmarks.orders import one_line_orders
from benchmarks.profile import profile
from benchmarks.reads import details
from benchmarks.report import FIGURES, Results, WhereTimeGoes
from benchmarks.rounds import FULL, QUICK, Plan, Reading, run_rounds
from benchmarks.server_time import server_times
from benchmarks.supplies import crowd, gather
from ishop import logs
from ishop.home import StartupError
from ishop.settings import Role, Settings

PROFILE_MARGIN_SECONDS: Final = 1.0
SINGLE_REQUESTS: Final = 100
STOPPED: Final = 130

console = Console()
errors = Console(stderr=True)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    *, strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when a bound does not hold")] = False
) -> None:
    """Measure the market against floors taken in the same run, and say where the time goes."""
    plan = QUICK if os.environ.get("QUICK", "") not in ("", "0") else FULL
    forget_environment()
    # The market that is listened to lives in this process; its line for every request would hide what we say.
    logs.configure(Settings(_env_file=None, log_level="warning"))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            results = runner.run(until_stopped(take(plan)))
    except (CaptureFailed, GroundsFailed, LoadFailed, StartupError) as error:
        errors.print(f"[red]{error}[/red]", soft_wrap=True)
        raise typer.Exit(1) from error
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(STOPPED) from None
    against = report.compared(results)
    report.show(results, against, Console(width=report.WIDTH) if not sys.stdout.isatty() else console)
    console.print(f"\nWritten: {report.write(results, against)} and the raw values beside it.", soft_wrap=True)
    if strict and results.missed():
        raise typer.Exit(1)


async def until_stopped(work: Coroutine[None, None, Results]) -> Results:
    """Do `work`; SIGTERM ends it like Ctrl-C, so that the market is stopped and removed."""
    task = asyncio.create_task(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


async def take(plan: Plan) -> Results:
    """The whole run."""
    taken_at = datetime.now(UTC)
    described = machine.describe()
    say(f"Opening a market of its own for the {plan.name} run.")
    async with opened(say) as grounds:
        supplies = await gather(grounds)
        say(f"The market is open: {len(supplies.products)} products, {len(supplies.offers)} skus to order.")
        captured = await capture(grounds, supplies)
        async with prepared(grounds, supplies, captured, plan) as bench:
            say(f"Warming up, then {plan.rounds} rounds.")
            readings = await run_rounds(measures(bench), plan.rounds, tell)
            (held,), signed_in = await processes.memory_while(crowd(grounds.market.port), grounds.market.pid)
            servers = processes.children(grounds.market.pid)
            beside = {processes.name(pid): processes.memory_of_tree(pid) for pid in servers}
            say("Looking where the time goes.")
            detail = await look(bench, details(supplies.products), HTTPStatus.OK, Role.catalog)
            order = await look(bench, one_line_orders(supplies, supplies.offers), HTTPStatus.CREATED, Role.orders)
    return Results(
        taken_at, plan, described, readings, held, beside, grounds.market.started_in, detail, order, signed_in
    )


async def look(bench: Bench, requests: Iterator[bytes], expected: HTTPStatus, role: Role) -> WhereTimeGoes:
    """Profile the market under these requests, then time the statements of single ones."""
    market = bench.grounds.market
    seconds = bench.plan.profile_seconds
    load = partial(send, market.port, requests, expected=expected)
    under_load = load(connections=BUYERS, seconds=seconds + PROFILE_MARGIN_SECONDS)
    profiled = await profile(market.pid, seconds, under_load, bench.grounds.home.parent)
    alone = await load(connections=1, count=SINGLE_REQUESTS)
    statements = await server_times(bench.grounds, role, SINGLE_REQUESTS, load(connections=1, count=SINGLE_REQUESTS))
    return WhereTimeGoes(profiled, statements, alone.median_ms)


def say(message: str) -> None:
    """A line about what is going on."""
    console.print(f"[dim]{message}[/dim]", soft_wrap=True)


def tell(number: int, key: str, reading: Reading) -> None:
    """A line for every value as it comes."""
    figure = next(figure for figure in FIGURES if figure.key == key)
    say(f"round {number}: {figure.title}: {reading.value:,.4g} {figure.unit}")


if __name__ == "__main__":
    app()
