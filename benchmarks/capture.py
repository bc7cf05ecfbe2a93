"""What the services send to PostgreSQL and to Meilisearch for the requests of the figures, taken from them as they run.

The market is put together once more in this process, on the same servers, only to listen to it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from benchmarks.grounds import Grounds
from benchmarks.orders import bulk_body, order_body
from benchmarks.reads import QUERIES, search_target
from benchmarks.statements import Replay, Statement, listening
from benchmarks.stock import batch_body
from benchmarks.supplies import Offer, Supplies
from benchmarks.tap import tapped
from ishop.child_process import LOOPBACK
from ishop.market import Market, assemble
from ishop.settings import Settings

BULK_LINES: Final = (100, 500, 1000)


class CaptureFailed(Exception):
    """A request whose SQL was wanted was refused; the message is the answer."""


@dataclass(frozen=True, slots=True)
class Captured:
    """The floors' material. `meilisearch` holds whole HTTP requests; it is empty where that engine was not found."""

    offer: Offer
    """What the captured one-line order bought."""
    order: Replay
    bulk: dict[int, Replay]
    batch: Replay
    searches: tuple[tuple[Statement, ...], ...]
    meilisearch: tuple[bytes, ...]


async def capture(grounds: Grounds, supplies: Supplies) -> Captured:
    """Send every kind of request once to warm up and twice to listen."""
    offer = supplies.offers[0]
    async with _listened_to(grounds.settings.model_copy(update={"meili_url": None})) as (market, client):

        async def record(target: str, token: str, body: Callable[[], Any]) -> Replay:
            recordings = []
            for _ in range(3):
                with listening(market) as heard:
                    await _post(client, target, token, body())
                recordings.append(list(heard))
            return Replay.of(*recordings[1:])

        order = await record("/v1/orders", supplies.consumer, lambda: order_body(offer))
        bulk = {}
        for lines in BULK_LINES:
            body = bulk_body(supplies, lines)
            bulk[lines] = await record("/v1/bulk-orders", supplies.hotel, lambda body=body: body)  # type: ignore[misc] # mypy cannot infer a lambda that binds its loop variable.
        batch = await record("/v1/stock/batch", supplies.vendor, lambda: batch_body(supplies))
        searches = []
        for query in QUERIES:
            with listening(market) as heard:
                _expect(await client.get(search_target(query)), HTTPStatus.OK)
            searches.append(tuple(heard))
        if not any(searches):
            raise CaptureFailed("No search sent a statement to PostgreSQL that could be heard.")
    return Captured(offer, order, bulk, batch, tuple(searches), await _meilisearch_requests(grounds.settings))


async def _meilisearch_requests(settings: Settings) -> tuple[bytes, ...]:
    if settings.meili_url is None:
        return ()
    async with tapped(urlsplit(settings.meili_url).port or 0) as tap:
        through_tap = settings.model_copy(update={"meili_url": f"http://{LOOPBACK}:{tap.port}"})
        async with _listened_to(through_tap) as (_, client):
            _expect(await client.get(search_target("gula")), HTTPStatus.OK)
            tap.requests.clear()  # What is asked only once, at the beginning, is no part of a search.
            for query in QUERIES:
                _expect(await client.get(search_target(query)), HTTPStatus.OK)
    return tuple(tap.requests)


@asynccontextmanager
async def _listened_to(settings: Settings) -> AsyncIterator[tuple[Market, httpx.AsyncClient]]:
    market = assemble(settings)
    try:
        transport = httpx.ASGITransport(market.gateway)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{LOOPBACK}", timeout=60) as client:
            yield market, client
    finally:
        await market.close()


async def _post(client: httpx.AsyncClient, target: str, token: str, body: object) -> None:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": uuid4().hex}
    answer = await client.post(target, headers=headers, json=body)
    _expect(answer, HTTPStatus.OK if target == "/v1/stock/batch" else HTTPStatus.CREATED)


def _expect(answer: httpx.Response, status: HTTPStatus) -> None:
    if answer.status_code != status:
        raise CaptureFailed(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}")
