"""Accepting an invitation."""

from uuid import UUID

from pydantic import Field

from ishop.schemas import Schema


class InvitationAccept(Schema):
    """The token that the mail brought."""

    token: str = Field(min_length=20, max_length=128, examples=["u0Wb1mXhQy3v2xq9oKq0c1m7m1bGv5zq8m4hX0b9n2E"])


class InvitationAccepted(Schema):
    """What the caller is a member of now; one of the two is null. Renew the access token to act for it."""

    vendor_id: UUID | None
    organization_id: UUID | None
    role: str = Field(examples=["staff"])
