"""What signing in takes and answers, and sessions as their owners see them."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from ishop.emails import MAX_EMAIL
from ishop.schemas import Schema


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


class RevocationForm(BaseModel):
    """The form of RFC 7009; unknown fields, `token_type_hint` among them, are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    token: SecretStr = Field(
        min_length=1,
        max_length=1024,
        description="A refresh token",
        examples=["u0Wb1mXhQy3v2xq9oKq0c1m7m1bGv5zq8m4hX0b9n2E"],
    )


class SessionRead(Schema):
    """One sign-in that can still be gone on with. Its address is kept as a network only."""

    id: UUID
    current: bool = Field(description="Whether this request belongs to it")
    network: str = Field(examples=["203.0.113.0/24"])
    user_agent: str = Field(examples=["i-Shop Android 1.4"])
    created_at: datetime
    last_used_at: datetime
