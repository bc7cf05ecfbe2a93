"""Money that came in for orders."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, CheckConstraint, DateTime, ForeignKey, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from ishop.database import Base


class Payment(Base):
    """One payment as it was recorded; the reference makes it unique in the whole market."""

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint("amount BETWEEN 1 AND 9007199254740991", name="amount"),
        {"schema": "orders"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.orders.id"), index=True)
    amount: Mapped[int] = mapped_column(BigInteger)
    reference: Mapped[str] = mapped_column(Text, unique=True)
    allocated: Mapped[bool] = mapped_column(
        Boolean, comment="False: it came after expiry or cancellation, is due back and revives nothing"
    )
    recorded_by: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("now()"))
