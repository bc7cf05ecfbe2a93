"""Both search indexes end equal to the database, whatever changes and whatever is killed meanwhile.

Hands change stock, prices, names, certificates and states. At first nothing disturbs them, and each change is watched
until a search through the gateway shows it. Then worker, Meilisearch, PostgreSQL and catalog are killed with SIGKILL at
random moments while the changes go on. In the end every document of Meilisearch, every row of the PostgreSQL engine's
index and everything that the API lists and finds is compared with what the tables of truth say.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg

from benchmarks.faults.drill import unsound, work_left
from benchmarks.faults.parts import MEILISEARCH, POSTGRES, WORKER, opened
from benchmarks.faults.traffic import Call, Traffic
from benchmarks.faults.verdict import errors_unexplained
from benchmarks.grounds import GroundsFailed
from benchmarks.prove import indexed
from benchmarks.prove import plan as plans
from benchmarks.prove.hands import LOST, OF_ACCOUNTS, OF_OTHERS, Ground, Hand, Product, hands
from benchmarks.prove.market import all_items
from benchmarks.prove.outcome import Outcome, Say
from benchmarks.prove.plan import Plan
from benchmarks.prove.storm import Storm
from benchmarks.prove.times import percentile
from ishop.meili_process import find_meilisearch

NAME: Final = "index"
TITLE: Final = "The search index ends equal to the database after any changes and crashes"
NOT_FOUND: Final = (
    "NOT PROVED FOR MEILISEARCH: there is no program `meilisearch` on PATH. Only the PostgreSQL engine is looked at."
)
LEAST_WATCHED, WATCHED_SHARE = 12, 0.02
"""How many changes are watched while nothing disturbs them: at least so many, and that share of all."""
WATCHED_IN_STORM: Final = 0.03
PACE_SECONDS: Final = 0.1
"""The longest pause between two changes of a hand."""
CALM_SECONDS, CALM_SECONDS_QUICK = 5.0, 1.0
LOOK_SECONDS: Final = 0.02
SEEN_WITHIN_SECONDS: Final = 120.0
BACKLOG_SECONDS: Final = 300.0
CACHED_SECONDS: Final = 1.0
"""No cache keeps a public answer longer."""
PAGE: Final = 100
ALL_DOCUMENTS: Final = 100_000


@dataclass
class Watch:
    """How long changes took to be seen, and how long is waited for that."""

    patience: float = SEEN_WITHIN_SECONDS
    search: list[float] = field(default_factory=list)
    lists: list[float] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


async def prove(plan: Plan, home: Path, say: Say) -> Outcome:
    """Make `index_changes` changes, the most of them in a storm."""
    began = time.monotonic()
    meilisearch = find_meilisearch() is not None
    if not meilisearch:
        say(NOT_FOUND)
    async with (
        opened(home, meilisearch=meilisearch) as parts,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
    ):
        traffic = Traffic(parts.url, http, 1, give_up_seconds=SEEN_WITHIN_SECONDS)
        await traffic.sign_in()
        ground = Ground(parts.settings, parts.database)
        workers = await hands(ground, traffic)
        calm, stormy = Watch(), Watch()
        watched = max(LEAST_WATCHED, round(plan.index_changes * WATCHED_SHARE))
        await asyncio.gather(*(calmly(hand, -(-watched // len(workers)), calm) for hand in workers))
        say(f"{len(calm.search)} changes seen after {percentile(calm.search, 0.5):.2f} s at the median")
        victims = [part for part in (WORKER, MEILISEARCH, POSTGRES, "catalog") if part in parts.all]
        pause = CALM_SECONDS_QUICK if plan.name == plans.QUICK.name else CALM_SECONDS
        storm, done, stop = Storm(parts, say, victims, pause), asyncio.Event(), asyncio.Event()
        each = -(-(plan.index_changes - watched) // len(workers))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(traffic.stay_signed_in(stop))
            raging = tasks.create_task(storm.rage(len(victims), also_while=done))
            await asyncio.gather(*(stormily(hand, each, stormy) for hand in workers))
            done.set()
            await raging
            stop.set()
        say(f"{len(stormy.search)} changes watched in the storm; all are made, the rest is the worker's")
        before = time.monotonic()
        broken = [*errors_unexplained(traffic, storm.faults), *await work_left(parts.database, BACKLOG_SECONDS)]
        drained = time.monotonic() - before
        broken += [*calm.unseen, *stormy.unseen, *await compared(ground, traffic), *await unsound(parts)]
    changed = sum((Counter(hand.changed) for hand in workers), Counter())
    broken += untried(plan, changed, calm, stormy, storm.spared())
    figures: dict[str, int | float | str] = {
        "engines": "Meilisearch, PostgreSQL" if meilisearch else "PostgreSQL (no Meilisearch found)",
        "changes": changed.total(),
        "of": ", ".join(f"{kind} {count}" for kind, count in changed.most_common()),
        "kills and restarts": len(storm.faults),
        "of parts": storm.parts_killed(),
        "documents that differ": sum("index" in line for line in broken),
        **_lags("seen in search after, s", calm.search),
        **_lags("seen in lists after, s", calm.lists),
        **_lags("seen in search in the storm after, s", stormy.search),
        "backlog worked off after, s": drained,
    }
    return Outcome(NAME, TITLE, time.monotonic() - began, figures, broken)


def untried(plan: Plan, changed: Counter[str], calm: Watch, stormy: Watch, spared: Sequence[str]) -> Iterator[str]:
    """What never happened, so that nothing is proved about it."""
    if changed.total() < plan.index_changes:
        yield f"not put to the proof: {changed.total()} changes instead of {plan.index_changes}"
    for kind in sorted({*OF_ACCOUNTS, *OF_OTHERS} - changed.keys()):
        yield f"not put to the proof: no change of {kind} was made"
    for watched, when in ((calm, "in the calm"), (stormy, "in the storm")):
        if not watched.search:
            yield f"not put to the proof: no change was seen {when}"
    for part in spared:
        yield f"not put to the proof: {part} was never killed"


async def compared(ground: Ground, traffic: Traffic) -> list[str]:
    """How the indexes and what the API shows of them are not what the tables of truth say."""
    await asyncio.sleep(CACHED_SECONDS)
    connection = await asyncpg.connect(ground.database)
    try:
        wanted = await indexed.truth(connection)
        broken = [*indexed.differences("the index of PostgreSQL", wanted, await indexed.stored(connection))]
    finally:
        await connection.close()
    if ground.settings.meili_url is not None:
        found = await _all_documents(ground, traffic)
        broken += indexed.differences("the index of Meilisearch", wanted, indexed.documents(found))
    if not any(item.visible for item in wanted.values()):
        broken.append("not put to the proof: nothing is for sale")
    visible = {product: indexed.to_be_shown(item) for product, item in wanted.items() if item.visible}
    broken += _shown_otherwise("the list of products", visible, await _listed(traffic))
    vendors = sorted({item.vendor for item in wanted.values()})
    broken += _shown_otherwise("search", visible, await _searched(traffic, vendors))
    return broken


async def calmly(hand: Hand, count: int, watch: Watch) -> None:
    """Make so many changes that can be seen, each when the one before is seen."""
    while count > 0:
        kind, product = hand.choose()
        count -= await _watched(hand, kind, product, watch, both=True)


async def stormily(hand: Hand, count: int, watch: Watch) -> None:
    """Make so many changes without waiting, and watch a few of them."""
    async with asyncio.TaskGroup() as watches:
        for number in range(count):
            await asyncio.sleep(hand.random.uniform(0, PACE_SECONDS))
            kind, product = hand.choose()
            if not hand.watched and (number == 0 or hand.random.random() < WATCHED_IN_STORM):
                hand.watched.add(hand.apart(product))
                watches.create_task(_watched(hand, kind, product, watch, both=False))
            else:
                await hand.change(kind, product)


async def _watched(hand: Hand, kind: str, product: Product, watch: Watch, *, both: bool) -> bool:
    """Make the change and wait until it is seen; False where there is nothing to be seen of it."""
    before = await _expected(hand, product)
    accepted = await hand.change(kind, product)
    after = await _expected(hand, product)
    if before == after:
        hand.watched.discard(hand.apart(product))
        return False
    where = f"vendor={product.vendor}&commodity={product.commodity}"
    looks = {"search": f"/v1/search/products?{where}&per_page={PAGE}"}
    if both:
        looks["lists"] = f"/v1/products?{where}&limit={PAGE}"
    moments = await asyncio.gather(*(_seen(hand, path, product, after, watch.patience) for path in looks.values()))
    for place, moment in zip(looks, moments, strict=True):
        if moment is None:
            watch.unseen.append(f"a change of {kind} was not seen in {place} within {watch.patience:.0f} s")
        else:
            (watch.search if place == "search" else watch.lists).append(moment - accepted)
    hand.watched.discard(hand.apart(product))
    return True


async def _seen(
    hand: Hand, path: str, product: Product, wanted: tuple[Any, ...] | None, patience: float
) -> float | None:
    """When the answer showed what it should; None where it did not in that time."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        answer = await hand.traffic.attempt(Call("catalog", "GET", path))
        if answer is not None:
            products = answer[1]["hits" if "search" in path else "items"]
            found = [indexed.shown(one) for one in products if one["id"] == product.id]
            if found == ([] if wanted is None else [wanted]):
                return time.monotonic()
        await asyncio.sleep(LOOK_SECONDS)
    return None


async def _expected(hand: Hand, product: Product) -> tuple[Any, ...] | None:
    """What should be shown of the product now; None where nothing should."""
    until = time.monotonic() + SEEN_WITHIN_SECONDS
    while True:
        try:
            connection = await asyncpg.connect(hand.ground.database, timeout=5)
            try:
                item = (await indexed.truth(connection, [product.id])).get(product.id)
            finally:
                await connection.close(timeout=5)
        except LOST:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(LOOK_SECONDS)
        else:
            return indexed.to_be_shown(item) if item is not None and item.visible else None


async def _all_documents(ground: Ground, traffic: Traffic) -> list[Mapping[str, Any]]:
    """Every document of the index, from Meilisearch itself."""
    settings = ground.settings
    url = f"{settings.meili_url}/indexes/{settings.database_name}_products/documents?limit={ALL_DOCUMENTS}"
    key = settings.meili_key.get_secret_value() if settings.meili_key else ""
    async with traffic.http.get(url, headers={"Authorization": f"Bearer {key}"}) as answer:
        answer.raise_for_status()
        found: list[Mapping[str, Any]] = (await answer.json())["results"]
        return found


async def _listed(traffic: Traffic) -> list[Mapping[str, Any]]:
    return await all_items(partial(_read, traffic), "/v1/products")


async def _searched(traffic: Traffic, vendors: list[str]) -> list[Mapping[str, Any]]:
    """Everything that search finds, vendor by vendor."""
    hits: list[Mapping[str, Any]] = []
    for vendor in vendors:
        number, total = 1, 1
        while PAGE * (number - 1) < total:
            page = await _read(traffic, f"/v1/search/products?vendor={vendor}&per_page={PAGE}&page={number}")
            hits += page["hits"]
            number, total = number + 1, page["total"]
    return hits


async def _read(traffic: Traffic, path: str) -> Mapping[str, Any]:
    answer = await traffic.attempt(Call("catalog", "GET", path))
    if answer is None:
        raise GroundsFailed(f"{path} is not answered: {traffic.failures[-1].kind}")
    body: Mapping[str, Any] = answer[1]
    return body


def _shown_otherwise(
    where: str, wanted: Mapping[str, tuple[Any, ...]], found: list[Mapping[str, Any]]
) -> Iterator[str]:
    shown = {one["id"]: indexed.shown(one) for one in found}
    if len(shown) != len(found):
        yield f"{where} shows a product twice"
    for product in sorted(wanted.keys() | shown.keys()):
        if wanted.get(product) != shown.get(product):
            yield f"{where} shows {shown.get(product)} of the product {product}, not {wanted.get(product)}"


def _lags(name: str, seconds: list[float]) -> dict[str, float]:
    kinds = {"p50": 0.5, "p95": 0.95, "worst": 1.0}
    return {f"{name}, {kind}": percentile(seconds, share) for kind, share in kinds.items()} if seconds else {}
