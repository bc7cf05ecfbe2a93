"""The SQL of signing keys, on plain connections: the command line and the gateway's ring of keys use it."""

from typing import Final

import asyncpg

from ishop.database import Database

LIVING: Final = """
SELECT coalesce(jsonb_agg(jsonb_build_object('kid', kid, 'sealed', encode(sealed, 'base64'),
    'signs_from', extract(epoch FROM signs_from), 'until', extract(epoch FROM valid_until))
    ORDER BY signs_from DESC), '[]')::text AS keys
FROM identity.signing_keys"""

TAKE_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended('signing keys', 0))"
PENDING: Final = "SELECT EXISTS (SELECT FROM identity.signing_keys WHERE signs_from > now())"
ADD_OWN: Final = (
    "INSERT INTO identity.signing_keys (kid, jwk, signs_from) VALUES ($1, CAST($2 AS jsonb), now()) "
    "ON CONFLICT ON CONSTRAINT pk_signing_keys DO NOTHING"
)
END_LATER: Final = (
    "UPDATE identity.signing_keys SET valid_until = now() + make_interval(secs => $1) WHERE valid_until IS NULL"
)
END_NOW: Final = (
    "UPDATE identity.signing_keys SET valid_until = now(), sealed = NULL "
    "WHERE valid_until IS NULL OR valid_until > now()"
)
FORGET_ENDED: Final = "UPDATE identity.signing_keys SET sealed = NULL WHERE valid_until <= now() AND sealed IS NOT NULL"
ADD: Final = (
    "INSERT INTO identity.signing_keys (kid, jwk, sealed, signs_from) "
    "VALUES ($1, CAST($2 AS jsonb), $3, now() + make_interval(secs => $4))"
)
LIST: Final = "SELECT kid, signs_from, valid_until FROM identity.signing_keys ORDER BY signs_from, created_at"


async def read_all(database: Database) -> str:
    """All keys as JSON, the one that signs last first."""
    row = await database.fetch_row(LIVING)
    return "[]" if row is None else str(row["keys"])


async def list_all(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """All keys that a rotation knows of, the oldest first; none before the first rotation."""
    rows: list[asyncpg.Record] = await connection.fetch(LIST)
    return rows
