"""API keys in exchange for access tokens, at the gateway's door: behind it a service account calls like all others."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import asyncpg

from gateway.api_keys.domain import Secret
from gateway.api_keys.repository import USE
from gateway.signing_keys.ring import KeyRing
from ishop.auth import Principal
from ishop.database import Database
from ishop.errors import Unauthenticated, Unavailable
from ishop.problems import TRANSIENT

BELIEVED_SECONDS: Final = 5.0
"""How long a key is taken for live without asking, and so how long one works on after it was revoked."""
TOKEN_SECONDS: Final = 120
RENEWED_SECONDS: Final = 60.0
"""A token is given again for this long, so that services have one to remember and not one every five seconds."""
MAX_REMEMBERED: Final = 1024
MAX_LOOKUPS: Final = 4
"""At once: keys that nobody made must not take the database from those who sign in."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a key, on the monotonic clock."""

    principal: Principal
    token: str
    kid: str
    believed_until: float
    renewed_at: float


class KeyTokens:
    """Short-lived tokens for live keys. A bounded memory, by the hash of the key, holds what was asked just now."""

    def __init__(self, database: Database, signer: KeyRing) -> None:
        self._database = database
        self._signer = signer
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._lookups = asyncio.Semaphore(MAX_LOOKUPS)

    async def token_of(self, key: str) -> str:
        """An access token of the service account; raises Unauthenticated, Unavailable."""
        secret = Secret.read(key)
        if secret is None:
            raise Unauthenticated
        name = secret.hash
        known = self._known.get(name)
        if known is None or known.believed_until <= time.monotonic():
            async with self._lookups:
                # Whoever waited here for the same key has been answered by the one before.
                known = self._known.get(name)
                if known is None or known.believed_until <= time.monotonic():
                    known = await self._look_up(secret, known)
        return known.token

    async def _look_up(self, secret: Secret, before: _Known | None) -> _Known:
        asked = time.monotonic()
        try:
            row = await self._database.fetch_row(USE, secret.prefix, secret.hash)
            signer = await self._signer.signer()
        except (*TRANSIENT, TimeoutError) as error:
            raise Unavailable from error
        if row is None:
            self._known.pop(secret.hash, None)
            raise Unauthenticated
        principal = _principal(row)
        if (
            before is not None
            and before.principal == principal
            and before.kid == signer.kid
            and before.renewed_at > asked
        ):
            token, renewed_at = before.token, before.renewed_at
        else:
            token, renewed_at = signer.sign(principal, TOKEN_SECONDS), asked + RENEWED_SECONDS
        known = _Known(principal, token, signer.kid, asked + BELIEVED_SECONDS, renewed_at)
        self._known[secret.hash] = known
        self._known.move_to_end(secret.hash)
        if len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)
        return known


def _principal(row: asyncpg.Record) -> Principal:
    """The service account with its one membership. It counts as confirmed: whoever made it is."""
    vendors = {row["vendor_id"]: row["role"]} if row["vendor_id"] else {}
    organizations = {row["organization_id"]: row["role"]} if row["organization_id"] else {}
    roles = ["vendor"] * bool(vendors) + ["organization"] * bool(organizations)
    return Principal(
        id=row["account"],
        roles=frozenset(roles or [row["role"]]),
        vendors=vendors,
        organizations=organizations,
        confirmed=True,
        scopes=frozenset(row["scopes"]),
    )
