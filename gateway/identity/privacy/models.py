"""The trail of deleted accounts."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from ishop.database import Base


class Deletion(Base):
    """An account that its owner deleted; written once."""

    __tablename__ = "deletions"
    __table_args__ = (
        Index("ix_deletions_deleted_at", "deleted_at"),
        {"schema": "identity", "comment": "Accounts that their owners deleted; nothing here tells who they were"},
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    registered_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    request_id: Mapped[str | None] = mapped_column(Text)
    deleted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
