"""Tables of accounts: who may sign in, and the single-use tokens that go out by mail."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from ishop.database import Base


class User(Base):
    """A person. Vendors and organizations keep their members themselves; `roles` holds what the office gave."""

    __tablename__ = "users"
    __table_args__ = (
        Index("uq_users_email", "email", unique=True, postgresql_where=text("confirmed_at IS NOT NULL")),
        Index("ix_users_unconfirmed", "email", "id", postgresql_where=text("confirmed_at IS NULL")),
        CheckConstraint("email = lower(email)", name="email"),
        CheckConstraint("roles <@ ARRAY['office', 'admin']", name="roles"),
        CheckConstraint("locale IN ('id', 'en')", name="locale"),
        CheckConstraint("confirmed_at IS NULL OR superseded_at IS NULL", name="superseded"),
        {"schema": "identity"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    email: Mapped[str] = mapped_column(Text, comment="Of one confirmed account at most; of any number of others")
    name: Mapped[str] = mapped_column(Text)
    password_hash: Mapped[str] = mapped_column(Text)
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    locale: Mapped[str] = mapped_column(Text, server_default=text("'id'"))
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    superseded_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="When another account confirmed the address: this one cannot sign in any more"
    )
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))


class OneTimeToken(Base):
    """What a mail carries as a link, by its hash; whoever sends it back reads the mails of that address."""

    __tablename__ = "one_time_tokens"
    __table_args__ = (
        CheckConstraint("purpose IN ('confirmation', 'reset')", name="purpose"),
        Index("ix_one_time_tokens_user_id", "user_id"),
        Index("ix_one_time_tokens_expires_at", "expires_at"),
        {"schema": "identity"},
    )

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("identity.users.id", ondelete="CASCADE"))
    purpose: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
