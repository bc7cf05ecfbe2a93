"""Tables of the producers: who they are, who may act for them, and the certificates they hold."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, Double, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from ishop.database import Base


class Cohort(Base):
    """A group of producers of whom the source gives a joint figure."""

    __tablename__ = "cohorts"
    __table_args__ = (
        {
            "schema": "vendors",
            "comment": "Groups of producers whose worker total is known only jointly; "
            "vendors.workers is null for a joint figure",
        },
    )

    slug: Mapped[str] = mapped_column(Text, primary_key=True)
    name_id: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    vendors: Mapped[int]
    workers: Mapped[int]
    source: Mapped[str] = mapped_column(Text)


class Vendor(Base):
    """A producer; everybody sees those that are active."""

    __tablename__ = "vendors"
    __table_args__ = (
        UniqueConstraint("slug"),
        UniqueConstraint("nib"),
        CheckConstraint("slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND slug !~ '^[0-9a-f]{8}-'", name="slug"),
        CheckConstraint("status IN ('applied', 'verified', 'active', 'suspended', 'closed')", name="status"),
        CheckConstraint("nib ~ '^[0-9]{13}$'", name="nib"),
        CheckConstraint("size_class IN ('micro', 'small', 'medium')", name="size_class"),
        Index("ix_vendors_name", "name", "id", postgresql_where=text("status = 'active'")),
        Index("ix_vendors_created_at", "created_at", "id", postgresql_where=text("status = 'active'")),
        Index("ix_vendors_region_code", "region_code", "name", "id", postgresql_where=text("status = 'active'")),
        Index("ix_vendors_place", text("point(longitude, latitude)"), postgresql_using="gist"),
        {"schema": "vendors"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    slug: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    description_id: Mapped[str] = mapped_column(Text)
    description_en: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    region_code: Mapped[str] = mapped_column(Text)
    latitude: Mapped[float] = mapped_column(Double)
    longitude: Mapped[float] = mapped_column(Double)
    nib: Mapped[str] = mapped_column(Text)
    size_class: Mapped[str] = mapped_column(Text)
    workers: Mapped[int | None]
    cohort_slug: Mapped[str | None] = mapped_column(Text, ForeignKey(Cohort.slug))
    pkp: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="Pengusaha Kena Pajak: only such a vendor charges PPN"
    )
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))


class VendorMember(Base):
    """Who may act for a vendor; the gateway copies it into tokens."""

    __tablename__ = "vendor_members"
    __table_args__ = (
        CheckConstraint("role IN ('owner', 'staff')", name="role"),
        Index("ix_vendor_members_user_id", "user_id"),
        {"schema": "vendors"},
    )

    vendor_id: Mapped[UUID] = mapped_column(ForeignKey(Vendor.id), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))


class Certificate(Base):
    """A licence or certificate of a vendor, or of one product where `product_id` is set."""

    __tablename__ = "certificates"
    __table_args__ = (
        CheckConstraint("valid_until >= valid_from", name="dates"),
        Index("ix_certificates_vendor_id", "vendor_id", "kind", "product_id"),
        {"schema": "vendors"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    vendor_id: Mapped[UUID] = mapped_column(ForeignKey(Vendor.id))
    product_id: Mapped[UUID | None]
    kind: Mapped[str] = mapped_column(Text)
    number: Mapped[str] = mapped_column(Text)
    valid_from: Mapped[date]
    valid_until: Mapped[date | None] = mapped_column(
        comment="Last day of validity, through 24:00 local; null is open-ended"
    )
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    verified_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
