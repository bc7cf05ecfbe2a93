"""The SQL of organizations."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncSession

from ishop.auth import Principal
from services.orders.organizations.models import Organization, OrganizationMember


async def list_own(session: AsyncSession, caller: Principal) -> Sequence[RowMapping]:
    """The organizations that the caller is a member of now, whatever his token still says."""
    statement = (
        select(
            Organization.id,
            Organization.slug,
            Organization.name,
            Organization.kind,
            Organization.region_code,
            Organization.terms_days,
            OrganizationMember.role,
        )
        .join(OrganizationMember, OrganizationMember.organization_id == Organization.id)
        .where(OrganizationMember.user_id == caller.id)
        .order_by(Organization.name, Organization.id)
    )
    return (await session.execute(statement)).mappings().all()
