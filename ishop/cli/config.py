"""Show the settings in effect, and what is wrong with them."""

from typing import Annotated

import typer

from ishop.cli.command import command
from ishop.console import console, errors, say
from ishop.effective import effective, unknown_variables
from ishop.home import StartupError
from ishop.laptop import of_home
from ishop.needs import PROCESSES, require
from ishop.settings import get_settings

app = typer.Typer()


@app.command()
@command
async def config(
    process: Annotated[
        str | None, typer.Argument(help=f"Check that this process may start: {', '.join(PROCESSES)}")
    ] = None,
) -> None:
    """Show the settings in effect and where each comes from, secrets masked; exit 1 where one is wrong or missing."""
    if process is not None and process not in PROCESSES:
        raise StartupError(f"There is no process {process!r}; choose {', '.join(PROCESSES)}.")
    settings = get_settings()
    home = of_home(settings, say)
    for setting in effective(settings, home):
        line = f"{setting.variable:<26} {setting.value:<32} {setting.source}"
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    for name in unknown_variables():
        errors.print(
            f"{name} is set but is no setting of this version; is it misspelt?", soft_wrap=True, highlight=False
        )
    if process is not None:
        require(settings.model_copy(update=home), process)
