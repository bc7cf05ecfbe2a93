"""Organizations that buy (hotels, restaurants, agencies) and their members."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Integer, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from ishop.database import Base


class Organization(Base):
    """A buyer that is not a person; `terms_days` says when it has to pay, null means that it may not order on terms."""

    __tablename__ = "organizations"
    __table_args__ = (
        CheckConstraint("kind IN ('hotel', 'restaurant', 'agency')", name="kind"),
        CheckConstraint("terms_days BETWEEN 1 AND 90", name="terms_days"),
        {"schema": "orders"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    slug: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    region_code: Mapped[str] = mapped_column(Text)
    terms_days: Mapped[int | None] = mapped_column(
        Integer, comment="Days until payment is due; null may not order on terms"
    )
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))


class OrganizationMember(Base):
    """A user's role in an organization."""

    __tablename__ = "organization_members"
    __table_args__ = (
        CheckConstraint("role IN ('requester', 'approver', 'receiver', 'finance')", name="role"),
        {"schema": "orders"},
    )

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("orders.organizations.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True, index=True)
    role: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
