"""Acting for a vendor as officers and owners see it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from ishop.schemas import Schema

Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=5, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$"),
    Field(examples=["Membantu mengisi stok lewat telepon, tiket 1042"]),
]


class ActingRequest(Schema):
    """For whom, and why; the vendor's owner reads the reason."""

    vendor_id: UUID
    reason: Reason


class ActingGrantRead(Schema):
    """One time that an officer acted for a vendor, or could have."""

    id: UUID
    vendor_id: UUID
    vendor_name: str = Field(examples=["Koperasi Sumber Manis"])
    officer_id: UUID = Field(description="Who stands as the actor in movements and transitions")
    officer_name: str | None = Field(examples=["Petugas Dinas"], description="null: the account is gone")
    reason: str = Field(examples=["Membantu mengisi stok lewat telepon, tiket 1042"])
    created_at: datetime
    expires_at: datetime


class ActingToken(Schema):
    """An access token that acts for the vendor. There is no refresh token: who goes on says why once more."""

    access_token: str = Field(examples=["eyJhbGciOiJFZDI1NTE5IiwidHlwIjoiYXQrand0In0.eyJzdWIiOiIwMTk4In0.c2lnbmF0dXJl"])
    token_type: Literal["bearer"]
    expires_in: int = Field(examples=[600], description="Seconds until the access token expires")
    grant: ActingGrantRead
