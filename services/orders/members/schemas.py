"""Members of an organization as they see each other."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from ishop.schemas import Schema

Role = Literal["requester", "approver", "receiver", "finance"]


class OrganizationMemberUpdate(Schema):
    """The role that a member is to have."""

    role: Role = Field(examples=["requester"])


class OrganizationMemberRead(Schema):
    """A person who may act for the organization."""

    user_id: UUID
    name: str = Field(examples=["Sari Wulandari"])
    email: str = Field(examples=["sari@example.com"])
    role: Role
    since: datetime
