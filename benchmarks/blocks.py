"""The generated blocks of docs/results/README.md, each made from kept runs alone."""

from collections.abc import Iterator, Mapping
from statistics import median
from typing import Final

from benchmarks.capacity.measured import NotMeasured, measured
from benchmarks.capacity.model import Assumptions
from benchmarks.capacity.report import chapter
from benchmarks.comparison import Verdict, compare
from benchmarks.kept import Run
from benchmarks.supplies import SignIns
from benchmarks.tables import amount, markdown, number, spread

Sources = Mapping[str, Run]

COMMANDS: Final = {
    "bench": "make bench", "prove": "make prove", "faults": "make faults", "million": "make million",
    "apart": "python -m benchmarks.apart",
}  # fmt: skip
OTHER_FLOOR: Final = ("order",)
"""Of `make bench`, whose ratio is to another floor than that of the market as processes."""


def sources(runs: Sources) -> str:
    """Which file came from which command, when, of what."""
    rows = [
        (f"[{name}]({name}.md)", f"[raw]({name}.json)", f"`{_command(name)}`", run["machine"]["commit"])
        for name, run in runs.items()
    ]
    return markdown(("report", "every value", "command", "commit"), rows)


def machine(runs: Sources) -> str:
    """Of the newest full run of `make bench`."""
    run = latest(runs, "bench-full")
    return absent("bench") if run is None else markdown(("what", "is"), run["machine"].items())


def prove(runs: Sources) -> str:
    """The newest outcome of every proof."""
    newest: dict[str, tuple[str, Run]] = {}
    for name, run in runs.items():
        if "-prove-" in name:
            newest.update({outcome["name"]: (name, outcome) for outcome in run["outcomes"]})
    if not newest:
        return absent("prove")
    rows = [
        (
            outcome["title"],
            ", ".join(f"{what} {amount(value)}" for what, value in outcome["figures"].items()),
            f"{outcome['seconds']:.0f} s",
            f"**broken {len(outcome['broken'])} times**" if outcome["broken"] else "held",
            f"[{outcome['name']}]({name}.md)",
        )
        for name, outcome in newest.values()
    ]
    return markdown(("promise", "what was done and found", "took", "verdict", "report"), rows)


def faults(runs: Sources) -> str:
    """What each kill cost."""
    run = latest(runs, "faults")
    if run is None:
        return absent("faults")
    broken = f"**{len(run['broken'])} promises broke.**" if run["broken"] else "No promise broke."
    summary = (
        f"{run['answered']:,} requests answered and {run['orders']:,} orders accepted in {run['seconds']:.0f} s at "
        f"{run['plan']['rate']:g} a second; the slowest answer took {run['slowest_seconds']:.2f} s. {broken}"
    )
    rows = [
        (
            one["part"],
            f"{one['ready_seconds']:.1f}",
            f"{one['whole_seconds']:.1f}",
            ", ".join(f"{times} x {kind}" for kind, times in sorted(one["errors"].items())) or "none",
        )
        for one in run["outcomes"]
    ]
    header = ("killed", "start to ready, s", "kill to full service, s", "errors that callers got")
    return f"{summary}\n\n{markdown(header, rows)}"


def bench(runs: Sources) -> str:
    """Every figure that has a floor, beside it."""
    run = latest(runs, "bench-full")
    if run is None:
        return absent("bench")
    memory = run["memory"]
    last = (
        "memory of the market's process",
        f"{memory['rss']:.0f} MiB",
        "",
        "",
        "≤ 300",
        _holds("≤ 300", memory["rss"]),
    )
    figures = markdown(
        ("figure", "median (least to most)", "its floor", "ratio (least to most)", "bound", "holds"),
        [*_figures(run), last],
    )
    # Older runs do not tell who of the 64 was signed in.
    told = f"\n\nWhile the memory was looked at, {SignIns(**run['signed_in'])}." if "signed_in" in run else ""
    return figures + told


def over_http(runs: Sources) -> str:
    """What the market as processes serves through one gateway, beside the market in one, and the memory of each."""
    run, together = latest(runs, "apart"), latest(runs, "bench-full")
    if run is None:
        return absent("apart")
    alone = {} if together is None else together["ratios"]
    rates = [
        (
            (together or {}).get("figures", {}).get(key, {"title": key})["title"],
            spread(run["rates"][key]),
            spread(ratios),
            number(median(alone[key])) if key in alone and key not in OTHER_FLOOR else "",
        )
        for key, ratios in run["ratios"].items()
    ]
    held = [
        (process, number(memory["rss"]), number(memory["pss"]), number(run["crowded"][process]["rss"]))
        for process, memory in run["resting"].items()
    ]
    first = ("through one gateway process", "req/s (least to most)", "ratio to hello", "of the market in one process")
    second = ("process", "MiB resident", "its share (PSS)", "most while 64 people sign in")
    return f"{markdown(first, rates)}\n\n{markdown(second, held)}"


def missed(runs: Sources) -> str:
    """What falls short of its bound."""
    run = latest(runs, "bench-full")
    if run is None:
        return absent("bench")
    lines = [f"- {one}" for one in run["missed"]]
    return "\n".join(lines) if lines else "Every bound of the newest full run of `make bench` holds."


def moved(runs: Sources) -> str:
    """The newest full run against the oldest that is kept."""
    names = [name for name in runs if name.endswith("-bench-full")]
    if len(names) < 2:
        return "Only one full run is kept: there is nothing to compare it with."
    found = compare(runs[names[0]], runs[names[-1]], names[0])
    rows = [
        (one.title, one.kind, number(one.before), number(one.after), f"{one.share:+.0%}", one.verdict, one.readings)
        for one in found.changes
        if one.before is not None and one.after is not None and one.verdict is not Verdict.still
    ]
    still = sum(one.verdict is Verdict.still for one in found.changes)
    added = ", ".join(one.title for one in found.changes if one.verdict is Verdict.new and "floor" not in one.title)
    where = "" if found.same_machine else " It was taken on another machine, so only ratios are compared."
    return "\n\n".join(
        [
            f"From [{names[0]}]({names[0]}.md) to [{names[-1]}]({names[-1]}.md).{where}",
            markdown(("figure", "as", "then", "now", "change", "verdict", "readings"), rows),
            f"{still} readings stayed within noise. New since then: {added or 'nothing'}.",
        ]
    )


def capacity(runs: Sources) -> str:
    """What machines hold, computed."""
    run = latest(runs, "bench-full")
    if run is None:
        return absent("bench")
    try:
        return chapter(measured(run, latest(runs, "million"), latest(runs, "apart")), Assumptions())
    except NotMeasured as error:
        return f"Not computed: {error}"


def _figures(run: Run) -> Iterator[tuple[str, ...]]:
    figures = run.get("figures", {})
    for key, figure in figures.items():
        floor = figure["floor"]
        if floor is None:
            continue
        ratios = run["ratios"][key]
        floors = _values(run, floor)
        bound = figure["bound"] or ""
        yield (
            figure["title"],
            f"{spread(_values(run, key))} {figure['unit']}",
            f"{number(median(floors))} {figures[floor]['unit']}, {figures[floor]['title'].removeprefix('floor: ')}",
            spread(ratios),
            bound,
            _holds(bound, median(ratios)),
        )


def _holds(bound: str, value: float) -> str:
    if not bound:
        return ""
    sign, limit = bound.split()
    return "yes" if (value >= float(limit) if sign == "≥" else value <= float(limit)) else "**no**"


def _values(run: Run, key: str) -> list[float]:
    return [one["value"] for one in run["readings"][key]]


def latest(runs: Sources, kind: str) -> Run | None:
    """The newest run of a kind; the names begin with their moment."""
    found = [run for name, run in sorted(runs.items()) if name.split("-", 1)[1].startswith(kind)]
    return found[-1] if found else None


def _command(name: str) -> str:
    return COMMANDS[name.split("-")[1]]


def absent(kind: str) -> str:
    """What stands there where nothing was measured."""
    return f"No run of `{COMMANDS[kind]}` is kept yet."
