"""Making, rotating and revoking API keys."""

from uuid import UUID

import structlog

from gateway.api_keys import repository
from gateway.api_keys.domain import MAX_LIVE_KEYS, ROLES_OF, Owner, Secret
from gateway.api_keys.errors import AddressNotConfirmed, ApiKeyEnded, TooManyApiKeys
from gateway.api_keys.schemas import ApiKeyCreate, ApiKeyCreated, ApiKeyRead
from ishop.auth import Principal
from ishop.errors import Forbidden, NotFound
from ishop.routing import Session

log = structlog.get_logger(__name__)


async def create(session: Session, caller: Principal, body: ApiKeyCreate) -> ApiKeyCreated:
    """A service account with its first key; NotFound for an owner whose keys are not the caller's to manage."""
    confirmed = await repository.is_confirmed_manager(session, caller, body)
    if confirmed is None:
        raise Forbidden if body.owner is Owner.office else NotFound
    if not confirmed:
        raise AddressNotConfirmed
    if await repository.count_live(session, body) >= MAX_LIVE_KEYS:
        raise TooManyApiKeys(limit=MAX_LIVE_KEYS)
    secret = Secret.new()
    role = body.role or ROLES_OF[body.owner][0]
    added = await repository.add(session, caller, body, role, secret)
    return await _created(session, caller, added, secret, "an API key was made")


async def rotate(session: Session, caller: Principal, api_key_id: UUID, overlap_hours: int) -> ApiKeyCreated:
    """The key that takes the place of this one, which ends after the overlap; raises NotFound, ApiKeyEnded."""
    if await repository.get(session, caller, api_key_id) is None:
        raise NotFound
    secret = Secret.new()
    added = await repository.replace(session, caller, api_key_id, overlap_hours, secret)
    if added is None:
        raise ApiKeyEnded
    return await _created(session, caller, added, secret, "an API key was rotated")


async def revoke(session: Session, caller: Principal, api_key_id: UUID) -> None:
    """End a key; raises NotFound."""
    if await repository.get(session, caller, api_key_id) is None:
        raise NotFound
    await repository.revoke(session, api_key_id)
    log.info("an API key was revoked", principal=str(caller.id), revoked=str(api_key_id))


async def list_managed(
    session: Session,
    caller: Principal,
    *,
    vendor_id: UUID | None,
    organization_id: UUID | None,
    behind: UUID | None,
    limit: int,
) -> list[ApiKeyRead]:
    """Up to `limit` keys that the caller manages."""
    rows = await repository.list_managed(
        session, caller, vendor_id=vendor_id, organization_id=organization_id, behind=behind, limit=limit
    )
    return [ApiKeyRead.model_validate(dict(row)) for row in rows]


async def _created(session: Session, caller: Principal, api_key_id: UUID, secret: Secret, event: str) -> ApiKeyCreated:
    row = await repository.get(session, caller, api_key_id)
    if row is None:
        # Managing was taken from the caller between two statements.
        raise NotFound
    log.info(event, principal=str(caller.id), prefix=row["prefix"], service_account=str(row["service_account_id"]))
    return ApiKeyCreated.model_validate({**row, "key": secret.text})
