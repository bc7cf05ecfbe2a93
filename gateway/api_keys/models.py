"""Tables of service accounts and of the API keys by which they are known."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from ishop.database import Base


class ServiceAccount(Base):
    """A program that acts for one vendor, one organization or, where both are null, the office."""

    __tablename__ = "service_accounts"
    __table_args__ = (
        CheckConstraint("num_nonnulls(vendor_id, organization_id) <= 1", name="owner"),
        CheckConstraint("lifetime_days BETWEEN 1 AND 366", name="lifetime_days"),
        Index("ix_service_accounts_vendor_id", "vendor_id"),
        Index("ix_service_accounts_organization_id", "organization_id"),
        {"schema": "identity"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    name: Mapped[str] = mapped_column(Text)
    vendor_id: Mapped[UUID | None]
    organization_id: Mapped[UUID | None]
    role: Mapped[str] = mapped_column(Text)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    lifetime_days: Mapped[int] = mapped_column(Integer)
    created_by: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))


class ApiKey(Base):
    """One key, by the hash of its secret. A service account has two live ones while it is being rotated."""

    __tablename__ = "api_keys"
    __table_args__ = (
        UniqueConstraint("prefix", name="uq_api_keys_prefix"),
        Index("ix_api_keys_service_account_id", "service_account_id"),
        {"schema": "identity"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    service_account_id: Mapped[UUID] = mapped_column(ForeignKey("identity.service_accounts.id"))
    prefix: Mapped[str] = mapped_column(Text)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    replaced_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_by: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
