"""Organizations as their members see them."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from ishop.schemas import Schema


class OrganizationRead(Schema):
    """An organization and the caller's role in it."""

    id: UUID
    slug: str
    name: str
    kind: Annotated[str, Field(examples=["hotel"])]
    region_code: str
    terms_days: Annotated[int | None, Field(description="Days until payment is due; null: no orders on terms")]
    role: Annotated[str, Field(examples=["requester"])]
