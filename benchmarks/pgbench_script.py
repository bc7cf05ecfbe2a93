"""Captured statements as a script for pgbench: the values of one order as literals, what must be new as variables."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from benchmarks.statements import Replay, Statement

PARAMETER: Final = re.compile(r"\$(\d+)\b")
LARGEST: Final = 2**62


def order_script(replay: Replay, sku_id: UUID, skus: int) -> str:
    """The transaction of a one-line order of `sku_id`, made one of a random sku of `bench.skus`, which has `skus` rows.

    Names are random numbers that pgbench makes. Ids must come from `uuidv7()`, which only the server has, so the first
    statement, which answers one row, is asked for them and for the sku too: no round trip more than the service has.
    """
    picked = "(SELECT b.sku_id FROM bench.skus b WHERE b.place = :place::integer)"
    ids = sorted(value for value in replay.fresh if isinstance(value, UUID))
    names = sorted(value for value in replay.fresh if isinstance(value, str))
    variables: dict[Any, str] = {sku_id: ":sku::uuid"}
    variables |= {value: f":id_{place}::uuid" for place, value in enumerate(ids)}
    variables |= {value: f"to_hex(:name_{place}::bigint)" for place, value in enumerate(names)}
    lines = [f"\\set place random(0, {skus - 1})"]
    lines += [f"\\set name_{place} random(1, {LARGEST})" for place in range(len(names))]
    columns = [f"{picked} AS sku", *(f"uuidv7() AS id_{place}" for place in range(len(ids)))]
    first, *others = replay.statements
    # All of this is SQL that our services sent a moment ago, for a throwaway database.
    asking = f"SELECT first.*, {', '.join(columns)} FROM ({filled(first, {**variables, sku_id: picked})}) AS first"  # noqa: S608 - see above.
    sent = [f"{asking} \\gset", *(f"{filled(statement, variables)};" for statement in others)]
    return "\n".join([*lines, *(["BEGIN;", *sent, "COMMIT;"] if replay.in_transaction else sent), ""])


def filled(statement: Statement, variables: Mapping[Any, str]) -> str:
    """The statement with its parameters in it, in one line."""
    texts = [literal(value, variables) for value in statement.values]
    return " ".join(PARAMETER.sub(lambda match: texts[int(match[1]) - 1], statement.sql).split())


def literal(value: Any, variables: Mapping[Any, str]) -> str:
    """`value` as SQL that means the same whatever the context expects, or the variable that stands for it.

    Raises StopIteration for a type that no statement of ours has had.
    """
    if isinstance(value, list | tuple):
        return f"ARRAY[{', '.join(literal(one, variables) for one in value)}]" if value else "'{}'"
    if isinstance(value, UUID | str) and value in variables:
        return variables[value]
    return next(write for kind, write in LITERALS if isinstance(value, kind))(value)


def _quoted(text: str) -> str:
    """A text literal in which pgbench finds no variable: it looks for colons everywhere, also between quotes."""
    escaped = text.replace("\\", "\\\\").replace("'", "''").replace(":", "\\x3a").replace("\n", "\\n")
    return f"E'{escaped}'"


# Looked through in order, because a bool is an int and a datetime is a date.
LITERALS: Final[tuple[tuple[type, Callable[[Any], str]], ...]] = (
    (type(None), lambda _: "NULL"),
    (bool, lambda value: str(value).lower()),
    (int, lambda value: f"({value})"),
    (bytes, lambda value: f"'\\x{value.hex()}'::bytea"),
    (datetime, lambda value: f"{_quoted(value.isoformat())}::timestamptz"),
    (date, lambda value: f"'{value.isoformat()}'::date"),
    (UUID, lambda value: f"'{value}'::uuid"),
    (str, _quoted),
)
