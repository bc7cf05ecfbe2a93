"""The audit log as the office reads it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from ishop.schemas import Schema


class SubjectType(StrEnum):
    """What can be changed so that it is written down."""

    account = "account"
    service_account = "service_account"
    api_key = "api_key"
    signing_key = "signing_key"
    vendor = "vendor"
    certificate = "certificate"
    product = "product"
    sku = "sku"
    organization = "organization"
    order = "order"
    vendor_order = "vendor_order"
    shipping_rate = "shipping_rate"
    tax_rate = "tax_rate"


class Change(Schema):
    """One change; `before` is null for what was added, `after` for what was taken away."""

    id: str = Field(description="Names this entry for good", examples=["log-4711"])
    at: datetime
    actor_id: UUID | None = Field(description="Who called; null where nobody did: the clock, an operator, a revision")
    database_role: str | None = Field(
        description="The role of the database that changed it, where that was noted", examples=["ishop_vendors"]
    )
    action: str = Field(description="The table or journal, and what was done", examples=["certificates.update"])
    subject_type: SubjectType
    subject_id: str = Field(examples=["0198c5b7-6f0e-7d3a-9f0e-2f4f3f1f6a10"])
    before: dict[str, Any] | None = Field(examples=[{"valid_until": "2026-12-31"}])
    after: dict[str, Any] | None = Field(examples=[{"valid_until": "2027-12-31"}])
    request_id: str | None = Field(examples=["0198c5b76f0e7d3a9f0e2f4f3f1f6a10"])


class ChangeFilter(Schema):
    """Which changes are wanted; all of them without any."""

    subject_type: SubjectType | None = None
    subject_id: Annotated[str | None, Field(min_length=1, max_length=100, pattern=r"^[ -~]+$")] = None
    actor_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
