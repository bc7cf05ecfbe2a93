"""Inviting people to act for a vendor."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import structlog

from ishop.auth import Principal
from ishop.errors import NotFound
from ishop.routing import Session
from services.vendors.invitations import repository
from services.vendors.invitations.errors import TooManyInvitations
from services.vendors.invitations.schemas import VendorInvitationCreate, VendorInvitationRead
from services.vendors.members.service import require_manager

log = structlog.get_logger(__name__)

MAX_OPEN: Final = 50


async def invite(
    session: Session, caller: Principal, vendor_id: UUID, body: VendorInvitationCreate
) -> VendorInvitationRead:
    """An invitation by mail, whoever the address belongs to; raises NotFound, Forbidden, TooManyInvitations."""
    await require_manager(session, caller, vendor_id)
    if await repository.count_open(session, vendor_id) >= MAX_OPEN:
        raise TooManyInvitations(limit=MAX_OPEN)
    row = await repository.add(session, caller, vendor_id, body.email, body.role)
    log.info("a member was invited", principal=str(caller.id), invitation=str(row["id"]), role=body.role)
    return _read(row)


async def list_open(session: Session, caller: Principal, vendor_id: UUID) -> list[VendorInvitationRead]:
    """The open invitations; raises NotFound, Forbidden."""
    await require_manager(session, caller, vendor_id)
    return [_read(row) for row in await repository.list_open(session, vendor_id)]


async def revoke(session: Session, caller: Principal, vendor_id: UUID, invitation_id: UUID) -> None:
    """Take an open invitation back; raises NotFound, Forbidden."""
    await require_manager(session, caller, vendor_id)
    if not await repository.revoke(session, vendor_id, invitation_id):
        raise NotFound


def _read(row: Mapping[Any, Any]) -> VendorInvitationRead:
    return VendorInvitationRead.model_validate({name: row[name] for name in VendorInvitationRead.model_fields})
