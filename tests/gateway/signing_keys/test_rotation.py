"""Another key signs and nobody is signed out; a key in wrong hands is refused everywhere."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from joserfc.jwk import KeySet, OKPKey
from pydantic import SecretStr

from gateway.routes import IDENTITY
from gateway.signing_keys import ring, rotation
from gateway.signing_keys.errors import RotationUnderWay
from gateway.signing_keys.ring import KeyRing
from gateway.signing_keys.seal import Seal
from ishop import verify_keys
from ishop.auth import Principal, Signer, Verifier, own_key
from ishop.database import Database
from ishop.errors import Unauthenticated
from ishop.settings import Role, Settings
from tests.gateway.test_tokens import USER
from tests.ishop.commands import ishop, reaching
from tests.markets import TestMarket


async def rotate(market: TestMarket, *, retire_now: bool = False) -> str:
    """What `ishop keys rotate` does."""
    connection = await market.connect(Role.gateway)
    try:
        return await rotation.rotate(connection, market.settings, retire_now=retire_now)
    finally:
        await connection.close()


def ring_of(market: TestMarket) -> KeyRing:
    """The ring that the market signs with."""
    key_ring: KeyRing = market.market.services[IDENTITY].state.signing_in.signer
    return key_ring


@asynccontextmanager
async def elsewhere(settings: Settings, role: Role = Role.orders) -> AsyncIterator[Verifier]:
    """The verifier of a service in another process, which has ISHOP_VERIFY_KEYS and no private key."""
    jwks = orjson.dumps(KeySet([own_key(settings)]).as_dict(private=False)).decode()
    database = Database(settings, role)
    verifier = Verifier.from_settings(settings.model_copy(update={"signing_key": None, "verify_keys": jwks}))
    verifier.keys.follow(database.fetch_row)
    try:
        yield verifier
    finally:
        await verifier.keys.close()
        await database.close()


def never_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the keys read anew for every request, as if each came after fifteen quiet seconds."""
    monkeypatch.setattr(verify_keys, "RENEWED_SECONDS", 0.0)
    monkeypatch.setattr(verify_keys, "TRUSTED_SECONDS", 0.0)
    monkeypatch.setattr(verify_keys, "UNKNOWN_SECONDS", 0.0)
    monkeypatch.setattr(ring, "KNOWN_SECONDS", 0.0)


async def is_refused(verifier: Verifier, token: str) -> bool:
    try:
        await verifier.principal_of(f"Bearer {token}")
    except Unauthenticated:
        return True
    return False


async def test_no_token_is_refused_while_keys_are_rotated_under_load(
    market: TestMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three rotations, each as quick as the processes learn of it, while callers in two processes use every token."""
    monkeypatch.setattr(verify_keys, "RENEWED_SECONDS", 0.1)
    monkeypatch.setattr(verify_keys, "TRUSTED_SECONDS", 0.2)
    monkeypatch.setattr(ring, "KNOWN_SECONDS", 0.1)
    monkeypatch.setattr(rotation, "PUBLISHED_BEFORE_SECONDS", 1)
    me = (await (await market.client("consumer@demo.test")).get("/v1/me")).json()["id"]
    principal, key_ring = Principal(UUID(me)), ring_of(market)
    statuses: Counter[int] = Counter()
    refused_elsewhere = 0
    signed_by: dict[str, str] = {}
    done, another_signs = asyncio.Event(), asyncio.Event()

    async def call(other: Verifier) -> None:
        nonlocal refused_elsewhere
        while not done.is_set():
            signer = await key_ring.signer()
            if signer.kid not in signed_by:
                signed_by[signer.kid] = signer.sign(principal)
                another_signs.set()
            for token in [signer.sign(principal), *signed_by.values()]:
                answer = await market.anonymous.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
                statuses[answer.status_code] += 1
                refused_elsewhere += await is_refused(other, token)

    async with elsewhere(market.settings) as other:
        callers = [asyncio.create_task(call(other)) for _ in range(8)]
        made = [own_key(market.settings).kid]
        for _ in range(3):
            made.append(await rotate(market))
            while made[-1] not in signed_by:
                another_signs.clear()
                await another_signs.wait()
        done.set()
        await asyncio.gather(*callers)
    assert list(signed_by) == made
    assert set(statuses) == {200}
    assert refused_elsewhere == 0


async def test_a_retired_key_is_refused_in_every_process(market: TestMarket, monkeypatch: pytest.MonkeyPatch) -> None:
    never_trust(monkeypatch)
    key_ring = ring_of(market)
    before = await key_ring.sign(Principal(USER))
    async with elsewhere(market.settings, Role.vendors) as vendors, elsewhere(market.settings, Role.catalog) as catalog:
        verifiers = [market.market.services["orders"].state.verifier, vendors, catalog]
        assert [await is_refused(verifier, before) for verifier in verifiers] == [False] * 3
        kid = await rotate(market, retire_now=True)
        after = await key_ring.sign(Principal(USER))
        assert [await is_refused(verifier, before) for verifier in verifiers] == [True] * 3
        assert [await is_refused(verifier, after) for verifier in verifiers] == [False] * 3
    assert (await key_ring.signer()).kid == kid
    stolen = Signer.from_settings(market.settings).sign(Principal(USER, roles=frozenset({"admin"})))
    answer = await market.anonymous.get("/v1/me", headers={"Authorization": f"Bearer {stolen}"})
    assert answer.status_code == 401


async def test_a_key_is_believed_until_its_last_token_has_expired(
    market: TestMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    never_trust(monkeypatch)
    first = await rotate(market)
    ((own, seconds),) = await market.fetch(
        "SELECT kid, extract(epoch FROM valid_until - now()) FROM identity.signing_keys WHERE valid_until IS NOT NULL"
    )
    assert own == own_key(market.settings).kid
    assert seconds > rotation.PUBLISHED_BEFORE_SECONDS + 600
    # It signs only when every process has had time to learn it.
    assert (await ring_of(market).signer()).kid == own
    await market.execute("UPDATE identity.signing_keys SET signs_from = now() - interval '1 second'")
    await market.execute("UPDATE identity.signing_keys SET signs_from = now() WHERE kid = $1", first)
    assert (await ring_of(market).signer()).kid == first
    old = Signer.from_settings(market.settings).sign(Principal(USER))
    verifier = market.market.services["orders"].state.verifier
    assert not await is_refused(verifier, old)
    await market.execute("UPDATE identity.signing_keys SET valid_until = now() WHERE kid = $1", own)
    assert await is_refused(verifier, old)


async def test_a_key_nobody_knows_is_looked_for_at_once_and_once_for_all(market: TestMarket) -> None:
    """A token of a new key is good although the process read the keys just before it was made."""
    database = Database(market.settings, Role.orders)
    reads = 0

    async def counted(sql: str) -> Mapping[str, Any] | None:
        nonlocal reads
        reads += 1
        return await database.fetch_row(sql)

    verifier = Verifier.from_settings(market.settings)
    verifier.keys.follow(counted)
    known = Signer.from_settings(market.settings).sign(Principal(USER))
    assert not await is_refused(verifier, known)
    assert reads == 1
    await rotate(market, retire_now=True)
    new = await ring_of(market).sign(Principal(USER))
    strangers = [Signer(OKPKey.generate_key("Ed25519", auto_kid=True)).sign(Principal(USER)) for _ in range(50)]
    refused = await asyncio.gather(*(is_refused(verifier, token) for token in [new, *strangers]))
    assert refused == [False, *[True] * 50]
    assert reads == 2
    await verifier.keys.close()
    await database.close()


async def test_what_is_known_stays_good_when_the_database_is_away(
    market: TestMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    never_trust(monkeypatch)
    nowhere = Database(market.settings.model_copy(update={"database_port": 1}), Role.orders)
    verifier = Verifier.from_settings(market.settings)
    verifier.keys.follow(nowhere.fetch_row)
    assert not await is_refused(verifier, Signer.from_settings(market.settings).sign(Principal(USER)))
    await nowhere.close()


async def test_all_living_keys_are_published_without_their_private_parts(
    market: TestMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    never_trust(monkeypatch)
    own, pending = own_key(market.settings).kid, await rotate(market)
    published = (await market.anonymous.get("/.well-known/jwks.json")).json()["keys"]
    assert {key["kid"] for key in published} == {own, pending}
    assert all("d" not in key for key in published)
    last = await rotate(market, retire_now=True)
    published = (await market.anonymous.get("/.well-known/jwks.json")).json()["keys"]
    assert {key["kid"] for key in published} == {last}


async def test_the_private_part_is_sealed_and_goes_with_its_key(market: TestMarket) -> None:
    kid = await rotate(market)
    ((sealed, jwk),) = await market.fetch("SELECT sealed, jwk::text FROM identity.signing_keys WHERE kid = $1", kid)
    assert "d" not in orjson.loads(jwk)
    seal = Seal(own_key(market.settings))
    opened = seal.open(kid, sealed)
    assert opened is not None
    private = opened.as_dict(private=True)["d"]
    assert str(private).encode() not in sealed
    assert seal.open("another", sealed) is None
    assert Seal(OKPKey.generate_key("Ed25519")).open(kid, sealed) is None
    await rotate(market, retire_now=True)
    ((left,),) = await market.fetch("SELECT count(*) FROM identity.signing_keys WHERE sealed IS NOT NULL")
    assert left == 1


async def test_a_new_key_of_the_settings_signs_when_the_ring_cannot_be_opened(market: TestMarket) -> None:
    await rotate(market, retire_now=True)
    fresh = orjson.dumps(OKPKey.generate_key("Ed25519").as_dict(private=True)).decode()
    settings = market.settings.model_copy(update={"signing_key": SecretStr(fresh)})
    database = Database(settings, Role.gateway)
    assert (await KeyRing(database, settings).signer()).kid == own_key(settings).kid
    await database.close()


async def test_refused_when_a_rotation_is_under_way(market: TestMarket) -> None:
    outcomes = await asyncio.gather(*(rotate(market) for _ in range(4)), return_exceptions=True)
    assert Counter(type(outcome) for outcome in outcomes) == {str: 1, RotationUnderWay: 3}
    assert len(await market.fetch("SELECT FROM identity.signing_keys")) == 2


async def test_the_operator_rotates_and_sees_all_keys(market: TestMarket, tmp_path: Path) -> None:
    async def keys(*arguments: str) -> tuple[int, str]:
        ended = await ishop("keys", *arguments, cwd=tmp_path, environment=reaching(market.database))
        return ended.code, ended.out + ended.err

    own = own_key(market.settings).kid
    assert own is not None
    code, listed = await keys("list")
    assert (code, own[:8] in listed, "ISHOP_SIGNING_KEY" in listed) == (0, True, True)
    assert (await keys("rotate"))[0] == 0
    code, said = await keys("rotate")
    assert (code, "--retire-now" in said) == (1, True)
    assert (await keys("rotate", "--retire-now"))[0] == 0
    rows = await market.fetch("SELECT kid, valid_until <= now() AS ended FROM identity.signing_keys")
    code, listed = await keys("list")
    assert [row["kid"][:8] in listed for row in rows] == [True] * 3
    assert sorted(bool(row["ended"]) for row in rows) == [False, True, True]
