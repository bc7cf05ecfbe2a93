"""The table of grants: which officer acted for which vendor, from when to when, and why."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from ishop.database import Base


class ActingGrant(Base):
    """One token given to an officer. Append-only: the gateway may neither change nor delete a row."""

    __tablename__ = "acting_grants"
    __table_args__ = (
        CheckConstraint("length(reason) BETWEEN 5 AND 500", name="reason"),
        Index("ix_acting_grants_vendor_id", "vendor_id"),
        {"schema": "identity"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    officer_id: Mapped[UUID]
    vendor_id: Mapped[UUID]
    reason: Mapped[str] = mapped_column(Text)
    request_id: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
