"""The command `ishop`: start the market, fill it, look after it. A file for every group of commands."""

import typer

from ishop.cli import accounts, backup, config, data, document, jobs, keys, market, metrics

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
for group in (market.app, data.app, backup.app, config.app, document.app, metrics.app):
    app.add_typer(group)
app.add_typer(jobs.app, name="jobs")
app.add_typer(keys.app, name="keys")
app.add_typer(accounts.app, name="accounts")


def main() -> None:
    """Run the command line."""
    app()
