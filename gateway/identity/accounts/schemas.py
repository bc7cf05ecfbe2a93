"""A person as the API shows it."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, SecretStr

from gateway.identity.accounts.domain import MAX_LENGTH, MIN_LENGTH
from ishop.schemas import Schema


class VendorMembership(Schema):
    """A vendor that the caller acts for."""

    id: UUID
    name: str = Field(examples=["Koperasi Sumber Manis"])
    role: str = Field(examples=["owner"])


class OrganizationMembership(Schema):
    """An organization that the caller buys for."""

    id: UUID
    name: str = Field(examples=["Hotel Pantai Senggigi"])
    role: str = Field(examples=["requester"])


class UserRead(Schema):
    """A person, with everything it may act for."""

    id: UUID
    email: str = Field(examples=["sari@example.com"])
    name: str = Field(examples=["Sari Wulandari"])
    confirmed: bool = Field(description="Whether the e-mail address is confirmed; only then may you order on terms")
    roles: list[str] = Field(examples=[["consumer"]])
    vendors: list[VendorMembership]
    organizations: list[OrganizationMembership]


NewPassword = Annotated[
    SecretStr,
    Field(
        min_length=MIN_LENGTH,
        max_length=MAX_LENGTH,
        description="Any characters; not the e-mail address, and none of the commonest passwords",
        examples=["kopi pahit di pagi hari"],
    ),
]
CurrentPassword = Annotated[SecretStr, Field(min_length=1, max_length=1024, examples=["gula aren di sore hari"])]
