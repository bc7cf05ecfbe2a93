"""Make accounts, and give and take the roles of the office and of administrators."""

import importlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.table import Table

from ishop.auth import StaffRole
from ishop.cli.command import command
from ishop.console import console, say
from ishop.database import Database
from ishop.laptop import reached
from ishop.settings import Role, get_settings

app = typer.Typer(no_args_is_help=True, help=__doc__)


Email = Annotated[str, typer.Argument(help="The e-mail address that its owner signs in with")]
GivenRole = Annotated[StaffRole, typer.Argument(help="office: acts for the provincial office; admin: may do all")]


@app.command()
@command
async def create(
    email: Email,
    name: Annotated[str, typer.Option(prompt=True, help="What the account is called")],
) -> None:
    """Make an account whose address needs no confirmation; the password is asked for, or read from the input."""
    password = _ask_for_password()
    async with _identity() as database:
        await _staff().create(database, email, name, password)
    say(f"{email} has an account.")


@app.command()
@command
async def grant(email: Email, role: GivenRole) -> None:
    """Give a role to the owner of a confirmed address; signed in or refreshed after that, the owner has it."""
    async with _identity() as database:
        await _staff().grant(database, email, role)
    say(f"{email} has the role {role}.")


@app.command()
@command
async def revoke(email: Email, role: GivenRole) -> None:
    """Take a role away and sign the owner out; an access token in use lives on for ten minutes at most."""
    async with _identity() as database:
        await _staff().revoke(database, email, role)
    say(f"{email} has the role {role} no more.")


@app.command(name="list")
@command
async def list_() -> None:
    """Everybody who has a role."""
    async with _identity() as database:
        members = await _staff().list_staff(database)
    table = Table("address", "name", "roles")
    for member in members:
        table.add_row(member.email, member.name, ", ".join(member.roles))
    console.print(table if members else "Nobody has a role; see `ishop accounts grant`.")


def _ask_for_password() -> SecretStr:
    """From the keyboard, unseen and twice, or the first line of what is piped in; never from the command line."""
    if sys.stdin.isatty():
        return SecretStr(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return SecretStr(sys.stdin.readline().rstrip("\n"))


@asynccontextmanager
async def _identity() -> AsyncIterator[Database]:
    """The database as the gateway, which keeps the accounts."""
    async with reached(get_settings(), say) as local:
        database = Database(local, Role.gateway)
        try:
            yield database
        finally:
            await database.close()


def _staff() -> ModuleType:
    return importlib.import_module("gateway.identity.staff.service")
