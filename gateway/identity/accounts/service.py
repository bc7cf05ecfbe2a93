"""Who somebody is now."""

from uuid import UUID

from gateway.identity.accounts import repository
from gateway.identity.accounts.schemas import UserRead
from ishop.errors import Unauthenticated
from ishop.routing import Session


async def get_user(session: Session, user_id: UUID) -> UserRead:
    """A user as it is now; raises Unauthenticated for one that is gone while its token still lives."""
    account = await repository.get_account(session, user_id)
    if account is None:
        raise Unauthenticated
    return UserRead(
        id=account.id,
        email=account.email,
        name=account.name,
        confirmed=account.confirmed,
        roles=account.roles,
        vendors=account.vendors,
        organizations=account.organizations,
    )
