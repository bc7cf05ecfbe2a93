"""The table of words that mean the same."""

from sqlalchemy import ARRAY, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from ishop.database import Base


class SynonymGroup(Base):
    """One thing under many words; `related` are other things that may answer the same wish."""

    __tablename__ = "synonym_groups"
    __table_args__ = ({"schema": "catalog"},)

    canonical: Mapped[str] = mapped_column(Text, primary_key=True)
    variants: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    english: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    related: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    source: Mapped[str] = mapped_column(Text)
