"""The SQL of one request as the running code sends it: captured from the services, then replayed without them.

Nothing is written down by hand, so a floor stays the floor of the code that is there. The same request is captured
twice, each time with another key; what differs between the two recordings (ids, numbers, keys) is what every replay has
to make anew, and everything else is repeated as it was sent.
"""

import secrets
import string
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import event

from ishop.market import Market

DOCUMENT_STARTS: Final = ("{", "[")
Fetch = Callable[..., Awaitable[list[asyncpg.Record]]]
KEYS: Final = "identity.verify_keys_v1"
"""A look at the keys that tokens are checked with, which is due now and then, belongs to no request."""
LETTERS: Final = (string.digits, string.ascii_lowercase, string.ascii_uppercase)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement with its numbered parameters, as asyncpg gets it."""

    sql: str
    values: tuple[Any, ...]
    alone: bool = False
    """Whether it was sent outside of a transaction, and so is one itself."""
    plan_anew: bool = False
    """Whether it was planned for these very values."""


@contextmanager
def listening(market: Market) -> Iterator[list[Statement]]:
    """Collects what the services of this process send to PostgreSQL on both their ways, without BEGIN and COMMIT."""
    heard: list[Statement] = []

    def note(_connection: Any, _cursor: Any, sql: str, values: Any, _context: Any, many: bool) -> None:
        if many:
            raise NotImplementedError(f"This statement is sent with many sets of parameters: {sql}")
        heard.append(Statement(sql, tuple(values)))

    def noting(fetch_rows: Fetch) -> Fetch:
        async def noted(sql: str, *values: object, plan_anew: bool = False) -> list[asyncpg.Record]:
            if KEYS not in sql:
                heard.append(Statement(sql, values, alone=True, plan_anew=plan_anew))
            return await fetch_rows(sql, *values, plan_anew=plan_anew)

        return noted

    databases: list[Any] = [app.state.database for app in market.services.values()]
    for database in databases:
        event.listen(database.engine.sync_engine, "before_cursor_execute", note)
        database.fetch_rows = noting(database.fetch_rows)
    try:
        yield heard
    finally:
        for database in databases:
            event.remove(database.engine.sync_engine, "before_cursor_execute", note)
            del database.fetch_rows


class Replay:
    """The statements of a request that can be run again and again, each time with ids of its own."""

    def __init__(self, statements: Sequence[Statement], fresh: frozenset[UUID | str]) -> None:
        self.statements = tuple(statements)
        self.fresh = fresh
        """Ids and other names (keys, numbers) that were made for this one request."""

    @classmethod
    def of(cls, first: Sequence[Statement], second: Sequence[Statement]) -> "Replay":
        """From two recordings of the same request. Raises ValueError when their statements differ."""
        if [statement.sql for statement in first] != [statement.sql for statement in second]:
            raise ValueError("The two requests did not send the same statements.")
        pairs = zip(
            _leaves([statement.values for statement in first]),
            _leaves([statement.values for statement in second]),
            strict=True,
        )
        fresh = frozenset(new for old, new in pairs if old != new and _is_name(new))
        return cls(second, fresh)

    def renewed(self, ids: Iterator[UUID]) -> list[Statement]:
        """The statements with fresh ids (taken from `ids`) and names, the same one wherever the old one stood."""
        renewals: dict[Any, Any] = {}
        for old in sorted(self.fresh, key=str):
            if isinstance(old, UUID):
                renewals[old] = next(ids)
            elif _as_uuid(old) is None:
                renewals[old] = scrambled(old)
        for old in self.fresh:
            if isinstance(old, str) and (known := _as_uuid(old)) is not None:
                renewals[old] = str(renewals.get(known) or next(ids))

        def renew(value: Any) -> Any:
            return renewals.get(value, value) if isinstance(value, UUID | str) else value

        return [replace(one, values=tuple(mapped(value, renew) for value in one.values)) for one in self.statements]

    @property
    def in_transaction(self) -> bool:
        """Whether the statements were sent as one transaction; else each was one itself."""
        return not all(statement.alone for statement in self.statements)


async def run(connection: asyncpg.Connection, statements: Sequence[Statement], *, in_transaction: bool) -> None:
    """Run them, each prepared once a connection, as the services do."""
    async with connection.transaction() if in_transaction else nullcontext():
        for statement in statements:
            await connection.fetch(statement.sql, *statement.values)


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """`value` with every leaf of its lists replaced by what `change` makes of it."""
    return [mapped(inner, change) for inner in value] if isinstance(value, list | tuple) else change(value)


def scrambled(name: str) -> str:
    """A random name of the same form: digits stay digits, capitals stay capitals, the rest stays as it is."""
    return "".join(
        next((secrets.choice(letters) for letters in LETTERS if letter in letters), letter) for letter in name
    )


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner)
    elif isinstance(value, Mapping):
        raise TypeError("A mapping among the parameters of a statement; only scalars and lists are expected.")
    else:
        yield value


def _is_name(value: Any) -> bool:
    """Whether it is an id, a key or a number; times, bodies and JSON documents are contents and stay as they are."""
    return isinstance(value, UUID) or (isinstance(value, str) and not value.startswith(DOCUMENT_STARTS))


def _as_uuid(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None
