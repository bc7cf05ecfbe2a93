"""The build: what is in the database after it, what it refuses, what it does with an interrupted one."""

from collections.abc import AsyncIterator
from datetime import date

import asyncpg
import pytest

from demo.accounts import ACCOUNTS, create_accounts
from demo.market import BUILD_LOCK, ONE_TRANSACTION, MarketRefused, build_market
from demo.material import Material
from ishop.settings import Role
from tests.databases import TestDatabase

SMALL = {"vendors": 12, "products": 130}


def today() -> date:
    """The database's day, for which documents are composed; a run of the tests may well go past midnight."""
    return date.today()  # noqa: DTZ011 - the database runs in this zone.


def silent(_phase: str, _done: int, _total: int) -> None:
    """Nobody watches."""


@pytest.fixture
async def connection(empty_database: TestDatabase) -> AsyncIterator[asyncpg.Connection]:
    connection = await empty_database.connect(Role.migrator)
    yield connection
    await connection.close()


class TestStandardMarket:
    async def test_it_holds_what_is_promised(
        self, empty_database: TestDatabase, connection: asyncpg.Connection
    ) -> None:
        phases: list[tuple[str, int, int]] = []
        summary = await build_market(
            empty_database.dsn(Role.migrator), today=today(), progress=lambda *step: phases.append(step)
        )
        assert (summary.vendors, summary.workers, summary.products) == (453, 2_858, 1_600)
        assert phases[-1] == ("statistics", 1, 1)
        assert ("products", 1_600, 1_600) in phases

        async def value(sql: str) -> object:
            return await connection.fetchval(sql)

        assert await value("SELECT count(*) FROM catalog.products") == 1_600
        assert await value("SELECT count(*) FROM catalog.skus") == summary.skus >= 3_000
        assert await value("SELECT count(*) FROM vendors.certificates") == summary.certificates
        assert await value("SELECT count(DISTINCT commodity_id) FROM catalog.products") == 89
        assert await value("SELECT count(*) FROM catalog.categories") == 20
        assert await value("SELECT count(*) FROM catalog.synonym_groups") == len(Material.load().synonyms)
        assert await value("SELECT count(DISTINCT region_code) FROM vendors.vendors") == 10
        assert await value("SELECT sum(workers) FROM vendors.cohorts") == 2_858
        assert await value("SELECT sum(workers) FROM vendors.vendors") == 2_858 - 910
        assert await value("SELECT count(*) FROM vendors.vendors WHERE workers IS NULL") == 74

    async def test_producers_per_commodity_are_those_of_the_source(
        self, empty_database: TestDatabase, connection: asyncpg.Connection
    ) -> None:
        await build_market(empty_database.dsn(Role.migrator), today=today(), progress=silent)
        rows = await connection.fetch("""
            SELECT c.slug, count(*) AS vendors
            FROM (SELECT DISTINCT ON (vendor_id) vendor_id, commodity_id FROM catalog.products ORDER BY vendor_id, id) p
            JOIN catalog.commodities c ON c.id = p.commodity_id GROUP BY c.slug
        """)
        main = {row["slug"]: row["vendors"] for row in rows}
        assert main["minyak-goreng-kelapa"] == 55
        assert sum(main[slug] for slug in main if slug.startswith("susu-kedelai-")) == 138
        assert (main["teh-kelor"], main["serbat-jahe"], main["gula-semut"]) == (35, 22, 17)
        assert main["tas-kemasan-spunbond"] == 66
        assert main["minyak-cengkeh"] + main["minyak-kayu-putih"] == 120

    async def test_stock_equals_its_movements_and_documents_are_complete(
        self, empty_database: TestDatabase, connection: asyncpg.Connection
    ) -> None:
        await build_market(empty_database.dsn(Role.migrator), today=today(), progress=silent)
        wrong = await connection.fetch("""
            SELECT s.sku_id FROM vendors.stock s LEFT JOIN vendors.stock_movements m ON m.sku_id = s.sku_id
            GROUP BY s.sku_id HAVING s.on_hand <> sum(m.on_hand_change) OR s.reserved <> sum(m.reserved_change)
        """)
        assert wrong == []
        assert await connection.fetchval("SELECT count(*) FROM catalog.product_documents") == 1_600
        offers = await connection.fetch("SELECT vendor_id, certified_until FROM catalog.offers_v1")
        stopped = {row["vendor_id"] for row in offers if row["certified_until"] is None}
        largest = await connection.fetchval(
            "SELECT vendor_id FROM vendors.stock GROUP BY vendor_id ORDER BY count(*) DESC LIMIT 1"
        )
        assert all(row["certified_until"] >= today() for row in offers if row["vendor_id"] not in stopped)
        assert 3 <= len(stopped) <= 10
        assert largest not in stopped

    async def test_places_are_those_of_the_reference_data(self, connection: asyncpg.Connection) -> None:
        rows = await connection.fetch("SELECT code, name, latitude, longitude FROM catalog.regions")
        places = Material.load().places.values()
        assert {tuple(row) for row in rows} == {
            (place.code, place.name, place.latitude, place.longitude) for place in places
        }


class TestRefusal:
    async def test_a_database_with_a_market_is_refused_and_left_alone(
        self, empty_database: TestDatabase, connection: asyncpg.Connection
    ) -> None:
        dsn = empty_database.dsn(Role.migrator)
        await build_market(dsn, **SMALL, today=today(), progress=silent)
        with pytest.raises(MarketRefused, match="needs an empty one"):
            await build_market(dsn, **SMALL, today=today(), progress=silent)
        assert await connection.fetchval("SELECT count(*) FROM vendors.vendors") == SMALL["vendors"]

    async def test_a_failed_small_build_leaves_nothing(
        self, empty_database: TestDatabase, connection: asyncpg.Connection
    ) -> None:
        await fail_at(empty_database, products=130, done=130)
        assert await connection.fetchval("SELECT count(*) FROM vendors.vendors") == 0

    async def test_an_interrupted_large_build_is_taken_away_by_the_next(
        self, empty_database: TestDatabase, connection: asyncpg.Connection
    ) -> None:
        indexes = "SELECT indexname FROM pg_indexes WHERE tablename = 'product_documents' ORDER BY 1"
        made_by_revisions = await connection.fetch(indexes)
        await fail_at(empty_database, products=ONE_TRANSACTION + 1, done=6_000)
        assert await connection.fetchval("SELECT count(*) FROM catalog.products") > 0
        assert await connection.fetch(indexes) != made_by_revisions
        await build_market(empty_database.dsn(Role.migrator), **SMALL, today=today(), progress=silent)
        assert await connection.fetchval("SELECT count(*) FROM catalog.products") == SMALL["products"]
        assert await connection.fetchval("SELECT count(*) FROM vendors.cohorts") == 5
        assert await connection.fetch(indexes) == made_by_revisions

    async def test_two_builds_at_once_are_one(self, empty_database: TestDatabase) -> None:
        dsn = empty_database.dsn(Role.migrator)
        other = await asyncpg.connect(dsn)
        await other.execute("SELECT pg_advisory_lock($1)", BUILD_LOCK)
        with pytest.raises(MarketRefused, match="Another build"):
            await build_market(dsn, **SMALL, today=today(), progress=silent)
        await other.close()


class Stop(Exception):
    """Somebody pressed Ctrl-C."""


async def fail_at(database: TestDatabase, *, products: int, done: int) -> None:
    """Begin a build and stop it once so many products are written."""

    def stop(phase: str, now_done: int, _total: int) -> None:
        if phase == "products" and now_done >= done:
            raise Stop

    with pytest.RaisesGroup(Stop, allow_unwrapped=True, flatten_subgroups=True):
        await build_market(database.dsn(Role.migrator), vendors=12, products=products, today=today(), progress=stop)


class TestAccounts:
    async def test_each_role_has_its_account(
        self, empty_database: TestDatabase, connection: asyncpg.Connection
    ) -> None:
        await build_market(empty_database.dsn(Role.migrator), **SMALL, today=today(), progress=silent)
        await create_accounts(connection)
        await create_accounts(connection)
        users = {row["email"]: row for row in await connection.fetch("SELECT * FROM identity.users")}
        assert users.keys() == {account.email for account in ACCOUNTS}
        assert all(row["confirmed_at"] for row in users.values())
        assert {email: row["roles"] for email, row in users.items() if row["roles"]} == {
            "office@demo.test": ["office"],
            "admin@demo.test": ["admin"],
        }
        members = await connection.fetch(
            "SELECT user_id, vendor_id, (SELECT count(*) FROM vendors.stock s WHERE s.vendor_id = m.vendor_id) AS skus "
            "FROM vendors.vendor_members m WHERE role = 'owner'"
        )
        vendors = {row["user_id"]: row for row in members}
        assert vendors[users["vendor@demo.test"]["id"]]["skus"] >= 250
        assert (
            vendors[users["vendor2@demo.test"]["id"]]["vendor_id"]
            != vendors[users["vendor@demo.test"]["id"]]["vendor_id"]
        )
        hotel = await connection.fetchrow(
            "SELECT * FROM orders.memberships_v1 JOIN orders.organizations o ON o.id = organization_id"
        )
        assert (hotel["user_id"], hotel["role"], hotel["kind"]) == (users["hotel@demo.test"]["id"], "approver", "hotel")
        assert hotel["terms_days"] == 30
