"""What the command line shows: sentences, progress bars, and the welcome of a market that is open."""

import time
from collections.abc import Callable
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ishop.settings import Environment, Settings

DEMO_PASSWORD: Final = "ishop-demo"  # noqa: S105 - printed for everybody; these accounts exist in development only.
PICK_FROM_ANSWER: Final = r"""sed 's/.*"access_token":"\([^"]*\)".*/\1/'"""

SECONDS_BETWEEN_LINES: Final = 10.0

console = Console()
errors = Console(stderr=True)


def say(message: str) -> None:
    """A line about what is going on."""
    console.print(f"[dim]{message}[/dim]", soft_wrap=True)


class Bars:
    """Progress of long work: on a terminal a bar a phase, elsewhere a line a phase, then one every ten seconds."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}
        self._started = time.monotonic()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Callable[[str, int, int], None]:
        if not console.is_terminal:
            return self._say
        self._progress.start()
        return self._show

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _say(self, phase: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total or now - self._said.get(phase, -SECONDS_BETWEEN_LINES) >= SECONDS_BETWEEN_LINES:
            self._said[phase] = now
            say(f"{phase}: {done:,} of {total:,} after {now - self._started:.0f} s")

    def _show(self, phase: str, done: int, total: int) -> None:
        if phase not in self._tasks:
            self._tasks[phase] = self._progress.add_task(phase, total=total)
        self._progress.update(self._tasks[phase], completed=done, total=total)


def welcome(settings: Settings) -> None:
    """Tell a new user where everything is, and three lines to paste."""
    url = f"http://{settings.host}:{settings.port}"
    engine = f"Meilisearch at {settings.meili_url}" if settings.meili_url else "PostgreSQL (no Meilisearch found)"
    token = (
        f"curl -s {url}/v1/auth/token -d grant_type=password -d username=consumer@demo.test -d password={DEMO_PASSWORD}"
    )
    console.print(f"\n[bold]The market is open:[/bold] {url}   docs: {url}/docs   search: {engine}", soft_wrap=True)
    if settings.env is Environment.development:
        console.print(
            "Demo accounts (password ishop-demo): consumer@demo.test, hotel@demo.test, vendor@demo.test,\n"
            "vendor2@demo.test, office@demo.test, admin@demo.test",
            soft_wrap=True,
        )
    console.print("Try:")
    for line in (
        f"curl -s '{url}/v1/search/products?q=gula+arn&per_page=2'",
        token,
        f"""curl -s {url}/v1/me -H "Authorization: Bearer $({token} | {PICK_FROM_ANSWER})\"""",
    ):
        console.print(f"  {line}", soft_wrap=True, markup=False, highlight=False)
    console.print("Play the scenario with `make demo` in another terminal. Stop with Ctrl-C.")
    console.print("Mails (confirmation, password reset) stay here: `.venv/bin/ishop mail` prints them.\n")
