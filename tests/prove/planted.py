"""Bugs to plant in the database of a running market: in its functions, or by triggers beside them."""

import re
from dataclasses import dataclass

import asyncpg

TRIGGER = """
CREATE FUNCTION public.planted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN {body} END $$;
CREATE TRIGGER planted {when} ON {table} FOR EACH ROW EXECUTE FUNCTION public.planted();
"""
FUNCTIONS = """
SELECT p.oid::regprocedure::text AS name, pg_get_functiondef(p.oid) AS definition
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = $1 AND p.prokind = 'f' AND p.proname LIKE $2
"""


@dataclass(frozen=True)
class Mutation:
    """Every match of these patterns, in the functions of these names, becomes something else."""

    schema: str
    functions: str
    edits: tuple[tuple[str, str], ...]
    before: str = ""
    """A statement that makes room for it."""

    async def plant(self, connection: asyncpg.Connection) -> None:
        """Replace the functions; each edit must find its place, or the bug would be none."""
        if self.before:
            await connection.execute(self.before)
        rows = await connection.fetch(FUNCTIONS, self.schema, self.functions)
        found = {row["name"]: row["definition"] for row in rows}
        for pattern, replacement in self.edits:
            changed = {name: re.sub(pattern, replacement, definition) for name, definition in found.items()}
            assert changed != found, f"nothing in {self.schema}.{self.functions} is like {pattern}"
            found = changed
        for definition in found.values():
            await connection.execute(definition)


@dataclass(frozen=True)
class Trigger:
    """Something that goes wrong with rows of a table."""

    table: str
    when: str
    body: str

    async def plant(self, connection: asyncpg.Connection) -> None:
        """Make the trigger."""
        await connection.execute(TRIGGER.format(table=self.table, when=self.when, body=self.body))


@dataclass(frozen=True)
class Statement:
    """Something else that goes wrong."""

    sql: str

    async def plant(self, connection: asyncpg.Connection) -> None:
        """Do it."""
        await connection.execute(self.sql)


Bug = Mutation | Trigger | Statement
