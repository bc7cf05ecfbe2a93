"""Invitations as those who manage members see them."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from ishop.emails import Email
from ishop.schemas import Schema
from services.vendors.members.schemas import Role


class VendorInvitationCreate(Schema):
    """Whom to invite, and as what."""

    email: Email = Field(examples=["budi@example.com"])
    role: Role = Field(examples=["staff"])


class VendorInvitationRead(Schema):
    """An open invitation. Nothing tells whether the address has an account."""

    id: UUID
    email: str = Field(examples=["budi@example.com"])
    role: Role
    invited_by: UUID
    expires_at: datetime
    created_at: datetime
