"""Writes the product index, over the HTTP API of Meilisearch. Everything here blocks: call it in a thread.

A dozen calls are needed, and Python's own client makes them. The official one brings 130 modules, which every market
would hold in memory (ADR 20).
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener
from uuid import UUID

import orjson

from ishop.settings import Settings

TASK_SECONDS: Final = 120.0
POLL_SECONDS: Final = 0.02
REQUEST_SECONDS: Final = 60
PAGE: Final = 1000

NOT_FOUND: Final = "index_not_found"
JSON: Final = "application/json"
LINES: Final = "application/x-ndjson"
UNDER_WAY: Final = {"enqueued", "processing"}


class IndexFailure(Exception):
    """Meilisearch refused something or a task of it failed; the message is what it says."""


class NoSuchIndex(IndexFailure):
    """There is no index of that name."""


class IndexWriter:
    """Each call has a connection of its own, as tasks are waited for much longer than one takes to make."""

    def __init__(self, settings: Settings) -> None:
        if settings.meili_url is None:
            raise ValueError("There is no Meilisearch: MEILI_URL is not set.")
        self._address = settings.meili_url.rstrip("/")
        self._headers = {}
        if settings.meili_key is not None:
            self._headers["Authorization"] = f"Bearer {settings.meili_key.get_secret_value()}"
        # Without the proxies of the machine, which are for the outside world.
        self._opener = build_opener(ProxyHandler({}))

    def exists(self, uid: str) -> bool:
        """Whether there is an index of that name."""
        try:
            self._ask("GET", f"indexes/{uid}")
        except NoSuchIndex:
            return False
        return True

    def create(self, uid: str, configuration: Mapping[str, Any]) -> None:
        """Make an empty index that is treated as `configuration` says."""
        self._wait(self._ask("POST", "indexes", {"uid": uid, "primaryKey": "id"})["taskUid"])
        self._wait(self._ask("PATCH", f"indexes/{uid}/settings", dict(configuration))["taskUid"])

    def configuration(self, uid: str) -> dict[str, Any]:
        """How the index is treated, with everything that has a default."""
        return dict(self._ask("GET", f"indexes/{uid}/settings"))

    def write(self, uid: str, documents: Sequence[str], gone: Iterable[UUID] = ()) -> None:
        """Write `documents` (JSON, one each) and delete what is gone; return when both are searchable."""
        tasks = [self.send(uid, documents)] if documents else []
        if identities := [str(product_id) for product_id in gone]:
            tasks.append(self._ask("POST", f"indexes/{uid}/documents/delete-batch", identities)["taskUid"])
        for task in tasks:
            self._wait(task)

    def send(self, uid: str, documents: Sequence[str]) -> int:
        """Send `documents` and return the task that will write them; `finish` waits for it."""
        lines = "\n".join(documents).encode()
        task: int = self._send("POST", f"indexes/{uid}/documents?primaryKey=id", lines, LINES)["taskUid"]
        return task

    def finish(self, task: int) -> None:
        """Wait until a task is done; IndexFailure when it failed."""
        self._wait(task)

    def count(self, uid: str) -> int:
        """How many documents there are."""
        return int(self._ask("GET", f"indexes/{uid}/stats")["numberOfDocuments"])

    def versions_of(self, uid: str, product_ids: Sequence[UUID]) -> dict[UUID, int]:
        """The versions of the documents of these products; what is not in the index is left out."""
        wanted = {
            "ids": [str(product_id) for product_id in product_ids],
            "fields": ["id", "version"],
            "limit": len(product_ids),
        }
        found = self._ask("POST", f"indexes/{uid}/documents/fetch", wanted)
        return {UUID(row["id"]): row["version"] for row in found["results"]}

    def all_ids(self, uid: str) -> Iterator[list[UUID]]:
        """The ids of all documents, page by page."""
        offset = 0
        while True:
            wanted = {"fields": ["id"], "limit": PAGE, "offset": offset}
            page = self._ask("POST", f"indexes/{uid}/documents/fetch", wanted)["results"]
            if not page:
                return
            yield [UUID(row["id"]) for row in page]
            offset += len(page)

    def swap(self, uid: str, fresh: str) -> None:
        """Let `fresh` be `uid` from one moment to the next, and what was `uid`, if there was any, be `fresh`."""
        swaps = [{"indexes": [fresh, uid], "rename": not self.exists(uid)}]
        self._wait(self._ask("POST", "swap-indexes", swaps)["taskUid"])

    def delete(self, uid: str) -> None:
        """Delete an index; nothing happens where there is none."""
        if self.exists(uid):
            self._wait(self._ask("DELETE", f"indexes/{uid}")["taskUid"])

    def leftovers(self, prefix: str) -> list[str]:
        """The indexes whose name begins with `prefix`."""
        found = self._ask("GET", f"indexes?limit={PAGE}")["results"]
        return [index["uid"] for index in found if index["uid"].startswith(prefix)]

    def _wait(self, task_uid: int) -> None:
        deadline = time.monotonic() + TASK_SECONDS
        while (task := self._ask("GET", f"tasks/{task_uid}"))["status"] in UNDER_WAY:
            if time.monotonic() > deadline:
                raise IndexFailure(f"the task {task_uid} took longer than {TASK_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)
        if task["status"] != "succeeded":
            raise IndexFailure((task["error"] or {}).get("message", f"the task {task_uid} was {task['status']}"))

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        return self._send(method, path, None if body is None else orjson.dumps(body), JSON)

    def _send(self, method: str, path: str, body: bytes | None, media_type: str) -> Any:
        headers = {**self._headers, "Content-Type": media_type}
        # The scheme is what MEILI_URL says, which is no caller's.
        request = Request(f"{self._address}/{path}", body, headers, method=method)  # noqa: S310 - see above.
        try:
            with self._opener.open(request, timeout=REQUEST_SECONDS) as answer:
                return orjson.loads(answer.read())
        except HTTPError as error:
            with error:
                said = error.read().decode(errors="replace")
            raise (NoSuchIndex if NOT_FOUND in said else IndexFailure)(f"status {error.code}: {said}") from error
