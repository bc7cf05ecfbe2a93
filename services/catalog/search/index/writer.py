"""Writes the product index, with the official client. Everything here blocks: call it in a thread."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from meilisearch import Client
from meilisearch.errors import MeilisearchApiError

from ishop.settings import Settings

TASK_MILLISECONDS: Final = 120_000
POLL_MILLISECONDS: Final = 20
REQUEST_SECONDS: Final = 60
PAGE: Final = 1000

NOT_FOUND: Final = "index_not_found"


class IndexFailure(Exception):
    """A task of the index failed; the message is what Meilisearch says."""


class IndexWriter:
    """One user at a time: the client is not safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        if settings.meili_url is None:
            raise ValueError("There is no Meilisearch: MEILI_URL is not set.")
        key = settings.meili_key.get_secret_value() if settings.meili_key else None
        self._client = Client(settings.meili_url, key, timeout=REQUEST_SECONDS)

    def exists(self, uid: str) -> bool:
        """Whether there is an index of that name."""
        try:
            self._client.get_raw_index(uid)
        except MeilisearchApiError as error:
            if error.code == NOT_FOUND:
                return False
            raise
        return True

    def create(self, uid: str, configuration: Mapping[str, Any]) -> None:
        """Make an empty index that is treated as `configuration` says."""
        self._wait(self._client.create_index(uid, {"primaryKey": "id"}).task_uid)
        self._wait(self._client.index(uid).update_settings(dict(configuration)).task_uid)

    def configuration(self, uid: str) -> dict[str, Any]:
        """How the index is treated, with everything that has a default."""
        return dict(self._client.index(uid).get_settings())

    def write(self, uid: str, documents: Sequence[str], gone: Iterable[UUID] = ()) -> None:
        """Write `documents` (JSON, one each) and delete what is gone; return when both are searchable."""
        tasks = [self.send(uid, documents)] if documents else []
        if identities := [str(product_id) for product_id in gone]:
            tasks.append(self._client.http.post(f"indexes/{uid}/documents/delete-batch", identities)["taskUid"])
        for task in tasks:
            self._wait(task)

    def send(self, uid: str, documents: Sequence[str]) -> int:
        """Send `documents` and return the task that will write them; `finish` waits for it."""
        lines = "\n".join(documents).encode()
        task: int = self._client.index(uid).add_documents_raw(lines, "id", content_type="application/x-ndjson").task_uid
        return task

    def finish(self, task: int) -> None:
        """Wait until a task is done; IndexFailure when it failed."""
        self._wait(task)

    def count(self, uid: str) -> int:
        """How many documents there are."""
        return int(self._client.index(uid).get_stats().number_of_documents)

    def versions_of(self, uid: str, product_ids: Sequence[UUID]) -> dict[UUID, int]:
        """The versions of the documents of these products; what is not in the index is left out."""
        wanted = {
            "ids": [str(product_id) for product_id in product_ids],
            "fields": ["id", "version"],
            "limit": len(product_ids),
        }
        found = self._client.http.post(f"indexes/{uid}/documents/fetch", wanted)
        return {UUID(row["id"]): row["version"] for row in found["results"]}

    def all_ids(self, uid: str) -> Iterator[list[UUID]]:
        """The ids of all documents, page by page."""
        offset = 0
        while True:
            page = self._client.http.post(
                f"indexes/{uid}/documents/fetch", {"fields": ["id"], "limit": PAGE, "offset": offset}
            )["results"]
            if not page:
                return
            yield [UUID(row["id"]) for row in page]
            offset += len(page)

    def swap(self, uid: str, fresh: str) -> None:
        """Let `fresh` be `uid` from one moment to the next, and what was `uid`, if there was any, be `fresh`."""
        self._wait(self._client.swap_indexes([{"indexes": [fresh, uid], "rename": not self.exists(uid)}]).task_uid)

    def delete(self, uid: str) -> None:
        """Delete an index; nothing happens where there is none."""
        if self.exists(uid):
            self._wait(self._client.delete_index(uid).task_uid)

    def leftovers(self, prefix: str) -> list[str]:
        """The indexes whose name begins with `prefix`."""
        found = self._client.get_indexes({"limit": PAGE})["results"]
        return [index.uid for index in found if index.uid.startswith(prefix)]

    def _wait(self, task_uid: int) -> None:
        task = self._client.wait_for_task(task_uid, TASK_MILLISECONDS, POLL_MILLISECONDS)
        if task.status != "succeeded":
            raise IndexFailure((task.error or {}).get("message", f"the task {task_uid} was {task.status}"))
