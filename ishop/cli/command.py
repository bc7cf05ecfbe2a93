"""What every command of the command line is."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

import typer
import uvloop

from ishop.console import errors
from ishop.home import StartupError
from ishop.settings import SettingsError

P = ParamSpec("P")


def command(work_to_do: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A command that is a coroutine; what cannot start is one sentence and exit code 1."""

    @functools.wraps(work_to_do)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(work_to_do(*args, **kwargs))
        except (StartupError, SettingsError) as error:
            errors.print(f"[red]{error}[/red]", soft_wrap=True)
            raise typer.Exit(1) from error
        except KeyboardInterrupt:
            raise typer.Exit(130) from None

    return run
