"""Tokens that nobody here made: whatever is wrong with one, it is worth nothing, and the answer does not say why."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OKPKey

from ishop.auth import ALGORITHM, AUDIENCE, ISSUER, Principal, Signer, Verifier
from ishop.errors import Unauthenticated
from ishop.settings import Settings
from tests.gateway.doors import Door
from tests.gateway.test_app import problem

USER = UUID("0198c5b7-6f0e-7d3a-9f0e-2f4f3f1f6a10")


def own_key(settings: Settings) -> OKPKey:
    """The key that this market signs with."""
    assert settings.signing_key is not None
    key = OKPKey.import_key(orjson.loads(settings.signing_key.get_secret_value()))
    key.ensure_kid()
    return key


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good token, with changes; None takes a claim out."""
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(USER),
        "iat": int(time.time()),
        "exp": int(time.time()) + 600,
        "roles": ["consumer"],
        "vendors": {},
        "organizations": {},
        "confirmed": True,
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signed(key: OKPKey, changed: dict[str, Any]) -> str:
    """A token with these claims."""
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid, "typ": "at+jwt"}, changed, key, algorithms=[ALGORITHM])


def by_hand(header: dict[str, Any], changed: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """A token that no library would make."""
    parts = [
        base64.urlsafe_b64encode(orjson.dumps(part)).rstrip(b"=") for part in ({"typ": "at+jwt", **header}, changed)
    ]
    message = b".".join(parts)
    return (message + b"." + base64.urlsafe_b64encode(sign(message)).rstrip(b"=")).decode()


def forgeries(settings: Settings) -> dict[str, str]:
    """Every kind of bad token, by what is wrong with it."""
    key = own_key(settings)
    stranger = OKPKey.generate_key("Ed25519", private=True, auto_kid=True)
    public = key.as_pem(private=False)
    raw_public = base64.urlsafe_b64decode(f"{key.as_dict(private=False)['x']}=")
    good = Signer.from_settings(settings).sign(Principal(USER))
    head, body, signature = good.split(".")
    admin = base64.urlsafe_b64encode(orjson.dumps(claims(roles=["admin"]))).rstrip(b"=").decode()

    def hs256(secret: bytes) -> str:
        return by_hand(
            {"alg": "HS256", "kid": key.kid}, claims(), lambda message: hmac.digest(secret, message, hashlib.sha256)
        )

    def key_signs(message: bytes) -> bytes:
        private = key.get_op_key("sign")
        assert isinstance(private, Ed25519PrivateKey)
        return private.sign(message)

    # By hand and with nothing wrong it is good, so what is refused below is refused for what is wrong.
    by_hand_good = by_hand({"alg": ALGORITHM, "kid": key.kid}, claims(), key_signs)
    assert Verifier.from_settings(settings).verify(by_hand_good).id == USER
    return {
        "no algorithm": by_hand({"alg": "none"}, claims(), lambda _: b""),
        "no algorithm, our key": by_hand({"alg": "none", "kid": key.kid}, claims(), lambda _: b""),
        "another key": signed(stranger, claims()),
        "another key under our name": jwt.encode(
            {"alg": ALGORITHM, "kid": key.kid, "typ": "at+jwt"}, claims(), stranger, algorithms=[ALGORITHM]
        ),
        "a key of its own inside": by_hand(
            {"alg": ALGORITHM, "jwk": stranger.as_dict(private=False)}, claims(), lambda _: b"x" * 64
        ),
        "the public key as a secret": hs256(public),
        "the raw public key as a secret": hs256(raw_public),
        "the type of another token": by_hand({"alg": ALGORITHM, "kid": key.kid, "typ": "JWT"}, claims(), key_signs),
        "no type": by_hand({"alg": ALGORITHM, "kid": key.kid, "typ": None}, claims(), key_signs),
        "no name of a key": by_hand({"alg": ALGORITHM}, claims(), key_signs),
        "many names of a key": by_hand({"alg": ALGORITHM, "kid": [key.kid]}, claims(), key_signs),
        "another name of our key": by_hand({"alg": ALGORITHM, "kid": stranger.kid}, claims(), key_signs),
        "the old name of the algorithm": by_hand({"alg": "EdDSA", "kid": key.kid}, claims(), key_signs),
        "another audience": signed(key, claims(aud="another")),
        "another issuer": signed(key, claims(iss="another")),
        "no audience": signed(key, claims(aud=None)),
        "expired": signed(key, claims(exp=int(time.time()) - 1)),
        "never expires": signed(key, claims(exp=None)),
        "expires in words": signed(key, claims(exp="tomorrow")),
        "nobody": signed(key, claims(sub="nobody")),
        "no roles": signed(key, claims(roles=None)),
        "roles of another shape": signed(key, claims(vendors=["everything"])),
        "other claims under a good signature": f"{head}.{admin}.{signature}",
        "no signature": f"{head}.{body}.",
        "half a token": head,
        "no token at all": "x",
        "not ASCII": "tökèn",
    }


@pytest.mark.parametrize("path", ["/v1/mine", "/v1/seen"])
async def test_unauthenticated_when_the_token_is_bad(door: Door, path: str) -> None:
    statuses = {}
    for what, token in forgeries(door.runtime.settings).items():
        answer = await door.client.get(path, headers={b"Authorization": f"Bearer {token}".encode()})
        statuses[what] = answer.status_code
        problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert len(statuses) == 27


def test_services_refuse_them_too(door: Door) -> None:
    for token in forgeries(door.runtime.settings).values():
        with pytest.raises(Unauthenticated):
            door.runtime.verifier.verify(token)


@pytest.mark.parametrize("header", ["Basic c2FyaTprb3Bp", "Bearer", "Bearer ", "bearer", "Token x", ""])
async def test_unauthenticated_when_it_is_no_bearer_token(door: Door, header: str) -> None:
    problem(await door.client.get("/v1/seen", headers={"Authorization": header}), 401, "unauthenticated")


async def test_good_token_is_good_and_stays_good_when_seen_again(door: Door) -> None:
    headers = {"Authorization": f"Bearer {signed(own_key(door.runtime.settings), claims())}"}
    for _ in range(2):
        assert (await door.client.get("/v1/mine", headers=headers)).json() == {"id": str(USER)}


async def test_remembered_token_ends_when_it_expires(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"Authorization": f"Bearer {signed(own_key(door.runtime.settings), claims())}"}
    assert (await door.client.get("/v1/mine", headers=headers)).status_code == 200
    moment = time.time()
    monkeypatch.setattr(time, "time", lambda: moment + 601)
    problem(await door.client.get("/v1/mine", headers=headers), 401, "unauthenticated")


async def test_ignored_where_somebody_signs_in(door: Door) -> None:
    answer = await door.client.post("/v1/sign-in", headers={"Authorization": "Bearer expired"})
    assert answer.status_code == 200
    assert "authorization" not in {name for name, _ in answer.json()["headers"]}
