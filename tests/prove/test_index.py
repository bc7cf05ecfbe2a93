"""The proof that search shows what the tables say: it holds for a healthy market, and names each planted bug."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import date, timedelta
from functools import partial
from typing import Any

import aiohttp
import asyncpg
import pytest
from pydantic import SecretStr

from benchmarks.faults.drill import work_left
from benchmarks.faults.traffic import Call, Traffic
from benchmarks.prove.hands import Ground, Hand, hands
from benchmarks.prove.index import Watch, calmly, compared, untried
from benchmarks.prove.indexed import OPEN, covered_until
from benchmarks.prove.market import Unusable
from benchmarks.prove.plan import QUICK
from ishop.clock import business_date, now
from ishop.meili_process import EmbeddedMeilisearch, find_meilisearch
from ishop.settings import Role
from ishop.worker import run_worker
from services.catalog.search.jobs import reindex
from tests.conftest import MEILISEARCH_MISSING
from tests.databases import Cluster, TestDatabase
from tests.ishop.homes import temporary_home
from tests.markets import running_market
from tests.modes import served
from tests.prove.planted import Answering, Bug, Door, Fault, First, Mutation, Statement, Trigger, plant

KEY = "proof-master-key-0123456789"
CHANGES = 3

STOCK_NOT_HEARD = Trigger(
    "ops.outbox", "BEFORE INSERT", "RETURN CASE WHEN NEW.topic LIKE 'vendors.stock%' THEN NULL ELSE NEW END;"
)
VENDORS_NOT_HEARD = Trigger(
    "ops.outbox", "BEFORE INSERT", "RETURN CASE WHEN NEW.topic LIKE 'vendors.vendor%' THEN NULL ELSE NEW END;"
)
PRODUCTS_NOT_HEARD = Trigger(
    "ops.outbox", "BEFORE INSERT", "RETURN CASE WHEN NEW.topic LIKE 'catalog.%' THEN NULL ELSE NEW END;"
)
JOBS_DROPPED = Trigger("ops.pgqueuer", "BEFORE INSERT", "RETURN NULL;")
OLD_KEPT = Mutation(
    "catalog", "refresh_documents", (("price_from = excluded.price_from", "price_from = d.price_from"),)
)
REVOKED_SHOWN = Statement(
    "CREATE OR REPLACE VIEW vendors.certificates_v1 AS"
    " SELECT vendor_id, product_id, kind, number, valid_from, valid_until FROM vendors.certificates"
)
GONE_FROM_TABLE = "DELETE FROM catalog.product_documents WHERE certified_until IS NULL OR price_from > 20000"
STALE_IN_TABLE = "UPDATE catalog.product_documents SET price_from = price_from + 1"
MADE_BY_HAND = """
SELECT (SELECT count(*) FROM vendors.stock_movements WHERE device_id = 'hand-0') + (SELECT count(*) FROM orders.orders)
"""
REVOKED_NOW = """
WITH revoked AS (UPDATE vendors.certificates SET revoked_at = now() WHERE kind <> 'NIB' RETURNING vendor_id)
SELECT ops.emit_v1('vendors.vendor_changed.v1', ARRAY(SELECT DISTINCT vendor_id::text FROM revoked), NULL)
"""


@pytest.fixture(scope="module")
async def meilisearch() -> AsyncIterator[dict[str, Any] | None]:
    """The settings of a Meilisearch that the tests of this module share; None where there is no such program."""
    if find_meilisearch() is None:
        yield None
        return
    with temporary_home() as home:
        async with EmbeddedMeilisearch(home, KEY) as server:
            yield {"meili_url": server.url, "meili_key": SecretStr(KEY)}


@pytest.fixture
def door() -> Door:
    """Where bugs of the gateway are planted."""
    return Door()


@pytest.fixture
async def searching(
    request: pytest.FixtureRequest,
    door: Door,
    cluster: Cluster,
    market_template: TestDatabase,
    meilisearch: dict[str, Any] | None,
) -> AsyncIterator[tuple[Ground, Traffic]]:
    """A market at its door with a worker, its search index in PostgreSQL, or in Meilisearch where the test says so."""
    wanted = getattr(request, "param", "postgres") == "meilisearch"
    if wanted and meilisearch is None:
        pytest.skip(MEILISEARCH_MISSING)
    found = meilisearch if wanted else None
    async with cluster.clone(market_template) as clone:
        settings = clone.settings.model_copy(update=found or {})
        database = cluster.superuser_dsn.rpartition("/")[0] + f"/{settings.database_name}"
        async with (
            running_market(TestDatabase(settings)) as market,
            served(door, settings) as url,
            aiohttp.ClientSession() as http,
        ):
            door.app = market.market.gateway
            if found:
                await reindex(settings, market.market.services["catalog"].state.database, lambda *_: None)
            stop = asyncio.Event()
            working = asyncio.create_task(run_worker(market.database.dsn(Role.worker), market.market.jobs, stop=stop))
            traffic = Traffic(url, http, 1)
            await traffic.sign_in()
            yield Ground(settings, database), traffic
            stop.set()
            await working


BOTH = pytest.mark.parametrize(
    "searching", ["postgres", pytest.param("meilisearch", marks=pytest.mark.meilisearch)], indirect=True
)


@BOTH
async def test_a_healthy_market_shows_what_its_tables_say(searching: tuple[Ground, Traffic]) -> None:
    ground, traffic = searching
    watch = Watch()
    workers = await hands(ground, traffic, 7)
    await asyncio.gather(*(calmly(hand, CHANGES, watch) for hand in workers))
    await execute(ground, REVOKED_NOW)
    assert await work_left(ground.database) == []
    assert await compared(ground, traffic) == []
    assert watch.unseen == []
    assert len(watch.search) == len(watch.lists) == CHANGES * len(workers)


@pytest.mark.parametrize(
    ("searching", "bug", "named"),
    [
        pytest.param("postgres", STOCK_NOT_HEARD, ["PostgreSQL has another skus of"], id="stock not heard"),
        pytest.param(
            "postgres", VENDORS_NOT_HEARD,
            ["PostgreSQL has the product", "PostgreSQL has another maker", "the list of products shows"],
            id="vendors not heard",
        ),
        pytest.param("postgres", JOBS_DROPPED, ["PostgreSQL has another maker"], id="jobs dropped"),
        pytest.param("postgres", OLD_KEPT, ["PostgreSQL has another price_from"], id="old price kept"),
        pytest.param("postgres", REVOKED_SHOWN, ["PostgreSQL has another kinds"], id="revoked and shown"),
        pytest.param(
            "meilisearch", PRODUCTS_NOT_HEARD, ["the index of Meilisearch has another"],
            id="products not heard", marks=pytest.mark.meilisearch,
        ),
    ],
    indirect=["searching"],
)  # fmt: skip
async def test_a_bug_planted_before_the_changes_is_named(
    searching: tuple[Ground, Traffic], door: Door, bug: Bug, named: list[str]
) -> None:
    ground, traffic = searching
    workers = await hands(ground, traffic, 7)
    await plant(bug, ground.database, door)
    await asyncio.gather(*map(change_everything, workers))
    if bug is REVOKED_SHOWN:  # What is heard of a vendor brings all its documents up, whatever was not heard before.
        await execute(ground, REVOKED_NOW)
    assert await work_left(ground.database) == []
    broken = await compared(ground, traffic)
    for what in named:
        assert [line for line in broken if what in line], (what, broken)


async def test_documents_that_are_wrong_in_the_table_are_named(searching: tuple[Ground, Traffic]) -> None:
    ground, traffic = searching
    await execute(ground, GONE_FROM_TABLE)
    await execute(ground, STALE_IN_TABLE)
    broken = " ".join(await compared(ground, traffic))
    assert "the index of PostgreSQL does not have the product" in broken
    assert "the index of PostgreSQL has another price_from" in broken


async def test_lists_that_show_something_else_than_the_index_are_named(
    searching: tuple[Ground, Traffic], door: Door
) -> None:
    ground, traffic = searching
    whole = door.app
    Fault("GET", "/v1/(search/)?products", partial(Answering, change=last_for_first)).plant(door)
    broken = " ".join(await compared(ground, traffic))
    for where in ("the list of products", "search"):
        assert f"{where} shows a product twice" in broken
        assert f"{where} shows None of the product" in broken
    door.app = whole
    Fault("GET", "/v1/products", partial(Answering, change=First(by_address=False))).plant(door)
    with pytest.raises(Unusable, match="GET /v1/products has no end"):
        await compared(ground, traffic)


async def test_a_change_that_is_not_seen_in_time_is_named(searching: tuple[Ground, Traffic], door: Door) -> None:
    ground, traffic = searching
    Fault("GET", "/v1/(search/)?products", partial(Answering, change=emptied)).plant(door)
    watch = Watch(patience=1)
    await calmly((await hands(ground, traffic, 7))[0], 1, watch)
    assert {what.partition(" was ")[2] for what in watch.unseen} == {
        "not seen in search within 1 s", "not seen in lists within 1 s",
    }  # fmt: skip


async def test_each_of_the_changes_that_a_hand_makes_at_once_is_one(searching: tuple[Ground, Traffic]) -> None:
    ground, traffic = searching
    hand = (await hands(ground, traffic, 7))[0]
    chosen = hand.products[:8]
    await asyncio.gather(*(hand.change("stock", product) for product in chosen))
    connection = await asyncpg.connect(ground.database)
    made = await connection.fetchval(MADE_BY_HAND)
    await connection.close()
    assert made == len(chosen)
    assert traffic.failures == []


async def test_what_never_happened_is_not_called_proved(searching: tuple[Ground, Traffic]) -> None:
    ground, traffic = searching
    await execute(ground, "UPDATE vendors.vendors SET status = 'suspended'")
    assert "not put to the proof: nothing is for sale" in await compared(ground, traffic)
    changed = Counter(stock=3, price=2, name=1, status=1, vendor=1)
    assert list(untried(QUICK, changed, Watch(search=[1.0]), Watch(), ["worker"])) == [
        "not put to the proof: 8 changes instead of 300",
        "not put to the proof: no change of certificate was made",
        "not put to the proof: no change was seen in the storm",
        "not put to the proof: worker was never killed",
    ]


@pytest.mark.meilisearch
@pytest.mark.parametrize("searching", ["meilisearch"], indirect=True)
async def test_documents_that_are_wrong_in_meilisearch_are_named(searching: tuple[Ground, Traffic]) -> None:
    ground, traffic = searching
    gone, stale, *_ = (await traffic.attempt(Call("catalog", "GET", "/v1/products?limit=2")) or (0, {}))[1]["items"]
    url = f"{ground.settings.meili_url}/indexes/{ground.settings.database_name}_products/documents"
    headers = {"Authorization": f"Bearer {KEY}"}
    tasks = []
    async with traffic.http.delete(f"{url}/{gone['id']}", headers=headers) as answer:
        tasks.append((await answer.json())["taskUid"])
    async with traffic.http.put(url, headers=headers, json=[{"id": stale["id"], "price_from": 1}]) as answer:
        tasks.append((await answer.json())["taskUid"])
    for task in tasks:
        while True:
            async with traffic.http.get(f"{ground.settings.meili_url}/tasks/{task}", headers=headers) as answer:
                if (await answer.json())["status"] == "succeeded":
                    break
    broken = await compared(ground, traffic)
    assert f"the index of Meilisearch does not have the product {gone['id']}" in broken
    assert f"the index of Meilisearch has another price_from of the product {stale['id']}" in broken


class TestCover:
    today = business_date(now())

    @pytest.mark.parametrize(
        ("spans", "until"),
        [
            ([], None),
            ([(-9, 9)], 9),
            ([(-9, -1)], None),
            ([(1, 9)], None),
            ([(-9, 3), (4, 8)], 8),
            ([(-9, 3), (5, 8)], 3),
            ([(-9, 30), (-2, 8)], 30),
            ([(-9, 3), (2, None)], OPEN),
        ],
    )
    def test_the_last_day_without_a_gap(self, spans: list[tuple[int, int | None]], until: int | str | None) -> None:
        def day(distance: int) -> date:
            return self.today + timedelta(days=distance)

        held = [(day(start), None if end is None else day(end)) for start, end in spans]
        assert covered_until(held, self.today) == (f"{day(until)}" if isinstance(until, int) else until)


def last_for_first(_address: str, _status: int, page: dict[str, Any]) -> dict[str, Any]:
    """A page on which the last stands in the place of the first as well."""
    return {
        name: value[-1:] + value[1:] if name in ("items", "hits") and value else value for name, value in page.items()
    }


def emptied(_address: str, _status: int, page: dict[str, Any]) -> dict[str, Any]:
    """A page on which nothing is left."""
    return {name: [] if name in ("items", "hits") else value for name, value in page.items()}


async def change_everything(hand: Hand) -> None:
    """Each kind of change of some products."""
    for product in hand.products[:4]:
        for kind in (
            ("price", "name", "stock") if hand.account else ("price", "name", "status", "vendor", "certificate")
        ):
            await hand.change(kind, product)


async def execute(ground: Ground, statement: str) -> None:
    """Run a statement as the superuser."""
    connection = await asyncpg.connect(ground.database)
    await connection.execute(statement)
    await connection.close()
