"""Sessions, the refresh tokens that keep them alive, and the networks that accounts were signed in from."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from ishop.database import Base


class SignInSession(Base):
    """One sign-in and all tokens that came from it; its id is their family's and the `sid` of access tokens."""

    __tablename__ = "sessions"
    __table_args__ = (
        Index("ix_sessions_user_id", "user_id", "id"),
        Index("ix_sessions_last_used_at", "last_used_at"),
        {"schema": "identity"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("identity.users.id", ondelete="CASCADE"))
    network: Mapped[str] = mapped_column(Text, comment="Of the address it was used from last: /24 or /64")
    user_agent: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
    last_used_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class RefreshToken(Base):
    """One single-use token, by its hash. All that came from one sign-in are a family and end together."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        UniqueConstraint("token_hash", name="uq_refresh_tokens_token_hash"),
        Index("ix_refresh_tokens_family_id", "family_id"),
        Index("ix_refresh_tokens_user_id", "user_id"),
        {"schema": "identity"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("identity.users.id", ondelete="CASCADE"))
    family_id: Mapped[UUID]
    replaces: Mapped[UUID | None] = mapped_column(comment="The token that was given for this one")
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))


class KnownNetwork(Base):
    """A network that an account was signed in from with its password: it gets through when others guess."""

    __tablename__ = "known_networks"
    __table_args__ = (Index("ix_known_networks_last_seen_at", "last_seen_at"), {"schema": "identity"})

    user_id: Mapped[UUID] = mapped_column(ForeignKey("identity.users.id", ondelete="CASCADE"), primary_key=True)
    network_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    last_seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
