"""What registering and confirming take."""

from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from gateway.identity.accounts.domain import SENTENCES, weakness
from gateway.identity.accounts.schemas import NewPassword
from ishop.emails import Email
from ishop.schemas import Schema


class Registration(Schema):
    """A new account; a person, not a vendor or an organization, which it may join later."""

    email: Email = Field(examples=["sari@example.com"])
    password: NewPassword
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] = Field(
        pattern=r"^[^\x00-\x1f\x7f]+$", examples=["Sari Wulandari"]
    )

    @field_validator("password")
    @classmethod
    def refuse_weak_ones(cls, password: SecretStr, info: ValidationInfo) -> SecretStr:
        """NIST SP 800-63B: length and a list of known ones, no rules about kinds of characters."""
        code = weakness(password.get_secret_value(), info.data.get("email", ""))
        if code is not None:
            raise PydanticCustomError(code, SENTENCES[code])
        return password


class MailedToken(Schema):
    """The token of a mail: what stands behind `#token=` in its link."""

    token: SecretStr = Field(min_length=1, max_length=1024, examples=["u0Wb1mXhQy3v2xq9oKq0c1m7m1bGv5zq8m4hX0b9n2E"])
