"""API keys as those who manage them see them."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from gateway.api_keys.domain import ROLES_OF, SCOPES_OF, Owner
from ishop.schemas import Schema
from ishop.scopes import SCOPES

DEFAULT_LIFETIME_DAYS = 90
DEFAULT_OVERLAP_HOURS = 24
MAX_OVERLAP_HOURS = 168

Role = Literal["staff", "requester", "approver", "receiver", "finance", "office"]
Scope = Annotated[str, StringConstraints(max_length=64), Field(json_schema_extra={"enum": sorted(SCOPES)})]
Scopes = Annotated[list[Scope], Field(min_length=1, max_length=32, examples=[["stock:read", "stock:write"]])]


class ApiKeyCreate(Schema):
    """A new service account with its first key: of a vendor, of an organization, or, with neither, of the office."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)] = Field(
        pattern=r"^[^\x00-\x1f\x7f]+$", examples=["Kasir toko"]
    )
    vendor_id: UUID | None = None
    organization_id: UUID | None = None
    role: Role | None = Field(
        default=None,
        description="What the program is in an organization: `requester` (default), `approver`, `receiver`, `finance`",
    )
    scopes: Scopes
    expires_in_days: int = Field(default=DEFAULT_LIFETIME_DAYS, ge=1, le=366)

    @property
    def owner(self) -> Owner:
        """Whom the key is for."""
        if self.vendor_id is not None:
            return Owner.vendor
        return Owner.office if self.organization_id is None else Owner.organization

    @model_validator(mode="after")
    def fits_the_owner(self) -> Self:
        """One owner, a role that a program may have there, and scopes that mean something there."""
        if self.vendor_id is not None and self.organization_id is not None:
            raise PydanticCustomError("two_owners", "Name a vendor or an organization, not both.")
        if self.role is not None and self.role not in ROLES_OF[self.owner]:
            raise PydanticCustomError("role", "A program may not have this role here.")
        unknown = sorted(set(self.scopes) - SCOPES_OF[self.owner])
        if unknown:
            known = ", ".join(sorted(SCOPES_OF[self.owner]))
            raise PydanticCustomError("scopes", "Scopes of this owner are {known}.", {"known": known})
        return self


class ApiKeyRotate(Schema):
    """How long the old secret goes on working beside the new one."""

    overlap_hours: int = Field(default=DEFAULT_OVERLAP_HOURS, ge=0, le=MAX_OVERLAP_HOURS)


class ApiKeyRead(Schema):
    """A key without its secret. `service_account_id` is who it is in orders, movements and logs, rotated or not."""

    id: UUID
    service_account_id: UUID
    name: str = Field(examples=["Kasir toko"])
    prefix: str = Field(examples=["ishop_k3v7q2mhd5xa"], description="How the key begins; not secret")
    vendor_id: UUID | None
    organization_id: UUID | None
    role: str = Field(examples=["staff"])
    scopes: Scopes
    status: Literal["live", "replaced", "expired", "revoked"] = Field(
        description="`replaced`: rotated, and still accepted until `expires_at`"
    )
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute; null: never")
    created_by: UUID
    created_at: datetime


class ApiKeyCreated(ApiKeyRead):
    """A key with its secret, which is shown now and never again."""

    key: str = Field(examples=["ishop_k3v7q2mhd5xa_u0Wb1mXhQy3v2xq9oKq0c1m7m1bGv5zq8m4hX0b9n2E"])
