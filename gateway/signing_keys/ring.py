"""The ring of keys that the gateway signs with: the newest whose time has come."""

import base64
import time
from dataclasses import dataclass
from typing import Final

import orjson
import structlog

from gateway.signing_keys import repository
from gateway.signing_keys.seal import Seal
from ishop.auth import ACCESS_TOKEN_SECONDS, Principal, Signer, own_key
from ishop.database import Database
from ishop.settings import Settings
from ishop.verify_keys import FOREVER

log = structlog.get_logger(__name__)

KNOWN_SECONDS: Final = 5.0
"""How long the ring signs with what it has read. Shorter than a new key is published before it signs."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A key of the ring; times are Unix times."""

    signer: Signer
    signs_from: float
    until: float


class KeyRing:
    """Signs access tokens. Knows the key of the settings, and opens the others with it."""

    def __init__(self, database: Database, settings: Settings) -> None:
        own = own_key(settings)
        self._database = database
        self._own = Signer(own)
        self._seal = Seal(own)
        self._entries: list[_Entry] = []
        self._opened: dict[str, Signer] = {self._own.kid: self._own}
        self._read_at = float("-inf")

    async def sign(self, principal: Principal, seconds: int = ACCESS_TOKEN_SECONDS) -> str:
        """An access token for `principal`, valid for ten minutes where nothing else is said."""
        return (await self.signer()).sign(principal, seconds)

    async def signer(self) -> Signer:
        """The signer of this moment; the key of the settings where no rotation made another that this one opens."""
        if time.monotonic() - self._read_at >= KNOWN_SECONDS:
            asked = time.monotonic()
            self._entries = self._entries_of(await repository.read_all(self._database))
            self._read_at = asked
        now = time.time()
        living = [one for one in self._entries if now < one.until]
        ready = [one for one in living if one.signs_from <= now]
        # A new key whose time has not quite come by this clock is still better than one that is refused.
        return next((one.signer for one in ready or living), self._own)

    def _entries_of(self, keys: str) -> list[_Entry]:
        entries = []
        for row in orjson.loads(keys):
            signer = self._opened.get(row["kid"])
            if signer is None and row["sealed"] is not None:
                signer = self._open(row["kid"], base64.b64decode(row["sealed"]))
            if signer is not None:
                until = FOREVER if row["until"] is None else float(row["until"])
                entries.append(_Entry(signer, float(row["signs_from"]), until))
        return entries

    def _open(self, kid: str, sealed: bytes) -> Signer | None:
        key = self._seal.open(kid, sealed)
        if key is None:
            log.warning("a signing key was made under another ISHOP_SIGNING_KEY and cannot be opened", kid=kid)
            return None
        self._opened[kid] = Signer(key)
        return self._opened[kid]
