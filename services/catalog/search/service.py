"""Search: understand the query, decide what to look for, ask the best engine that answers."""

import time
from dataclasses import dataclass, replace

from ishop import clock
from ishop.database import Database
from ishop.errors import Language
from ishop.settings import Settings
from services.catalog.products.filters import ProductFilters
from services.catalog.search.index.meilisearch import MeilisearchEngine
from services.catalog.search.index.port import EngineAnswer, EngineDown, EngineQuery
from services.catalog.search.index.postgres import PostgresEngine
from services.catalog.search.lexicons import Lexicons
from services.catalog.search.mixing import mixed, needs_mixing, window
from services.catalog.search.places import Place
from services.catalog.search.plan import EVERYTHING, Branch, branches, in_one_list
from services.catalog.search.schemas import Facet, SearchSort


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What a caller asks; a blank `q` is any product. Distances are kilometres."""

    q: str
    filters: ProductFilters
    sort: SearchSort
    near: Place | None
    radius_km: float | None
    facets: tuple[Facet, ...]
    page: int
    per_page: int


@dataclass(frozen=True, slots=True)
class Found:
    """What an engine answered, what the query was corrected to, and how long all of it took."""

    answer: EngineAnswer
    suggestion: str | None
    took_ms: float


class Search:
    """One per process: Meilisearch where the settings name one, with PostgreSQL behind it."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._lexicons = Lexicons(database)
        self._postgres = PostgresEngine(database)
        self._meilisearch = MeilisearchEngine(settings) if settings.meili_url else None

    async def close(self) -> None:
        """Close connections and stop what runs in the background."""
        await self._lexicons.close()
        if self._meilisearch is not None:
            await self._meilisearch.close()

    async def find(self, request: SearchRequest, language: Language) -> Found:
        """One page of what the query means."""
        started = time.perf_counter()
        if not request.q.strip():
            looked_for, suggestion = EVERYTHING, None
            if request.sort is SearchSort.relevance:
                request = replace(request, sort=SearchSort.newest)
        else:
            meaning = (await self._lexicons.current()).understand(request.q)
            looked_for = branches(meaning) if request.sort is SearchSort.relevance else in_one_list(meaning)
            suggestion = meaning.suggestion
        answer = await self._in_turns(request, looked_for, language)
        return Found(answer, suggestion, round((time.perf_counter() - started) * 1000, 2))

    async def complete(self, q: str, limit: int) -> list[str]:
        """What the caller may be about to type."""
        return (await self._lexicons.current()).suggest(q, limit)

    async def _in_turns(
        self, request: SearchRequest, looked_for: tuple[Branch, ...], language: Language
    ) -> EngineAnswer:
        if request.sort is not SearchSort.relevance or not needs_mixing(looked_for):
            return await self._answer(request, looked_for, language, request.page, request.per_page)
        page, size = window(request.page, request.per_page)
        answer = await self._answer(request, looked_for, language, page, size)
        first = (request.page - 1) * request.per_page - (page - 1) * size
        return replace(answer, hits=tuple(mixed(answer.hits, looked_for)[first : first + request.per_page]))

    async def _answer(
        self, request: SearchRequest, looked_for: tuple[Branch, ...], language: Language, page: int, per_page: int
    ) -> EngineAnswer:
        query = EngineQuery(
            branches=looked_for,
            filters=request.filters,
            sort=request.sort,
            near=request.near,
            radius_km=request.radius_km,
            facets=request.facets,
            page=page,
            per_page=per_page,
            language=language,
            today=clock.business_date(clock.now()),
        )
        if self._meilisearch is not None:
            try:
                return await self._meilisearch.search(query)
            except EngineDown:
                pass  # It has logged why; the answer says which engine served it.
        return await self._postgres.search(query)
