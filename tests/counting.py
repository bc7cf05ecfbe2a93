"""Counts the statements that a service sends, on both of its ways to the database."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
from sqlalchemy import event

from ishop.database import Database

KEYS = "identity.verify_keys_v1"
"""A look at the keys that tokens are checked with, which is due now and then, belongs to no request."""


@contextmanager
def counted_queries(databases: Iterable[Database]) -> Iterator[list[str]]:
    """Collects the statements sent meanwhile; BEGIN and COMMIT are not among them."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    observed = list(databases)
    for database in observed:
        event.listen(database.engine.sync_engine, "before_cursor_execute", note)
        setattr(database, "fetch_rows", _noting(database, statements))  # noqa: B010 - it stays the real one, seen.
    try:
        yield statements
    finally:
        for database in observed:
            event.remove(database.engine.sync_engine, "before_cursor_execute", note)
            delattr(database, "fetch_rows")


def _noting(database: Database, statements: list[str]) -> Any:
    fetch_rows = database.fetch_rows

    async def noted(sql: str, *values: object, **how: bool) -> list[asyncpg.Record]:
        if KEYS not in sql:
            statements.append(sql)
        return await fetch_rows(sql, *values, **how)

    return noted
