"""Who may act for a vendor, and as what."""

from uuid import UUID

import structlog

from ishop.auth import Principal
from ishop.errors import Forbidden, NotFound
from ishop.routing import Session
from services.vendors.members import repository
from services.vendors.members.errors import LastOwner
from services.vendors.members.schemas import Role, VendorMemberRead

log = structlog.get_logger(__name__)

MANAGER: Role = "owner"


async def list_members(session: Session, caller: Principal, vendor_id: UUID) -> list[VendorMemberRead]:
    """All members by name, for members and the office; NotFound for everybody else."""
    if not await repository.sees(session, caller, vendor_id):
        raise NotFound
    return [VendorMemberRead.model_validate(dict(row)) for row in await repository.list_members(session, vendor_id)]


async def set_role(session: Session, caller: Principal, vendor_id: UUID, user_id: UUID, role: Role) -> VendorMemberRead:
    """Give a member another role; raises NotFound, Forbidden for who does not manage members, LastOwner."""
    before = await _member_to_change(session, caller, vendor_id, user_id, may_leave=False)
    if before == MANAGER != role and await repository.is_last(session, vendor_id, user_id):
        raise LastOwner
    await repository.set_role(session, vendor_id, user_id, role)
    rows = await repository.list_members(session, vendor_id, user_id)
    if not rows:
        raise NotFound
    log.info(
        "the role of a member was changed", principal=str(caller.id), member=str(user_id), before=before, after=role
    )
    return VendorMemberRead.model_validate(dict(rows[0]))


async def remove(session: Session, caller: Principal, vendor_id: UUID, user_id: UUID) -> None:
    """End a membership, anybody's or one's own; raises NotFound, Forbidden, LastOwner."""
    before = await _member_to_change(session, caller, vendor_id, user_id, may_leave=True)
    if before == MANAGER and await repository.is_last(session, vendor_id, user_id):
        raise LastOwner
    await repository.remove(session, vendor_id, user_id)
    log.info("a membership was ended", principal=str(caller.id), member=str(user_id), before=before)


async def _member_to_change(
    session: Session, caller: Principal, vendor_id: UUID, user_id: UUID, *, may_leave: bool
) -> str:
    """The role of the member, after everybody else who changes members has been waited for."""
    await repository.lock(session, vendor_id)
    own_role = await repository.role_of(session, vendor_id, caller.id)
    if own_role is None and not caller.is_office:
        raise NotFound
    leaves = may_leave and user_id == caller.id
    if own_role != MANAGER and not caller.is_office and not leaves:
        raise Forbidden
    role = await repository.role_of(session, vendor_id, user_id)
    if role is None:
        raise NotFound
    return role


async def require_manager(session: Session, caller: Principal, vendor_id: UUID) -> None:
    """Raises NotFound for who may not even see the members, Forbidden for who does not manage them."""
    if not await repository.sees(session, caller, vendor_id):
        raise NotFound
    if not caller.is_office and await repository.role_of(session, vendor_id, caller.id) != MANAGER:
        raise Forbidden
