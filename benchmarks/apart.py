"""`python -m benchmarks.apart`: the market as processes, each service behind HTTP; what it serves and what each holds.

The same requests as in `make bench`, through the gateway's process. Reads that nothing may answer from memory go to a
second gateway without one (ISHOP_CACHE_MIB=0), because this small market has too few pages to forget them in time.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from statistics import median
from typing import Annotated, Final

import typer
import uvloop
from rich.console import Console

from benchmarks import floors, machine, processes, reads
from benchmarks.faults.parts import PROCESSES, Parts
from benchmarks.faults.parts import opened as parts_opened
from benchmarks.figures import BUYERS, READERS
from benchmarks.grounds import Grounds, GroundsFailed, Server, forget_environment, server, temporary_home
from benchmarks.kept import keep
from benchmarks.load import LoadFailed, send
from benchmarks.orders import one_line_orders
from benchmarks.processes import Memory
from benchmarks.supplies import CROWD, SignIns, Supplies, crowd, gather
from benchmarks.tables import spread, table
from ishop import logs
from ishop.home import StartupError
from ishop.settings import Settings

FORGETFUL: Final = "gateway-2"
WIDTH: Final = 130
TITLES: Final[Mapping[str, str]] = {
    "detail_cached": "product detail, cached",
    "list_cached": "list of 20 products, cached",
    "detail": "product detail, uncached",
    "list": "list of 20 products, uncached",
    "order": "order of one line, 16 buyers",
}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Results:
    """Requests a second by figure, one value a round, and MiB by process: at rest, and while many sign in."""

    machine: Mapping[str, str]
    rates: Mapping[str, list[float]]
    resting: Mapping[str, Memory]
    crowded: Mapping[str, Memory]
    signed_in: SignIns

    @property
    def ratios(self) -> dict[str, list[float]]:
        """To the empty application in the same round."""
        hello = self.rates["hello"]
        return {
            key: [one / floor for one, floor in zip(values, hello, strict=True)]
            for key, values in self.rates.items()
            if key != "hello"
        }


@app.command()
def main(
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    seconds: Annotated[float, typer.Option(min=0.2, help="Of each figure in a round")] = 1.5,
) -> None:
    """Measure the market as one process for the gateway, each service and the worker."""
    forget_environment()
    logs.configure(Settings(_env_file=None, log_level="error"))
    taken_at = datetime.now(UTC)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, temporary_home() as home:
            results = runner.run(take(home, rounds, seconds))
    except (GroundsFailed, LoadFailed, StartupError) as error:
        Console(stderr=True).print(f"[red]{error}[/red]", soft_wrap=True)
        raise typer.Exit(1) from error
    show(results, Console(width=WIDTH) if not sys.stdout.isatty() else Console())
    document = {
        "machine": results.machine, "rates": results.rates, "ratios": results.ratios,
        "resting": results.resting, "crowded": results.crowded, "signed_in": results.signed_in,
    }  # fmt: skip
    print(f"\nWritten: {keep('apart', taken_at, document, partial(show, results))} and the raw values beside it.")


async def take(home: Path, rounds: int, seconds: float) -> Results:
    """The whole run; one round before the others warms up."""
    async with _opened(home) as (parts, hello, supplies):
        loads: dict[str, tuple[int, Iterator[bytes], int]] = {
            "detail_cached": (parts.ports["gateway"], reads.detail(supplies.products[0]), HTTPStatus.OK),
            "list_cached": (parts.ports["gateway"], reads.first_page(), HTTPStatus.OK),
            "detail": (parts.ports[FORGETFUL], reads.details(supplies.products), HTTPStatus.OK),
            "list": (parts.ports[FORGETFUL], reads.lists(), HTTPStatus.OK),
            "order": (parts.ports["gateway"], one_line_orders(supplies, supplies.offers), HTTPStatus.CREATED),
        }
        rates: dict[str, list[float]] = {"hello": [], **{key: [] for key in loads}}
        for number in range(rounds + 1):
            taken = {"hello": (await floors.hello(hello.port, READERS, seconds)).rate}
            for key, (port, requests, expected) in loads.items():
                taken[key] = (await send(port, requests, connections=BUYERS, seconds=seconds, expected=expected)).rate
            for key, rate in taken.items() if number else ():
                rates[key].append(rate)
        pids = {name: parts.running[name].pid for name in PROCESSES}
        resting = {name: processes.memory(pid) for name, pid in pids.items()}
        most, signed_in = await processes.memory_while(crowd(parts.ports["gateway"]), *pids.values())
        crowded = dict(zip(pids, most, strict=True))
    return Results(machine.describe(), rates, resting, crowded, signed_in)


@asynccontextmanager
async def _opened(home: Path) -> AsyncIterator[tuple[Parts, Server, Supplies]]:
    """The processes, the second gateway without its memory, the empty application, and what the loads need."""
    hello = server("hello", [sys.executable, "-m", "benchmarks.hello"], home, {})
    async with parts_opened(home, (*PROCESSES, FORGETFUL)) as parts, hello as floor:
        parts.environment = {**parts.environment, "ISHOP_CACHE_MIB": "0"}
        await parts.end(FORGETFUL)
        parts.start(FORGETFUL)
        await parts.wait_until_ready(FORGETFUL)
        settings = parts.settings.model_copy(update={"home": home})
        gateway = Server(parts.running["gateway"].pid, parts.ports["gateway"], 0.0)
        yield parts, floor, await gather(Grounds(home, settings, gateway, floor, None))


def show(results: Results, console: Console) -> None:
    """Print the report."""
    rows = [
        (TITLES[key], spread(results.rates[key]), f"{median(values):.3f}", f"{min(values):.3f} to {max(values):.3f}")
        for key, values in results.ratios.items()
    ]
    console.print(f"\nBare uvicorn: {spread(results.rates['hello'])} req/s.\n", soft_wrap=True)
    console.print(table(("through the gateway's process", "req/s", "ratio to it", "least to most"), rows))
    held = [
        (name, f"{results.resting[name].rss:.0f}", f"{results.resting[name].pss:.0f}", f"{crowded.rss:.0f}")
        for name, crowded in results.crowded.items()
    ]
    total = sum(one.pss for one in results.resting.values())
    most = max(sum(one.pss for one in held.values()) for held in (results.resting, results.crowded))
    held.append(("together, shared pages once", "", f"{total:.0f}", f"{most:.0f}"))
    console.print(table(("process", "MiB resident", "its share (PSS)", f"most while {CROWD} sign in"), held))
    console.print(f"While the memory was looked at, {results.signed_in}.\n", soft_wrap=True)
    console.print(table(("what", "is"), results.machine.items()))


if __name__ == "__main__":
    app()
