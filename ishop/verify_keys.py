"""The public keys that tokens are verified by: those of the settings, and those that a rotation has published.

Looking one up is synchronous and costs a dictionary. The published keys are read again at most every few seconds, by
the first request that comes, while it and the others go on with what is known; only a process that was quiet for longer
than a retired key may live makes its first request wait.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
import structlog
from joserfc.jwk import KeySet, OKPKey

log = structlog.get_logger(__name__)

PUBLISHED: Final = """
SELECT coalesce(jsonb_agg(jsonb_build_object('jwk', jwk, 'until', extract(epoch FROM valid_until))), '[]')::text AS keys
FROM identity.verify_keys_v1"""

RENEWED_SECONDS: Final = 7.0
"""Older knowledge is renewed in the background."""
TRUSTED_SECONDS: Final = 14.0
"""Older knowledge is renewed before it is used: a retired key is refused everywhere after 15 s."""
UNKNOWN_SECONDS: Final = 1.0
"""The published keys are asked no more often than this for keys that nobody knows."""
READ_SECONDS: Final = 2.0
FOREVER: Final = float("inf")

Source = Callable[[str], Awaitable[Mapping[str, Any] | None]]
"""Runs one plain statement and returns its row, as `Database.fetch_row` does."""


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A public key, and until when (Unix time) what it has signed is believed."""

    key: OKPKey
    until: float


class VerifyKeys:
    """The keys by their ids. `on_change` is called when one came, went or got an end."""

    def __init__(self, fixed: KeySet, on_change: Callable[[], None]) -> None:
        self._fixed = {str(key.kid): VerifyKey(key, FOREVER) for key in fixed.keys if isinstance(key, OKPKey)}
        self._keys = dict(self._fixed)
        self._on_change = on_change
        self._source: Source | None = None
        self._begun = self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    def follow(self, source: Source) -> None:
        """Read published keys from `source`; the first service of a process lends its database for that."""
        self._source = self._source or source

    def find(self, kid: str) -> VerifyKey | None:
        """The key of this id, which may have ended; None for one that is not known."""
        return self._keys.get(kid)

    def living(self) -> list[dict[str, Any]]:
        """The keys to publish as a JWKS: all that sign, have signed what is still valid, or are about to."""
        now = time.time()
        return [dict(one.key.as_dict(private=False)) for one in self._keys.values() if one.until > now]

    @property
    def are_fresh(self) -> bool:
        """Whether nothing has to be read again; False where there is nothing to read either, but not a source."""
        return self._source is None or time.monotonic() - self._read_at < RENEWED_SECONDS

    async def freshen(self) -> None:
        """Have the keys read again in the background; wait for it where what is known is too old."""
        reading = self._read(self._pause())
        if time.monotonic() - self._read_at >= TRUSTED_SECONDS:
            await asyncio.shield(reading)

    async def learn(self, kid: str) -> None:
        """Read the keys once more, begun after now, unless `kid` gets known before; all who ask share one reading."""
        asked = time.monotonic()
        while self._source is not None and kid not in self._keys and self._begun < asked:
            await asyncio.shield(self._read(self._pause()))

    async def close(self) -> None:
        """End a reading that is under way."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    def _pause(self) -> float:
        return max(0.0, self._begun + UNKNOWN_SECONDS - time.monotonic())

    def _read(self, pause: float) -> asyncio.Task[None]:
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_after(pause))
        return self._reading

    async def _read_after(self, pause: float) -> None:
        try:
            if pause:
                await asyncio.sleep(pause)
            self._begun = time.monotonic()
            if self._source is None:
                return
            async with asyncio.timeout(READ_SECONDS):
                row = await self._source(PUBLISHED)
            self._take([] if row is None else orjson.loads(row["keys"]))
        except Exception as error:  # noqa: BLE001 - whatever keeps the keys away, what is known stays in use.
            log.warning("the published keys cannot be read", error=type(error).__name__)
        finally:
            # After a failure too: a database that is away must not make every request wait for it.
            self._read_at = time.monotonic()
            self._reading = None

    def _take(self, published: list[dict[str, Any]]) -> None:
        """A published key goes before one of the settings, so that one of the settings can be given an end."""
        keys = dict(self._fixed)
        for row in published:
            kid = row["jwk"]["kid"]
            known = self._keys.get(kid)
            key = OKPKey.import_key(row["jwk"]) if known is None else known.key
            keys[kid] = VerifyKey(key, FOREVER if row["until"] is None else float(row["until"]))
        if keys != self._keys:
            self._keys = keys
            self._on_change()
