"""The table of signing keys: what a rotation has made, and how long each is believed."""

from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from ishop.database import Base


class SigningKey(Base):
    """A key by its id. The key of the settings has a row once it was rotated, without its private part."""

    __tablename__ = "signing_keys"
    __table_args__ = ({"schema": "identity"},)

    kid: Mapped[str] = mapped_column(Text, primary_key=True)
    jwk: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="The public part")
    sealed: Mapped[bytes | None] = mapped_column(
        LargeBinary, comment="The private part, encrypted by ISHOP_SIGNING_KEY"
    )
    signs_from: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    valid_until: Mapped[datetime | None] = mapped_column(
        DateTime(timezone=True), comment="What it has signed is refused from here on; null: no end is known yet"
    )
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
