"""The SQL of organizations."""

from typing import Any

from sqlalchemy import and_, null, select
from sqlalchemy.ext.asyncio import AsyncSession

from ishop.auth import Principal
from services.orders.organizations.models import Organization, OrganizationMember

SHOWN = (
    Organization.id,
    Organization.slug,
    Organization.name,
    Organization.kind,
    Organization.region_code,
    Organization.terms_days,
)


async def list_own(session: AsyncSession, caller: Principal) -> list[dict[str, Any]]:
    """The organizations that the caller is a member of now, whatever his token still says.

    A key is no member anywhere: what it may act for stands in its token alone, which is made anew every two minutes.
    """
    mine = and_(OrganizationMember.organization_id == Organization.id, OrganizationMember.user_id == caller.id)
    found = (
        select(*SHOWN, OrganizationMember.role).join(OrganizationMember, mine)
        if caller.scopes is None
        else select(*SHOWN, null().label("role")).where(Organization.id.in_(caller.organizations))
    )
    rows = (await session.execute(found.order_by(Organization.name, Organization.id))).mappings()
    return [{**row, "role": row["role"] or caller.organizations[row["id"]]} for row in rows]
