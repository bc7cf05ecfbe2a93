"""Keeps the product index equal to the database: follows changes, finds and heals drift, rebuilds it beside itself.

There is one writer at a time, over all processes: whoever writes holds an advisory lock of the database from before it
reads the rows until Meilisearch has made them searchable, so that an older document never overwrites a newer one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final, ParamSpec, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ishop import clock, outbox
from ishop.contracts.events import PRODUCT_CHANGED
from ishop.database import Database
from ishop.settings import Settings
from services.catalog.search import repository
from services.catalog.search.figures import DRIFT, REBUILDS
from services.catalog.search.index.configuration import configuration, differences
from services.catalog.search.index.writer import IndexWriter
from services.catalog.search.indexed import index_uid
from services.catalog.search.repository import IndexDocument

P = ParamSpec("P")
Result = TypeVar("Result")

Progress = Callable[[str, int, int], None]
"""Told the phase, how much of it is done, and how much there is."""

WRITER_LOCK: Final = 0x1_5409_0010
REBUILD_LOCK: Final = 0x1_5409_0011
LOCK_POLL_SECONDS: Final = 0.05

BATCH: Final = 2000
BATCHES_AHEAD: Final = 4
"""How many batches Meilisearch may have before it that it has not written yet; it joins them into larger ones."""

SETTLE_SECONDS: Final = 5.0
SETTLE_POLL_SECONDS: Final = 0.5
FIRST: Final = UUID(int=0)


async def follow(settings: Settings, database: Database, product_ids: Sequence[UUID]) -> None:
    """Write the documents of these products as they are now, and delete what is not published any more.

    Returns when searches see it. Does nothing where there is no index yet: its rebuild will read these rows too.
    """
    writer, uid = IndexWriter(settings), index_uid(settings)
    async with _alone(database, WRITER_LOCK) as session:
        if not await _in_thread(writer.exists, uid):
            return
        documents = await repository.documents_of(session, product_ids)
        gone = set(product_ids) - {document.product_id for document in documents}
        await _in_thread(writer.write, uid, _texts(documents), gone)


async def reindex(settings: Settings, database: Database, progress: Progress) -> None:
    """Build a new index from the database beside the old one, then let it take its place from one moment to the next.

    What changes meanwhile is in it: every row written by a transaction that was not finished at the start is sent
    again while no one else writes. `progress` gets the phase, what is done of it, and the total.
    Raises IndexFailure or the client's errors; the old index then stays as it is.
    """
    writer, uid = IndexWriter(settings), index_uid(settings)
    fresh = f"{uid}_{clock.now():%Y%m%d%H%M%S%f}"
    async with _alone(database, REBUILD_LOCK) as session:
        for leftover in await _in_thread(writer.leftovers, f"{uid}_"):
            await _in_thread(writer.delete, leftover)
        unfinished = await repository.oldest_unfinished(session)
        await _in_thread(writer.create, fresh, configuration(await repository.read_synonyms(session)))
        await _fill(writer, fresh, session, progress)
        async with _alone(database, WRITER_LOCK) as writing:
            await _catch_up(writer, fresh, writing, unfinished)
            await _in_thread(writer.swap, uid, fresh)
        REBUILDS.inc()
        await _in_thread(writer.delete, fresh)
        progress("index", 1, 1)


async def index_drift(settings: Settings, database: Database) -> list[str]:
    """What is different in the index and in the database, a sentence each; nothing where there is no Meilisearch.

    What differs only because a change is on its way is given some seconds to arrive.
    """
    if settings.meili_url is None:
        return []
    writer, uid = IndexWriter(settings), index_uid(settings)
    async with database.reading() as session:
        if wrong := await _misbuilt(writer, uid, session):
            return [wrong]
        suspects = await _suspects(writer, uid, session)
        deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
        while suspects and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(SETTLE_POLL_SECONDS)
            suspects = await _different(writer, uid, session, suspects)
        wanted = await repository.versions_of(session, suspects)
        found = await _in_thread(writer.versions_of, uid, suspects) if suspects else {}
    return [
        f"product {product_id}: version {wanted.get(product_id, 'none')} in the database,"
        f" {found.get(product_id, 'none')} in the index"
        for product_id in suspects
    ]


async def reconcile(settings: Settings, database: Database, progress: Progress) -> None:
    """Heal the index: what differs is left to the worker, and an index that is missing or treated wrongly is rebuilt.

    `progress` is told of a rebuild only.
    """
    if settings.meili_url is None:
        return
    writer, uid = IndexWriter(settings), index_uid(settings)
    async with database.reading() as session:
        rebuild = await _misbuilt(writer, uid, session) is not None
        suspects = [] if rebuild else await _suspects(writer, uid, session)
    DRIFT.set(len(suspects))
    if rebuild:
        await reindex(settings, database, progress)
    elif suspects:
        async with database.writing() as session:
            await outbox.emit(session, PRODUCT_CHANGED, suspects)
            await session.commit()


async def _fill(writer: IndexWriter, uid: str, session: AsyncSession, progress: Progress) -> None:
    total = await repository.count_documents(session)
    progress("products", 0, total)
    done, behind, tasks = 0, FIRST, []
    while documents := await repository.next_documents(session, behind, BATCH):
        tasks.append(await _in_thread(writer.send, uid, _texts(documents)))
        if len(tasks) > BATCHES_AHEAD:
            await _in_thread(writer.finish, tasks.pop(0))
        behind = documents[-1].product_id
        done += len(documents)
        progress("products", done, max(done, total))
    for task in tasks:
        await _in_thread(writer.finish, task)


async def _catch_up(writer: IndexWriter, uid: str, session: AsyncSession, unfinished: str) -> None:
    changed = await repository.changed_since(session, unfinished)
    for start in range(0, len(changed), BATCH):
        documents = await repository.documents_of(session, changed[start : start + BATCH])
        await _in_thread(writer.write, uid, _texts(documents))
    # Everything that is in the database is in the index now, so equal numbers mean that nothing else is.
    if await _in_thread(writer.count, uid) != await repository.count_documents(session):
        await _in_thread(writer.write, uid, [], await _orphans(writer, uid, session))


async def _misbuilt(writer: IndexWriter, uid: str, session: AsyncSession) -> str | None:
    """Why the index as a whole is not what it should be."""
    if not await _in_thread(writer.exists, uid):
        return f"there is no index {uid}"
    wanted = configuration(await repository.read_synonyms(session))
    if names := differences(wanted, await _in_thread(writer.configuration, uid)):
        return f"the index {uid} has other settings: {', '.join(names)}"
    return None


async def _suspects(writer: IndexWriter, uid: str, session: AsyncSession) -> list[UUID]:
    """The products whose document is missing in the index, has another version there, or should not be there."""
    found: list[UUID] = []
    behind, present = FIRST, 0
    while wanted := await repository.next_versions(session, behind, BATCH):
        indexed = await _in_thread(writer.versions_of, uid, list(wanted))
        present += len(indexed)
        found.extend(product_id for product_id, version in wanted.items() if indexed.get(product_id) != version)
        behind = max(wanted)
    if await _in_thread(writer.count, uid) != present:
        found.extend(await _orphans(writer, uid, session))
    return found


async def _different(writer: IndexWriter, uid: str, session: AsyncSession, product_ids: Sequence[UUID]) -> list[UUID]:
    """Those of the products whose document is still not the same in both."""
    wanted = await repository.versions_of(session, product_ids)
    indexed = await _in_thread(writer.versions_of, uid, product_ids)
    return [product_id for product_id in product_ids if wanted.get(product_id) != indexed.get(product_id)]


async def _orphans(writer: IndexWriter, uid: str, session: AsyncSession) -> list[UUID]:
    """The documents of the index that the database does not have."""
    orphans: list[UUID] = []
    pages = writer.all_ids(uid)
    nothing: list[UUID] = []
    while page := await _in_thread(next, pages, nothing):
        known = await repository.versions_of(session, page)
        orphans.extend(product_id for product_id in page if product_id not in known)
    return orphans


@asynccontextmanager
async def _alone(database: Database, lock: int) -> AsyncIterator[AsyncSession]:
    """A session outside any transaction that holds an advisory lock; its end, however it comes, ends the lock."""
    async with database.reading() as session:
        try:
            while not await repository.try_lock(session, lock):  # noqa: ASYNC110 - other processes cannot set an event.
                await asyncio.sleep(LOCK_POLL_SECONDS)
            yield session
            await repository.unlock(session, lock)
        except BaseException:
            # The connection may hold the lock still: it must not go back into the pool.
            await session.invalidate()
            raise


async def _in_thread(call: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
    """Run what blocks in a thread, and do not leave before it has ended: a cancelled writer must not go on writing
    while the next one holds the lock."""
    running = asyncio.ensure_future(asyncio.to_thread(call, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _texts(documents: Iterable[IndexDocument]) -> list[str]:
    return [document.text for document in documents]
