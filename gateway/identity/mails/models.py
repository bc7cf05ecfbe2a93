"""Mails that are to go out, and those that the mailbox of a development market keeps."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from ishop.database import Base


class MailRequest(Base):
    """A mail that somebody asked for; the worker writes it when it sends it, so that no secret lies here."""

    __tablename__ = "mail_requests"
    __table_args__ = (
        Index("ix_mail_requests_email", "email", "kind", "created_at"),
        Index("ix_mail_requests_created_at", "created_at"),
        {"schema": "identity"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    kind: Mapped[str] = mapped_column(Text)
    email: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[UUID | None] = mapped_column(comment="What the mail is about, as its kind has it")
    done_at: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="When it was sent, or found to be none that should be"
    )
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))


class MailboxMail(Base):
    """A mail in the mailbox of a development market, which `ishop mail` prints."""

    __tablename__ = "mails"
    __table_args__ = (Index("ix_mails_recipient", "recipient", "id"), {"schema": "identity"})

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    recipient: Mapped[str] = mapped_column(Text)
    sender: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
