"""A vendor and an organization with their members, for tests of those who manage them."""

from dataclasses import dataclass
from uuid import UUID, uuid4

from httpx import AsyncClient, Response

from ishop.auth import Principal, Signer
from tests.markets import TestMarket


@dataclass(frozen=True)
class Party:
    """A vendor or an organization, with the roles that matter here."""

    kind: str
    email: str
    table: str
    column: str
    manager: str
    other: str


VENDOR = Party("vendors", "vendor@demo.test", "vendors.vendor_members", "vendor_id", "owner", "staff")
HOTEL = Party(
    "organizations", "hotel@demo.test", "orders.organization_members", "organization_id", "approver", "requester"
)


class Group:
    """The party's members: the demo account that manages it, and those that a test adds."""

    def __init__(self, market: TestMarket, party: Party, party_id: str, manager: AsyncClient, manager_id: str) -> None:
        self.market, self.party, self.id = market, party, party_id
        self.manager, self.manager_id = manager, manager_id
        self.path = f"/v1/{party.kind}/{party_id}/members"

    async def add(self, name: str, role: str) -> tuple[AsyncClient, str]:
        """Another member, signed in before it became one: memberships are read from the tables, not from its token."""
        user = uuid4()
        await self.market.execute(
            "INSERT INTO identity.users (id, email, name, password_hash, confirmed_at) VALUES ($1, $2, $3, 'x', now())",
            user,
            f"{name.lower()}@example.test",
            name,
        )
        await self.market.execute(
            f"INSERT INTO {self.party.table} ({self.party.column}, user_id, role) VALUES ($1, $2, $3)",
            UUID(self.id),
            user,
            role,
        )
        token = Signer.from_settings(self.market.settings).sign(Principal(user, roles=frozenset({"consumer"})))
        return self.market.client_with_token(token), str(user)

    async def roles(self) -> dict[str, str]:
        rows = await self.market.fetch(
            f"SELECT user_id::text, role FROM {self.party.table} WHERE {self.party.column} = $1", UUID(self.id)
        )
        return {row["user_id"]: row["role"] for row in rows}


def code(answer: Response) -> tuple[int, str]:
    """The status and the stable code of a problem."""
    return answer.status_code, answer.json()["code"]
