"""Members of a vendor as they see each other."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from ishop.schemas import Schema

Role = Literal["owner", "staff"]


class VendorMemberUpdate(Schema):
    """The role that a member is to have."""

    role: Role = Field(examples=["staff"])


class VendorMemberRead(Schema):
    """A person who may act for the vendor."""

    user_id: UUID
    name: str = Field(examples=["Sari Wulandari"])
    email: str = Field(examples=["sari@example.com"])
    role: Role
    since: datetime
