"""The product index: Meilisearch, asked over one pool of connections.

What a query means is decided before (`plan`), so every branch is a part of one federated search, weighed by Meilisearch
itself: commodities are a filter, and only words that no commodity explains are searched for as text. Totals and facets
are exact.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, Final

import orjson
from aiohttp import ClientError, ClientResponseError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

from ishop.settings import Settings
from services.catalog.search.index.port import (
    VENDORS_COUNTED,
    EngineAnswer,
    EngineDown,
    EngineHit,
    EngineQuery,
)
from services.catalog.search.indexed import MARKER, epoch_day, index_uid
from services.catalog.search.places import Place, distance_km
from services.catalog.search.plan import Branch
from services.catalog.search.schemas import EngineName, Facet, SearchSort

logger = logging.getLogger(__name__)

# Of an answer, of its next part, and of a new connection.
TIMEOUT: Final = ClientTimeout(total=2.0, sock_read=1.0, sock_connect=0.25)
MISSHAPEN: Final = (ValueError, KeyError, TypeError, AttributeError)
"""What reading an answer raises that is not of the shape that Meilisearch promises."""
CONNECTIONS: Final = 32
REST_SECONDS: Final = 2.0
"""How long a Meilisearch that failed is left alone, so that not every search waits for its time-out."""

ATTRIBUTES: Final[Mapping[Facet, str]] = {
    Facet.category: "category",
    Facet.commodity: "commodity",
    Facet.region: "region",
    Facet.vendor: "vendor",
    Facet.certificate: "certificates",
}
NAMES: Final = ("name_id", "name_en", "maker")
TEXTS: Final = (*NAMES, "commodity_texts", "place", "description_id", "description_en")


class MeilisearchEngine:
    """Searches the index of one market."""

    def __init__(self, settings: Settings) -> None:
        if settings.meili_url is None:
            raise ValueError("There is no Meilisearch: MEILI_URL is not set.")
        # Compressed, an answer comes in pieces that wait for each other's acknowledgement: 40 ms more on one machine.
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if settings.meili_key is not None:
            self._headers["Authorization"] = f"Bearer {settings.meili_key.get_secret_value()}"
        self._uid = index_uid(settings)
        self._address = f"{settings.meili_url.rstrip('/')}/multi-search"
        self._session: ClientSession | None = None
        self._resting_until = 0.0

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def search(self, query: EngineQuery) -> EngineAnswer:
        """Answer one query; EngineDown when Meilisearch has no index yet, fails, or takes too long."""
        if not query.branches:
            return EngineAnswer(EngineName.meilisearch, (), 0, True, {facet: {} for facet in query.facets})
        if time.monotonic() < self._resting_until:
            raise EngineDown
        try:
            asked = orjson.dumps(_request(self._uid, query))
            async with self._connected().post(self._address, data=asked, headers=self._headers) as answer:
                answer.raise_for_status()
                return self._read(orjson.loads(await answer.read()), query)
        except (ClientError, TimeoutError, *MISSHAPEN) as error:
            logger.warning("Meilisearch does not answer, PostgreSQL searches meanwhile: %s", _reason(error))
            self._resting_until = time.monotonic() + REST_SECONDS
            raise EngineDown from error

    def _connected(self) -> ClientSession:
        """The pool. aiohttp, because httpx costs more than the search: a millisecond of processor time a call."""
        if self._session is None:
            # It does not read the proxy settings of the machine, which are for the outside world.
            self._session = ClientSession(
                connector=TCPConnector(limit=CONNECTIONS), cookie_jar=DummyCookieJar(), timeout=TIMEOUT, trust_env=False
            )
        return self._session

    def _read(self, found: Any, query: EngineQuery) -> EngineAnswer:
        counted = found["facetsByIndex"].get(self._uid, {}).get("distribution", {})
        return EngineAnswer(
            engine=EngineName.meilisearch,
            hits=tuple(_hit(hit, query) for hit in found["hits"]),
            total=int(found["totalHits"]),
            total_is_exact=True,
            facets={facet: _counts(facet, counted.get(ATTRIBUTES[facet], {})) for facet in query.facets},
        )


def _reason(error: Exception) -> str:
    """What went wrong in a word: texts of errors may hold what was searched for."""
    return f"status {error.status}" if isinstance(error, ClientResponseError) else type(error).__name__


def _request(uid: str, query: EngineQuery) -> dict[str, Any]:
    common: dict[str, Any] = {
        "indexUid": uid,
        "matchingStrategy": "all",
        "attributesToRetrieve": [f"document_{query.language}", "price_from", "_geo", "commodity", "in_stock"],
    }
    if query.sort is not SearchSort.relevance:
        common["sort"] = [_sort(query)]
    conditions = list(_conditions(query))
    return {
        "federation": {
            "page": query.page,
            "hitsPerPage": query.per_page,
            "facetsByIndex": {uid: [ATTRIBUTES[facet] for facet in query.facets]},
        },
        "queries": [
            {**common, **own, "filter": [*conditions, *own["filter"]]}
            for branch in query.branches
            for own in _queries(branch)
        ],
    }


def _queries(branch: Branch) -> Iterator[dict[str, Any]]:
    """One query for the commodities of each weight. All are searches for words, because Meilisearch does not weigh
    those against searches without any; where nothing is searched for, that is a word which every document has."""
    words: dict[str, Any] = {"q": MARKER, "attributesToSearchOn": ["marker"]}
    if branch.words:
        words = {"q": " ".join(branch.words), "attributesToSearchOn": NAMES if branch.only_names else TEXTS}
    conditions = []
    if branch.regions:
        conditions.append(f"region IN [{', '.join(map(_quoted, branch.regions))}]")
    conditions.extend(f"certificates = {_quoted(kind)}" for kind in branch.certificates)
    for weight, pairs in groupby(branch.commodities or (("", 1.0),), key=lambda pair: pair[1]):
        named = [f"commodity IN [{', '.join(_quoted(slug) for slug, _ in pairs)}]"] if branch.commodities else []
        yield {**words, "filter": [*conditions, *named], "federationOptions": {"weight": weight * branch.boost}}


def _conditions(query: EngineQuery) -> Iterator[str]:
    wanted = query.filters
    yield f"certified_until >= {epoch_day(query.today)}"
    for attribute, value in (
        ("category", wanted.category),
        ("commodity", wanted.commodity),
        ("region", wanted.region),
        ("certificates", wanted.certificate),
    ):
        if value is not None:
            yield f"{attribute} = {_quoted(value)}"
    if wanted.vendor is not None:
        yield f"vendor_id = {_quoted(wanted.vendor)} OR vendor = {_quoted(wanted.vendor)}"
    if wanted.price_min is not None:
        yield f"price_from >= {wanted.price_min}"
    if wanted.price_max is not None:
        yield f"price_from <= {wanted.price_max}"
    if wanted.in_stock is not None:
        yield f"in_stock = {int(wanted.in_stock)}"
    if query.near is not None and query.radius_km is not None:
        yield f"_geoRadius({query.near.latitude}, {query.near.longitude}, {query.radius_km * 1000:.0f})"


def _sort(query: EngineQuery) -> str:
    if query.sort is SearchSort.distance and query.near is not None:
        return f"_geoPoint({query.near.latitude}, {query.near.longitude}):asc"
    return {SearchSort.price: "price_from:asc", SearchSort.price_down: "price_from:desc"}.get(query.sort, "made:desc")


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _hit(hit: Mapping[str, Any], query: EngineQuery) -> EngineHit:
    distance = None
    if query.near is not None:
        distance = distance_km(query.near, Place(hit["_geo"]["lat"], hit["_geo"]["lng"]))
    return EngineHit(
        document=hit[f"document_{query.language}"],
        price_from=hit["price_from"],
        distance_km=distance,
        commodity=hit["commodity"],
        in_stock=bool(hit["in_stock"]),
        score=hit["_federation"]["weightedRankingScore"],
    )


def _counts(facet: Facet, counted: Mapping[str, int]) -> dict[str, int]:
    most = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return dict(most[:VENDORS_COUNTED] if facet is Facet.vendor else most)
