"""The demo accounts, one for every role; their password is public, so they exist in development only."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg
from pwdlib import PasswordHash

from demo.chance import Dice
from ishop.clock import now
from ishop.home import StartupError
from ishop.settings import Environment, get_settings

PASSWORD: Final = "ishop-demo"  # noqa: S105 - the public password of the demo accounts

CONSUMER: Final = "consumer@demo.test"
HOTEL: Final = "hotel@demo.test"
VENDOR: Final = "vendor@demo.test"
SECOND_VENDOR: Final = "vendor2@demo.test"
OFFICE: Final = "office@demo.test"
ADMIN: Final = "admin@demo.test"

ORGANIZATION_ID: Final = Dice(0, "organization", 1).uuid()
ORGANIZATION_SLUG: Final = "hotel-senggigi-demo"
ORGANIZATION_NAME: Final = "Hotel Senggigi Demo"
ORGANIZATION_REGION: Final = "52.01"
TERMS_DAYS: Final = 30

SHARED_GOODS: Final = "gula-aren-cetak"
"""What both demo vendors sell, so that one order of it can go to two vendors."""


class DemoAccountsRefused(StartupError):
    """Demo accounts are for development; their password is known to everybody."""


@dataclass(frozen=True, slots=True)
class Account:
    """Someone who can sign in; `number` fixes the id."""

    number: int
    email: str
    name: str
    roles: tuple[str, ...] = ()

    @property
    def id(self) -> UUID:
        """The same in every demo market."""
        return Dice(0, "account", self.number).uuid()


ACCOUNTS: Final = (
    Account(1, CONSUMER, "Dewi Konsumen"),
    Account(2, HOTEL, "Made Pembelian"),
    Account(3, VENDOR, "Lalu Koperasi"),
    Account(4, SECOND_VENDOR, "Baiq Produsen"),
    Account(5, OFFICE, "Petugas Dinas", ("office",)),
    Account(6, ADMIN, "Admin i-Shop", ("admin",)),
)


async def create_accounts(connection: asyncpg.Connection) -> None:
    """Make the demo accounts in a demo market, as the migrator; what is there already stays as it is.

    Raises DemoAccountsRefused outside development, or where the market has no two vendors to give them.
    """
    if get_settings().env is not Environment.development:
        raise DemoAccountsRefused("Demo accounts are made in development only (ISHOP_ENV).")
    accounts = {account.email: account.id for account in ACCOUNTS}
    async with connection.transaction():
        first, second = await _two_vendors(connection)
        await _create_users(connection)
        await connection.executemany(
            "INSERT INTO vendors.vendor_members (vendor_id, user_id, role) VALUES ($1, $2, 'owner') "
            "ON CONFLICT DO NOTHING",
            [(first, accounts[VENDOR]), (second, accounts[SECOND_VENDOR])],
        )
        await _create_organization(connection, accounts[HOTEL])


async def _two_vendors(connection: asyncpg.Connection) -> tuple[UUID, UUID]:
    """The vendor with the most skus, and another one that sells the shared goods."""
    first = await connection.fetchval(
        "SELECT vendor_id FROM vendors.stock GROUP BY vendor_id ORDER BY count(*) DESC, vendor_id LIMIT 1"
    )
    second = await connection.fetchval(
        "SELECT p.vendor_id FROM catalog.products p JOIN catalog.commodities c ON c.id = p.commodity_id "
        "WHERE c.slug = $1 AND p.status = 'published' AND p.vendor_id <> $2 ORDER BY p.vendor_id LIMIT 1",
        SHARED_GOODS,
        first,
    )
    if second is None:
        raise DemoAccountsRefused(f"This market has no two vendors of {SHARED_GOODS}; build the demo market first.")
    return first, second


async def _create_users(connection: asyncpg.Connection) -> None:
    password_hash = PasswordHash.recommended().hash(PASSWORD)
    confirmed_at = now()
    await connection.executemany(
        "INSERT INTO identity.users (id, email, name, password_hash, roles, confirmed_at) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        [(one.id, one.email, one.name, password_hash, one.roles, confirmed_at) for one in ACCOUNTS],
    )


async def _create_organization(connection: asyncpg.Connection, buyer: UUID) -> None:
    """The hotel, which may pay later, with one member who may order for it."""
    await connection.execute(
        "INSERT INTO orders.organizations (id, slug, name, kind, region_code, terms_days) "
        "VALUES ($1, $2, $3, 'hotel', $4, $5) ON CONFLICT DO NOTHING",
        ORGANIZATION_ID,
        ORGANIZATION_SLUG,
        ORGANIZATION_NAME,
        ORGANIZATION_REGION,
        TERMS_DAYS,
    )
    await connection.execute(
        "INSERT INTO orders.organization_members (organization_id, user_id, role) VALUES ($1, $2, 'approver') "
        "ON CONFLICT DO NOTHING",
        ORGANIZATION_ID,
        buyer,
    )
