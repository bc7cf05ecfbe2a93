"""The public face of a vendor."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from ishop.schemas import Schema

Sort = Literal["name", "newest"]


class Location(Schema):
    """A place on the map, in degrees (WGS 84)."""

    latitude: float = Field(examples=[-8.5833])
    longitude: float = Field(examples=[116.1167])


class CertificateRead(Schema):
    """A certificate that is valid today; `valid_until` is its last day, null where it is open-ended."""

    kind: str = Field(examples=["PIRT"])
    number: str
    valid_until: date | None


class VendorRead(Schema):
    """An active vendor, with its texts in the caller's language."""

    id: UUID
    slug: str = Field(examples=["ud-gula-lestari"])
    name: str
    description: str
    region_code: str = Field(examples=["52.01"])
    location: Location
    nib: str = Field(description="Nomor Induk Berusaha, the public business number", examples=["9120001234567"])
    size_class: Literal["micro", "small", "medium"]
    workers: int | None = Field(description="Null where only a joint figure of several vendors is known")
    certificates: list[CertificateRead]
    created_at: datetime
