"""The plans of what a request sends to the database: which indexes it uses, which tables it reads from end to end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import orjson
from httpx import AsyncClient
from sqlalchemy import event

from ishop.database import Database
from ishop.settings import Role
from tests.markets import TestMarket
from tests.million.asked import Asked

GROWING: Final = frozenset({
    "product_documents", "products", "skus", "price_tiers", "stock", "stock_movements", "reservations", "certificates",
    "orders", "vendor_orders", "order_lines", "transitions", "payments", "refunds", "users",
})  # fmt: skip
"""Tables that grow with the market; all others stay small enough to be read whole."""

THINGS: Final = """
    SELECT d.product_id::text AS product, d.slug, d.vendor_id::text AS vendor, d.commodity_slug AS commodity,
           d.category_slug AS category, d.region_code AS region, d.certificate_kinds[1] AS certificate,
           (SELECT id::text FROM orders.organizations LIMIT 1) AS organization,
           (SELECT o.id::text FROM orders.orders o JOIN identity.users u ON u.id = o.buyer_id
            WHERE u.email = 'consumer@demo.test' LIMIT 1) AS order,
           v.id::text AS vendor_order, l.sku_id::text AS sold_sku
    FROM catalog.product_documents d
    CROSS JOIN LATERAL (
        SELECT v.id FROM orders.vendor_orders v JOIN vendors.vendor_members m USING (vendor_id)
        JOIN identity.users u ON u.id = m.user_id WHERE u.email = 'vendor@demo.test' LIMIT 1
    ) v
    JOIN orders.order_lines l ON l.vendor_order_id = v.id
    WHERE d.in_stock LIMIT 1
"""


Heard = tuple[Role, str, Sequence[Any], bool]
"""Who sent which SQL with which values, and whether it was planned anew for these."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the statements of one request do."""

    statements: tuple[str, ...]
    indexes: frozenset[str]
    read_whole: frozenset[str]
    """Tables of `GROWING` that are read from end to end."""
    rows: int
    """Rows, and entries of indexes, that were looked at."""

    def lacks(self, asked: Asked) -> list[str]:
        """The indexes that the request must be found by, and was not."""
        return [names for names in sorted(asked.indexes) if not self.indexes & set(names.split("|"))]


async def plan_of(market: TestMarket, asked: Asked, client: AsyncClient, settings: Sequence[str] = ()) -> Plan:
    """Send the request, then explain what its services sent, as the roles that sent it, under `settings`."""
    things = dict((await market.fetch(THINGS))[0])
    parameters = {name: str(value).format(**things) for name, value in asked.parameters.items()}
    with _heard(market) as heard:
        answer = await client.get(asked.path.format(**things), params=parameters)
    assert answer.status_code == 200, answer.text
    nodes: list[dict[str, Any]] = []
    for role, sql, values, plan_anew in heard:
        connection = await market.connect(role)
        if plan_anew:
            await connection.execute("SET plan_cache_mode = force_custom_plan")
        for setting in settings:
            await connection.execute(f"SET {setting}")
        nodes.extend(_nodes(await _explained(connection, sql, values)))
        await connection.close()
    return Plan(
        statements=tuple(sql for _, sql, _, _ in heard),
        indexes=frozenset(node["Index Name"] for node in nodes if "Index Name" in node),
        read_whole=frozenset(
            node["Relation Name"]
            for node in nodes
            if node["Node Type"] == "Seq Scan" and node["Relation Name"] in GROWING and node["Actual Loops"] > 0
        ),
        rows=sum(map(_looked_at, nodes)),
    )


async def _explained(connection: asyncpg.Connection, sql: str, values: Sequence[Any]) -> dict[str, Any]:
    """The plan as a service gets it: of a prepared statement, so that the role's way of keeping plans counts."""
    types = [f"{one.schema}.{one.name}" for one in (await connection.prepare(sql)).get_parameters()]
    quoted = [f"quote_nullable(CAST(${place} AS {kind})::text)" for place, kind in enumerate(types, 1)]
    literals = tuple(await connection.fetchrow(f"SELECT {', '.join(quoted)}", *values)) if quoted else ()
    await connection.execute(f"PREPARE asked AS {sql}")
    parameters = f"({', '.join(literals)})" if literals else ""
    plan = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked{parameters}")
    root: dict[str, Any] = orjson.loads(plan)[0]["Plan"]
    return root


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _looked_at(node: dict[str, Any]) -> int:
    """What a scan of a growing table looked at: what it gave and what it passed over."""
    if "Index Name" not in node and node.get("Relation Name") not in GROWING:
        return 0
    rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return int(rows * node["Actual Loops"])


@contextmanager
def _heard(market: TestMarket) -> Iterator[list[Heard]]:
    """Collects the reads of the services with their values, on both of their ways to the database."""
    heard: list[Heard] = []
    databases: list[Database] = [app.state.database for app in market.market.services.values()]
    listeners = []
    for database in databases:
        role = Role[database.service]

        def note(_connection: Any, _cursor: Any, sql: str, values: Any, *_: Any, role: Role = role) -> None:
            heard.append((role, sql, tuple(values), False))

        event.listen(database.engine.sync_engine, "before_cursor_execute", note)
        listeners.append((database, note))
        setattr(database, "fetch_rows", _noting(database, role, heard))  # noqa: B010 - it stays the real one, seen.
    try:
        yield heard
    finally:
        for database, note in listeners:
            event.remove(database.engine.sync_engine, "before_cursor_execute", note)
            delattr(database, "fetch_rows")


def _noting(database: Database, role: Role, heard: list[Heard]) -> Any:
    fetch_rows = database.fetch_rows

    async def noted(sql: str, *values: object, plan_anew: bool = False) -> list[asyncpg.Record]:
        heard.append((role, sql, values, plan_anew))
        return await fetch_rows(sql, *values, plan_anew=plan_anew)

    return noted
