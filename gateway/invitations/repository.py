"""Invitations, which vendors and orders keep: read through their views, changed through their functions."""

from typing import Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

VENDORS: Final = "vendors"
ORDERS: Final = "orders"

GET: Final = {
    VENDORS: text("SELECT party_name, email, role FROM vendors.invitations_v1 WHERE id = :id"),
    ORDERS: text("SELECT party_name, email, role FROM orders.invitations_v1 WHERE id = :id"),
}
SET_TOKEN: Final = {
    VENDORS: text("SELECT vendors.set_invitation_token_v1(:id, :token_hash)"),
    ORDERS: text("SELECT orders.set_invitation_token_v1(:id, :token_hash)"),
}
ACCEPT: Final = {
    VENDORS: text("SELECT party_id, role FROM vendors.accept_invitation_v1(:token_hash, :user_id, :email)"),
    ORDERS: text("SELECT party_id, role FROM orders.accept_invitation_v1(:token_hash, :user_id, :email)"),
}


async def get_open(session: AsyncSession, service: str, invitation_id: UUID) -> RowMapping | None:
    """An open invitation with the name of whom it is to; None where it is not open any more."""
    return (await session.execute(GET[service], {"id": invitation_id})).mappings().one_or_none()


async def set_token(session: AsyncSession, service: str, invitation_id: UUID, token_hash: bytes) -> None:
    """Store the hash of the token that is about to be sent; one sent before is worth nothing then."""
    await session.execute(SET_TOKEN[service], {"id": invitation_id, "token_hash": token_hash})


async def accept(
    session: AsyncSession, service: str, token_hash: bytes, user_id: UUID, email: str
) -> tuple[UUID, str] | None:
    """Make the user a member; the id of what he is a member of and his role. None where nothing fits."""
    values = {"token_hash": token_hash, "user_id": user_id, "email": email}
    row = (await session.execute(ACCEPT[service], values)).one_or_none()
    return None if row is None else (row.party_id, row.role)
