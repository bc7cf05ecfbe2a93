"""Counts in Valkey, where several gateways share them. Its client takes 3 MiB: only who has a Valkey imports this."""

import asyncio
import hashlib
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from valkey.asyncio import Valkey
from valkey.asyncio.retry import Retry
from valkey.backoff import NoBackoff
from valkey.exceptions import ValkeyError

from gateway.figures import SHARED
from gateway.windows import Key, Window

log = structlog.get_logger(__name__)

VALKEY_SECONDS: Final = 0.05
"""How long one exchange with Valkey may take before counting goes on in memory."""
PROBE_SECONDS: Final = 1.0
"""How often a lost Valkey is asked whether it is there again, while there are requests to count."""
BATCH: Final = 256
KEY_BYTES: Final = 16

# One round trip for all windows: count each and tell how many milliseconds it has left. A key without an end, which
# a restored dump could hold, is given one.
COUNT: Final = """
local answer = {}
for i, key in ipairs(KEYS) do
  local count = redis.call('INCR', key)
  local left = redis.call('PTTL', key)
  if left < 0 then
    redis.call('PEXPIRE', key, ARGV[i])
    left = tonumber(ARGV[i])
  end
  answer[2 * i - 1] = count
  answer[2 * i] = left
end
return answer
"""


class ValkeyWindows:
    """Counters that several gateways share, on one connection. Requests that come while it is busy share an exchange.

    Nobody waits for a Valkey that is down or slow: whoever waits then, and everybody until it answers again, is told
    None. That is logged once each way. The first request finds it not connected yet, and begins to connect.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._waiting: list[tuple[Sequence[Key], asyncio.Future[list[Window] | None]]] = []
        self._exchanging: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None
        self._next_probe = 0.0
        self._client: Valkey | None = None
        self.reached = False

    async def hit(self, keys: Sequence[Key]) -> list[Window] | None:
        """Count one more in the window of each key; None where that cannot be done now."""
        if not self.reached:
            self._probe()
            return None
        counted: asyncio.Future[list[Window] | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((keys, counted))
        if self._exchanging is None:
            self._exchanging = asyncio.create_task(self._exchange())
        return await counted

    async def forget(self, key: str) -> None:
        """Let `key` begin again, on a connection of its own: that is rare, and the other one carries counts."""
        if not self.reached:
            return
        try:
            async with asyncio.timeout(PROBE_SECONDS), self._new_client() as client:
                await client.delete(_stored(key))
        except (ValkeyError, OSError, TimeoutError) as error:
            log.warning("a rate limit was not taken back in Valkey", error=type(error).__name__)

    async def close(self) -> None:
        """Close the connection."""
        for task in (self._exchanging, self._probing):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        await self._disconnect()

    async def _exchange(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                windows = await self._count([key for keys, _ in batch for key in keys])
                if windows is None:
                    batch, self._waiting = batch + self._waiting, []
                for keys, counted in batch:
                    if not counted.done():  # Who was cancelled meanwhile waits no longer.
                        counted.set_result(None if windows is None else [next(windows) for _ in keys])
                    elif windows is not None:
                        for _ in keys:
                            next(windows)
        finally:
            self._exchanging = None

    async def _count(self, keys: list[Key]) -> "zip[Window] | None":
        try:
            async with asyncio.timeout(VALKEY_SECONDS):
                # Its `eval` is typed as if it might not be awaited.
                execute: Callable[..., Awaitable[list[int]]] = self._connected().execute_command
                told = await execute(
                    "EVAL",
                    COUNT,
                    len(keys),
                    *(_stored(key) for key, _ in keys),
                    *(seconds * 1000 for _, seconds in keys),
                )
        except (ValkeyError, OSError, TimeoutError) as error:
            self.reached = False
            SHARED.set(0)
            self._next_probe = time.monotonic() + PROBE_SECONDS
            log.warning("Valkey is lost: rate limits are counted in memory", error=type(error).__name__)
            await self._disconnect()
            return None
        return zip(told[::2], (max(1, math.ceil(left / 1000)) for left in told[1::2]), strict=True)

    def _probe(self) -> None:
        now = time.monotonic()
        if self._probing is None and now >= self._next_probe:
            self._next_probe = now + PROBE_SECONDS
            self._probing = asyncio.create_task(self._ask())

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._connected().ping()  # Connecting may take longer than counting.
            async with asyncio.timeout(VALKEY_SECONDS):
                await self._connected().ping()
            self.reached = True
            SHARED.set(1)
            log.info("Valkey is reached: rate limits are shared")
        except (ValkeyError, OSError, TimeoutError):
            await self._disconnect()
        finally:
            self._probing = None

    def _connected(self) -> Valkey:
        if self._client is None:
            self._client = self._new_client()
        return self._client

    def _new_client(self) -> Valkey:
        # What failed is not tried again: a count that came late would be one too many.
        client: Valkey = Valkey.from_url(self._url, single_connection_client=True, retry=Retry(NoBackoff(), 0))
        return client

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def _stored(key: str) -> str:
    """The name of a window outside this process, where addresses and e-mail addresses are nobody's business."""
    return f"ishop:limit:{hashlib.blake2b(key.encode(), digest_size=KEY_BYTES).hexdigest()}"
