"""`make prove`: put every promise to the proof; the exit code is 1 where one broke.

QUICK=1 takes less than two minutes, CYCLES=1000 lets the crashes go on for a night.
"""

import asyncio
import signal
import sys
import time
from collections.abc import Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final

import typer
import uvloop
from rich.console import Console

from benchmarks import machine
from benchmarks.grounds import GroundsFailed, forget_environment, temporary_home
from benchmarks.prove import contention, crashes, index, report, retries, strangers
from benchmarks.prove import plan as plans
from benchmarks.prove.market import Unusable
from benchmarks.prove.outcome import Outcome, Proof
from benchmarks.prove.plan import Plan
from benchmarks.prove.report import Results
from ishop import logs
from ishop.home import StartupError
from ishop.settings import Settings

WIDTH: Final = 160
STOPPED: Final = 130

PROOFS: Final[Mapping[str, Proof]] = {
    "contention": contention.prove,
    "retries": retries.prove,
    "crashes": crashes.prove,
    "index": index.prove,
    "strangers": strangers.prove,
}
"""In the order in which they run."""

console = Console()
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    *,
    only: Annotated[list[str] | None, typer.Option(help=f"One of {', '.join(PROOFS)}; may be repeated")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Under two minutes, as QUICK=1")] = False,
    keep: Annotated[
        bool | None, typer.Option(help="Write the report to docs/results; full runs do unless told otherwise")
    ] = None,
) -> None:
    """Put the promises to the proof, each in a market of its own, and print what came of it."""
    unknown = set(only or ()) - set(PROOFS)
    if unknown:
        raise typer.BadParameter(f"There is no proof {', '.join(sorted(unknown))}.", param_hint="--only")
    plan = plans.chosen(quick=quick)
    forget_environment()
    logs.configure(Settings(_env_file=None, log_level="error"))
    taken_at, described = datetime.now(UTC), machine.describe()
    names = [name for name in PROOFS if not only or name in only]
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            outcomes = runner.run(until_stopped(run(names, plan)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(STOPPED) from None
    results = Results(taken_at, plan, described, outcomes)
    report.show(results, console if sys.stdout.isatty() else Console(width=WIDTH))
    if keep if keep is not None else plan is not plans.QUICK:
        console.print(f"\nWritten: {report.write(results)} and the raw values beside it.", soft_wrap=True)
    if results.broken:
        raise typer.Exit(1)


async def until_stopped(work: Coroutine[None, None, list[Outcome]]) -> list[Outcome]:
    """Do `work`; SIGTERM ends it like Ctrl-C, so that every market is stopped and removed."""
    task = asyncio.create_task(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


async def run(names: Sequence[str], plan: Plan) -> list[Outcome]:
    """These proofs, one after the other."""
    outcomes = []
    for name in names:
        began = time.monotonic()
        say(name, "opening a market of its own")
        try:
            with temporary_home() as home:
                outcome = await PROOFS[name](plan, home, partial(say, name))
        except* (GroundsFailed, StartupError, Unusable) as errors:
            # Not to be proved is not to be kept: the other promises are still worth a look.
            outcome = Outcome(name, "could not be put to the proof", time.monotonic() - began, {}, reasons(errors))
        say(name, f"{report.BROKE if outcome.broken else report.HELD} after {outcome.seconds:.0f} s")
        outcomes.append(outcome)
    return outcomes


def reasons(error: BaseException) -> list[str]:
    """What happened, of what happened at once each."""
    if not isinstance(error, BaseExceptionGroup):
        return [str(error)]
    return [reason for one in error.exceptions for reason in reasons(one)]


def say(name: str, message: str) -> None:
    """A line about what is going on."""
    console.print(f"{name}: {message}", markup=False, highlight=False, soft_wrap=True)
    console.file.flush()  # A pipe, as of a CI, would show it only at the end.


if __name__ == "__main__":
    app()
