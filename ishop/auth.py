"""Who is calling: Ed25519 access tokens (RFC 9864), verified by every service itself, and the principal in them."""

import base64
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import Depends, Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey
from joserfc.jwt import JWTClaimsRegistry

from ishop.errors import Forbidden, Unauthenticated
from ishop.settings import Settings
from ishop.verify_keys import VerifyKeys

ISSUER = "ishop"
AUDIENCE = "ishop"
ALGORITHM = "Ed25519"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - the kind of token (RFC 9068), not a token
MAX_KID = 64
ACCESS_TOKEN_SECONDS = 600
CACHED_TOKENS = 4096


class StaffRole(StrEnum):
    """What an account may be given beyond buying."""

    office = "office"
    admin = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """The signed-in caller as the token states it; memberships are as old as the token, ten minutes at most."""

    id: UUID
    roles: frozenset[str] = frozenset()
    vendors: Mapping[UUID, str] = field(default_factory=dict)
    organizations: Mapping[UUID, str] = field(default_factory=dict)
    confirmed: bool = False
    scopes: frozenset[str] | None = None
    """What the token is limited to, such as `stock:write`; None is a person's own, which may what the person may."""
    session: UUID | None = None
    """The sign-in that the token came from."""

    acting_for: UUID | None = None
    """The vendor that an officer acts for; `id` stays the officer, who is the actor of all that is done."""

    @property
    def key_space(self) -> str:
        """Whose idempotency keys these are: an officer's for one vendor are not those for another."""
        return str(self.id) if self.acting_for is None else f"{self.id}/{self.acting_for}"

    @property
    def is_office(self) -> bool:
        """Whether the caller acts for the provincial office (an administrator may do the same)."""
        return bool(self.roles & {"office", "admin"})


class UnknownKey(Unauthenticated):
    """401: the token names a key that this process does not know, which may be newer than what it has read."""

    def __init__(self, kid: str) -> None:
        super().__init__()
        self.kid = kid


class Verifier:
    """Checks access tokens against the public keys; remembers the good ones until they expire."""

    def __init__(self, keys: KeySet) -> None:
        self._known: OrderedDict[str, tuple[float, Principal]] = OrderedDict()
        self.keys = VerifyKeys(keys, self._known.clear)
        self._claims = JWTClaimsRegistry(
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": AUDIENCE},
            exp={"essential": True},
            sub={"essential": True},
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> "Verifier":
        """The verifier of this process: ISHOP_VERIFY_KEYS (a JWKS), else the public half of ISHOP_SIGNING_KEY."""
        if settings.verify_keys is not None:
            return cls(KeySet.import_key_set(_parse(settings.verify_keys)))
        if settings.signing_key is None:
            raise ValueError("Set ISHOP_SIGNING_KEY or ISHOP_VERIFY_KEYS.")
        return cls(KeySet([own_key(settings)]))

    def verify(self, token: str) -> Principal:
        """The principal of a valid token; anything else is Unauthenticated, a key never heard of UnknownKey."""
        known = self._known.get(token)
        if known is not None:
            if known[0] > time.time():
                return known[1]
            del self._known[token]
        try:
            kid = _kid(token)
            one = self.keys.find(kid)
            if one is None:
                raise UnknownKey(kid)
            if one.until <= time.time():
                raise Unauthenticated
            decoded = jwt.decode(token, one.key, algorithms=[ALGORITHM])
            self._claims.validate(decoded.claims)
            principal = _principal(decoded.claims)
            expires = float(decoded.claims["exp"])
        except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unauthenticated from error
        self._known[token] = (min(expires, one.until), principal)
        if len(self._known) > CACHED_TOKENS:
            self._known.popitem(last=False)
        return principal

    async def principal_of(self, authorization: str | None) -> Principal | None:
        """The caller of a request by its Authorization header; None without one.

        Waits for nothing where the token's key is known and what is known of keys is fresh enough.
        """
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated
        if not self.keys.are_fresh:
            await self.keys.freshen()
        try:
            return self.verify(token)
        except UnknownKey as unknown:
            await self.keys.learn(unknown.kid)
        return self.verify(token)


class Signer:
    """Makes access tokens with one key."""

    def __init__(self, key: OKPKey) -> None:
        self._key = key
        self.kid = str(key.kid)

    @classmethod
    def from_settings(cls, settings: Settings) -> "Signer":
        """The signer with the key of the settings."""
        return cls(own_key(settings))

    def sign(self, principal: Principal, seconds: int = ACCESS_TOKEN_SECONDS) -> str:
        """An access token for `principal`, valid for ten minutes where nothing else is said."""
        issued = int(time.time())
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(principal.acting_for or principal.id),
            "iat": issued,
            "exp": issued + seconds,
            "roles": sorted(principal.roles),
            "vendors": {str(vendor): role for vendor, role in principal.vendors.items()},
            "organizations": {str(organization): role for organization, role in principal.organizations.items()},
            "confirmed": principal.confirmed,
        }
        if principal.scopes is not None:
            claims["scopes"] = sorted(principal.scopes)
        if principal.session is not None:
            claims["sid"] = str(principal.session)
        if principal.acting_for is not None:
            claims["act"] = {"sub": str(principal.id)}
        header = {"alg": ALGORITHM, "kid": self.kid, "typ": TOKEN_TYPE}
        return jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])


def own_key(settings: Settings) -> OKPKey:
    """The key of the settings, named by its thumbprint; raises ValueError without ISHOP_SIGNING_KEY."""
    if settings.signing_key is None:
        raise ValueError("The gateway needs ISHOP_SIGNING_KEY.")
    key = OKPKey.import_key(_parse(settings.signing_key.get_secret_value()))
    key.ensure_kid()
    return key


def _kid(token: str) -> str:
    """The id of the key in a token's header; raises ValueError where it is no access token of our making."""
    head = token.partition(".")[0]
    header = orjson.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    if header["typ"] != TOKEN_TYPE or header["alg"] != ALGORITHM:
        raise ValueError("not an access token")
    kid = header["kid"]
    if not isinstance(kid, str) or len(kid) > MAX_KID:
        raise ValueError("not a name of a key")
    return kid


def _parse(text: str) -> Any:
    return orjson.loads(text)


def _principal(claims: Mapping[str, Any]) -> Principal:
    scopes, session, actor = claims.get("scopes"), claims.get("sid"), claims.get("act")
    return Principal(
        # RFC 8693: `sub` is who is acted for, `act` who acts.
        id=UUID(claims["sub"] if actor is None else actor["sub"]),
        acting_for=None if actor is None else UUID(claims["sub"]),
        roles=frozenset(claims["roles"]),
        vendors={UUID(vendor): role for vendor, role in claims["vendors"].items()},
        organizations={UUID(organization): role for organization, role in claims["organizations"].items()},
        confirmed=claims["confirmed"],
        scopes=None if scopes is None else frozenset(scopes),
        session=None if session is None else UUID(session),
    )


# The guards are coroutines although they wait for nothing: FastAPI runs plain functions in a thread, which costs more
# than all they do.
async def signed_in(request: Request) -> Principal:
    """The caller; anonymous is 401."""
    principal: Principal | None = request.state.principal
    if principal is None:
        raise Unauthenticated
    return principal


async def vendor_member(caller: Annotated[Principal, Depends(signed_in)]) -> Principal:
    """The caller, who must be a member of a vendor; anybody else is 403."""
    if not caller.vendors:
        raise Forbidden
    return caller


async def organization_member(caller: Annotated[Principal, Depends(signed_in)]) -> Principal:
    """The caller, who must be a member of an organization; anybody else is 403."""
    if not caller.organizations:
        raise Forbidden
    return caller


async def office(caller: Annotated[Principal, Depends(signed_in)]) -> Principal:
    """The caller, who must act for the office; anybody else is 403."""
    if not caller.is_office:
        raise Forbidden
    return caller


Caller = Annotated[Principal, Depends(signed_in)]
VendorMember = Annotated[Principal, Depends(vendor_member)]
OrganizationMember = Annotated[Principal, Depends(organization_member)]
Officer = Annotated[Principal, Depends(office)]
