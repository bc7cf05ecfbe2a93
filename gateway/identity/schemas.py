"""What registering, signing in and asking who one is takes and answers."""

from typing import Annotated, Literal
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints
from pydantic_core import PydanticCustomError

from ishop.schemas import Schema

MAX_EMAIL = 254


def canonical_email(text: str) -> str:
    """One spelling for one mailbox: lower case, the domain in ASCII. Raises ValueError where it cannot be one.

    Domains reserved for tests and documentation are let in: nothing here depends on whether mail arrives.
    """
    try:
        checked = validate_email(text, check_deliverability=False, test_environment=True, allow_smtputf8=False)
    except EmailNotValidError as error:
        raise PydanticCustomError("email_invalid", "This is not an e-mail address.") from error
    return (checked.ascii_email or checked.normalized).lower()


Email = Annotated[str, Field(max_length=MAX_EMAIL), AfterValidator(canonical_email)]


class Registration(Schema):
    """A new account; a person, not a vendor or an organization, which it may join later."""

    email: Email = Field(examples=["sari@example.com"])
    password: SecretStr = Field(min_length=10, max_length=128, examples=["kopi pahit di pagi hari"])
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] = Field(
        pattern=r"^[^\x00-\x1f\x7f]+$", examples=["Sari Wulandari"]
    )


class TokenForm(BaseModel):
    """The form of RFC 6749; unlike everywhere else unknown fields are ignored, because the RFC says so (3.2)."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        json_schema_extra={
            "examples": [{"grant_type": "password", "username": "consumer@demo.test", "password": "ishop-demo"}]
        },
    )

    grant_type: str = Field(max_length=64, description="`password` or `refresh_token`")
    username: str | None = Field(default=None, max_length=MAX_EMAIL, description="The e-mail address")
    password: SecretStr | None = Field(default=None, max_length=1024)
    refresh_token: SecretStr | None = Field(default=None, max_length=1024)


class TokenRead(Schema):
    """An access token, and what gets the next one when it expires. A refresh token works once."""

    access_token: str = Field(examples=["eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIwMTk4In0.c2lnbmF0dXJl"])
    token_type: Literal["bearer"]
    expires_in: int = Field(examples=[600], description="Seconds until the access token expires")
    refresh_token: str = Field(examples=["u0Wb1mXhQy3v2xq9oKq0c1m7m1bGv5zq8m4hX0b9n2E"])


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
    roles: list[str] = Field(examples=[["consumer"]])
    vendors: list[VendorMembership]
    organizations: list[OrganizationMembership]
