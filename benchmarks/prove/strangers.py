"""Nobody reads or changes what is not theirs: every route of the gateway's document, called by every role.

Three rounds. In the first every route that names an object is called for the objects of all others: it must be refused
like an object that does not exist, and every table must be as it was. In the second the foreign object is named where a
list or a body names one. In the third everybody calls everything as it is meant to be called. No answer of any round
may hold a secret of others: an id, a number, a name, an address. That those whose it is do read each object and each
secret shows that it was there to be found.
"""

import copy
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import asyncpg
from httpx import Response
from pydantic import SecretStr
from starlette.types import ASGIApp

from benchmarks.faults.parts import opened
from benchmarks.prove import plan as plans
from benchmarks.prove.cast import OFFICERS, Cast, Secret, assembled, side
from benchmarks.prove.document import Operation, operations
from benchmarks.prove.outcome import Outcome, Say
from benchmarks.prove.plan import Plan
from benchmarks.prove.scene import ANONYMOUS, OFFICE_CHANGES, OFFICE_READS, PUBLIC, bulk_body
from ishop.home import load_secrets
from ishop.market import assemble

NAME: Final = "strangers"
TITLE: Final = "Nobody reads or changes what is not theirs"
OWNERS_QUICK: Final = 1
"""Of how many owners a caller tries the objects in a quick run; in a full one of all."""
REFUSED: Final = frozenset({403, 404})
NAMED: Final = {"organization_id": "organization_id", "vendor_id": "vendor", "vendor": "vendor"}
"""Properties and parameters of collections that name whose they are, and the object that they name."""
OPEN: Final = frozenset(
    {
        "GET /v1/search/products", "GET /v1/search/suggestions", "GET /v1/products", "GET /v1/products/{id_or_slug}",
        "GET /v1/commodities", "GET /v1/commodities/{slug}", "GET /v1/categories", "GET /v1/regions",
        "GET /v1/vendors", "GET /v1/vendors/{vendor}",
        "POST /v1/auth/register", "POST /v1/auth/confirm", "POST /v1/auth/token", "POST /v1/auth/revoke",
        "POST /v1/auth/password/reset", "POST /v1/auth/password/reset/confirm",
    }
)  # fmt: skip
"""What nobody has to sign in for, by our own list: the document might forget to ask who calls."""
FOR_OFFICERS: Final = "/v1/auth/act"
UNSHOWN: Final = "/v1/audit-log"
"""What officers alone read, where they read of everything."""

EVERY_TABLE: Final = """
SELECT string_agg(format('SELECT %L AS name, md5(string_agg((to_jsonb(t) - ''last_used_at'')::text, '','''
    ' ORDER BY t::text)) AS digest FROM %I.%I t', schemaname || '.' || tablename, schemaname, tablename), ' UNION ALL ')
FROM pg_tables WHERE schemaname IN ('identity', 'vendors', 'orders')
    OR (schemaname = 'ops' AND tablename = 'outbox')
"""


@dataclass
class Rounds:
    """What was sent, and what was found."""

    cast: Cast
    connection: asyncpg.Connection
    owners: int | None
    requests: int = 0
    combinations: set[tuple[str, str, str]] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    """Operations that were done for somebody."""
    shown: set[Secret] = field(default_factory=set)
    """Secrets that somebody read who may."""

    async def call(
        self, operation: Operation, who: str, owner: str, path: str, *, body: Any = None, query: Any = None
    ) -> Response:
        """Send it, and look whether the answer tells what it should not."""
        self.requests += 1
        self.combinations.add((str(operation), who, owner))
        headers = {"Idempotency-Key": str(uuid4()), "If-Match": '"1"'}
        sent = {} if body is None else {"json": body}
        answer = await self.cast.clients[who].request(operation.method, path, params=query, headers=headers, **sent)
        if answer.status_code >= 500:
            self.broken.append(f"{operation} by {who} is answered {answer.status_code}")
        if who == ANONYMOUS and operation.private and answer.status_code != 401:
            self.broken.append(f"{operation} is answered {answer.status_code} to nobody")
        if answer.is_success:
            self.done.add(str(operation))
        told = () if operation.path == UNSHOWN else self.cast.secrets
        for secret in told:
            if secret.text not in answer.text:
                continue
            if {who, side(who)} & secret.readers:
                self.shown.add(secret)
            else:
                self.broken.append(f"{operation} tells {who} {secret.what} of {secret.owner}")
        return answer

    async def digests(self) -> dict[str, str]:
        """A digest of every table that a route may change."""
        statement = await self.connection.fetchval(EVERY_TABLE)
        return {row["name"]: row["digest"] for row in await self.connection.fetch(statement)}

    async def unchanged(self, what: str, before: Mapping[str, str]) -> dict[str, str]:
        """The digests now; what differs from `before` was changed by somebody who may not."""
        after = await self.digests()
        for table in sorted(after):
            if after[table] != before[table]:
                self.broken.append(f"{what} by a stranger changed {table}")
        return after


async def prove(plan: Plan, home: Path, say: Say) -> Outcome:
    """Call everything as everybody; a quick run tries the objects of some owners only."""
    began = time.monotonic()
    async with _market(home) as (gateway, dsn):
        rounds = await look(gateway, dsn, say, owners=OWNERS_QUICK if plan.name == plans.QUICK.name else None)
    figures: dict[str, int | float | str] = {
        "routes": len({operation for operation, _, _ in rounds.combinations}),
        "roles": len(rounds.cast.clients),
        "combinations of route, caller and owner": len(rounds.combinations),
        "requests": rounds.requests,
        "secrets looked for in every answer": len(rounds.cast.secrets),
        "leaks": len(rounds.broken),
    }
    return Outcome(NAME, TITLE, time.monotonic() - began, figures, rounds.broken)


async def look(gateway: ASGIApp, dsn: str, say: Say, *, owners: int | None = None, under: str = "/") -> Rounds:
    """All rounds of the routes `under` a path, against this gateway, whose tables are at `dsn`."""
    async with AsyncExitStack() as closing:
        cast = await assembled(gateway, dsn, closing)
        connection = await asyncpg.connect(dsn)
        closing.push_async_callback(connection.close)
        document = (await cast.clients[ANONYMOUS].get("/openapi.json")).json()
        every = [operation for operation in operations(document) if operation.path.startswith(under)]
        rounds = Rounds(cast, connection, owners)
        for place, operation in enumerate(every):
            if operation.private == (str(operation) in OPEN):
                rounds.broken.append(f"{operation}: the document is wrong about whether it asks who calls")
                every[place] = replace(operation, private=not operation.private)
        await _named(rounds, every)
        say(f"{rounds.requests} requests for objects of others")
        await _smuggled(rounds, every)
        await _as_meant(rounds, every)
        rounds.broken += untried(rounds, every, whole=under == "/")
        say(f"{rounds.requests} requests in all, {len(rounds.broken)} leaks")
        return rounds


def untried(rounds: Rounds, every: list[Operation], *, whole: bool) -> Iterator[str]:
    """What nobody reads at all, so that it proves nothing when strangers do not; secrets only if all was called."""
    if not every:
        yield "not put to the proof: there is no route"
    for operation in every:
        if operation.method == "GET" and str(operation) not in rounds.done:
            yield f"not put to the proof: nobody could {operation}"
    for secret in rounds.cast.secrets if whole else ():
        if secret not in rounds.shown:
            yield f"not put to the proof: nobody was shown {secret.what} of {secret.owner}"


async def _named(rounds: Rounds, every: list[Operation]) -> None:
    """Objects of others, named in the path: refused like what does not exist, and nothing is changed."""
    for operation in every:
        if not (operation.private and operation.variables):
            continue
        if unknown := set(operation.variables) - set(rounds.cast.objects):
            rounds.broken.append(f"{operation}: nobody owns a {', '.join(unknown)}, so it was not put to the proof")
            continue
        before = await rounds.digests()
        for who, owner in _pairs(rounds, operation):
            answers = []
            for objects in (rounds.cast.objects, {}):
                values = {name: objects.get(name, {}).get(owner, str(uuid4())) for name in operation.variables}
                path = operation.path.format(**values)
                answer = await rounds.call(operation, who, owner, path, body=operation.body)
                answers.append((answer.status_code, answer.json().get("code")))
            if who != ANONYMOUS and answers[0][0] not in REFUSED:
                rounds.broken.append(f"{operation} by {who} is answered {answers[0][0]} for what {owner} has")
            elif answers[0] != answers[1]:
                rounds.broken.append(f"{operation} tells {who} by its answer that {owner} has it")
        await rounds.unchanged(str(operation), before)


async def _smuggled(rounds: Rounds, every: list[Operation]) -> None:
    """Objects of others, named by a parameter of a list or in a body: refused or nothing, and nothing is changed."""
    for operation in every:
        if operation.variables or not operation.private:
            continue
        before = await rounds.digests()
        for name in sorted(NAMED.keys() & (operation.queries | operation.properties)):
            for owner, value in rounds.cast.objects[NAMED[name]].items():
                for who in _others(rounds, owner, reads=operation.method == "GET" or operation.path == FOR_OFFICERS):
                    in_query = name in operation.queries
                    body = None if in_query else _body(rounds, operation, owner) | {name: value}
                    query = {name: value} if in_query else None
                    answer = await rounds.call(operation, who, owner, operation.path, body=body, query=query)
                    if answer.is_success and not _is_empty(answer):
                        rounds.broken.append(f"{operation} by {who} takes {name} of {owner}")
        if operation.path == "/v1/stock/batch":
            await _stock_of_others(rounds, operation)
        await rounds.unchanged(str(operation), before)


async def _stock_of_others(rounds: Rounds, operation: Operation) -> None:
    for owner, sku in rounds.cast.objects["sku_id"].items():
        for who in _others(rounds, owner, reads=False):
            row = {"sku_id": sku, "delta": 1, "device_id": "stranger", "sequence": 1}
            for mode in ("partial", "atomic"):
                answer = await rounds.call(operation, who, owner, operation.path, body={"mode": mode, "rows": [row]})
                rows = answer.json()["results"] if answer.is_success else []
                if any(one["status"] != "invalid" or one["on_hand"] is not None for one in rows):
                    rounds.broken.append(f"{operation} by {who} takes a sku of {owner}")


async def _as_meant(rounds: Rounds, every: list[Operation]) -> None:
    """Everything by everybody, for what is everybody's or their own; what this changes is their own."""
    for operation in every:
        for who in rounds.cast.clients:
            values = {
                name: rounds.cast.objects.get(name, {}).get(side(who), rounds.cast.objects.get(name, {}).get(PUBLIC))
                for name in operation.variables
            }
            if None in values.values() or (operation.variables and operation.method != "GET"):
                continue
            body = _body(rounds, operation, side(who)) if operation.body is not None else None
            query = {"q": "gula"} if "q" in operation.queries else None
            await rounds.call(operation, who, who, operation.path.format(**values), body=body, query=query)


def _pairs(rounds: Rounds, operation: Operation) -> Iterator[tuple[str, str]]:
    """Each caller with owners of such objects that are strangers to it."""
    owned = [rounds.cast.objects[name] for name in operation.variables]
    owners = sorted({owner for objects in owned for owner in objects} - {PUBLIC})
    for place, who in enumerate(rounds.cast.clients):
        if who in OFFICERS and operation.path in OFFICE_READS | OFFICE_CHANGES:
            continue
        others = [owner for owner in owners if owner != side(who)]
        if rounds.owners is not None and len(others) > rounds.owners:
            others = [others[(place + step) % len(others)] for step in range(rounds.owners)]
        yield from ((who, owner) for owner in others)


def _others(rounds: Rounds, owner: str, *, reads: bool) -> Iterator[str]:
    """Strangers to this owner; officers read of everybody."""
    for who in rounds.cast.clients:
        if who != ANONYMOUS and owner not in (side(who), PUBLIC) and not (reads and who in OFFICERS):
            yield who


def _body(rounds: Rounds, operation: Operation, owner: str) -> Any:
    """A body that fails for the caller only: an order of what there is, else the example of the document."""
    if operation.path.startswith("/v1/bulk-orders"):
        organization = rounds.cast.organizations.get(owner, str(uuid4()))
        return bulk_body(rounds.cast.scene.order(), organization, "PO-9")
    if operation.path.startswith("/v1/orders"):
        return rounds.cast.scene.order()
    body = copy.deepcopy(operation.body)
    if isinstance(body, dict):
        for name in NAMED.keys() & body.keys():
            del body[name]
    return body


def _is_empty(answer: Response) -> bool:
    body = answer.json()
    return isinstance(body, dict) and body.get("items") == []


@asynccontextmanager
async def _market(home: Path) -> AsyncIterator[tuple[ASGIApp, str]]:
    """The whole market in this process, behind its gateway, and the address of its tables."""
    async with opened(home, ()) as parts:
        signing_key = SecretStr(load_secrets(home).signing_key)
        settings = parts.settings.model_copy(
            update={"signing_key": signing_key, "rate_limits": False, "log_level": "error"}
        )
        market = assemble(settings)
        try:
            yield market.gateway, parts.database
        finally:
            await market.close()
