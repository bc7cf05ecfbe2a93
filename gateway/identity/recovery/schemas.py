"""What choosing another password takes."""

from pydantic import Field, SecretStr

from gateway.identity.accounts.schemas import CurrentPassword, NewPassword
from ishop.emails import Email
from ishop.schemas import Schema


class ResetRequest(Schema):
    """Whose password is to be chosen anew."""

    email: Email = Field(examples=["sari@example.com"])


class Reset(Schema):
    """A new password, with the token of the mail."""

    token: SecretStr = Field(min_length=1, max_length=1024, examples=["u0Wb1mXhQy3v2xq9oKq0c1m7m1bGv5zq8m4hX0b9n2E"])
    password: NewPassword


class PasswordChange(Schema):
    """A new password in place of the current one."""

    current_password: CurrentPassword
    new_password: NewPassword
