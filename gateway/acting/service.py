"""An officer acts for a vendor, under his own name and with a trace."""

from datetime import timedelta
from uuid import UUID

import structlog

from gateway.acting import repository
from gateway.acting.schemas import ActingGrantRead, ActingRequest, ActingToken
from gateway.signing_keys.ring import KeyRing
from ishop.auth import ACCESS_TOKEN_SECONDS, Principal
from ishop.errors import NotFound
from ishop.routing import Session
from ishop.scopes import OF_VENDORS

log = structlog.get_logger(__name__)

ROLE = "staff"
"""An officer helps with the work of a vendor, not with what is its owner's alone."""


async def act(signer: KeyRing, session: Session, caller: Principal, body: ActingRequest) -> ActingToken:
    """A token with the vendor's membership, limited to the work of vendors; raises NotFound."""
    row = await repository.add(session, caller, body.vendor_id, body.reason, timedelta(seconds=ACCESS_TOKEN_SECONDS))
    if row is None:
        raise NotFound
    grant = ActingGrantRead.model_validate(dict(row))
    acting = Principal(
        id=caller.id,
        roles=frozenset({"vendor"}),
        vendors={grant.vendor_id: ROLE},
        confirmed=True,
        scopes=OF_VENDORS,
        acting_for=grant.vendor_id,
    )
    log.info("an officer acts for a vendor", principal=str(caller.id), vendor=str(grant.vendor_id), grant=str(grant.id))
    return ActingToken(
        access_token=await signer.sign(acting),
        token_type="bearer",  # noqa: S106 - the kind of token, not a token
        expires_in=ACCESS_TOKEN_SECONDS,
        grant=grant,
    )


async def list_visible(
    session: Session, caller: Principal, *, vendor_id: UUID | None, behind: UUID | None, limit: int
) -> list[ActingGrantRead]:
    """Up to `limit` grants that the caller may see."""
    rows = await repository.list_visible(session, caller, vendor_id=vendor_id, behind=behind, limit=limit)
    return [ActingGrantRead.model_validate(dict(row)) for row in rows]
