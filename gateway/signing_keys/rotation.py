"""`ishop keys`: another key signs, and nobody is signed out."""

from typing import Final

import asyncpg
import orjson
from joserfc.jwk import OKPKey

from gateway.signing_keys import repository
from gateway.signing_keys.errors import RotationUnderWay
from gateway.signing_keys.seal import Seal
from ishop.auth import ACCESS_TOKEN_SECONDS, own_key
from ishop.settings import Settings
from ishop.verify_keys import TRUSTED_SECONDS

PUBLISHED_BEFORE_SECONDS: Final = int(2 * TRUSTED_SECONDS) + 2
"""A key signs only after every process had twice the time to read it."""
BELIEVED_AFTER_SECONDS: Final = ACCESS_TOKEN_SECONDS + 60
"""A key that signs no more is believed until its last token has expired, and a minute for clocks that differ."""


async def rotate(connection: asyncpg.Connection, settings: Settings, *, retire_now: bool) -> str:
    """Make a key and return its id, as the gateway's role. Raises RotationUnderWay.

    It signs as soon as every process has had time to learn it, and the keys before it are believed until their last
    tokens have expired. With `retire_now` it signs at once, and no key before it is believed any more.
    """
    own, key = own_key(settings), OKPKey.generate_key("Ed25519", auto_kid=True)
    async with connection.transaction():
        await connection.execute(repository.TAKE_TURN)
        if not retire_now and await connection.fetchval(repository.PENDING):
            raise RotationUnderWay
        # Without a row the key of the settings could not be given an end.
        await connection.execute(repository.ADD_OWN, own.kid, _public(own))
        await connection.execute(repository.FORGET_ENDED)
        if retire_now:
            await connection.execute(repository.END_NOW)
        else:
            await connection.execute(repository.END_LATER, float(PUBLISHED_BEFORE_SECONDS + BELIEVED_AFTER_SECONDS))
        wait = 0 if retire_now else PUBLISHED_BEFORE_SECONDS
        await connection.execute(repository.ADD, key.kid, _public(key), Seal(own).close(key), float(wait))
    return str(key.kid)


def _public(key: OKPKey) -> str:
    return orjson.dumps(key.as_dict(private=False)).decode()
