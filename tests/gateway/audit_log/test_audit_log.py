"""The audit log through the door: what is written down, by whom, who reads it, and that nobody unwrites it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from httpx import AsyncClient

from benchmarks.prove.scene import SHIP_TO
from ishop.settings import Role
from tests.markets import TestMarket


async def changes(market: TestMarket, **wanted: Any) -> list[dict[str, Any]]:
    """Every entry that the office finds, page by page."""
    office = await market.client("office@demo.test")
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = {"limit": 7} if cursor is None else {"limit": 7, "cursor": cursor}
        answer = await office.get("/v1/audit-log", params={**wanted, **page})
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return found


async def me(client: AsyncClient) -> dict[str, Any]:
    known: dict[str, Any] = (await client.get("/v1/me")).json()
    return known


async def place(market: TestMarket, method: str = "manual_transfer") -> dict[str, Any]:
    consumer = await market.client("consumer@demo.test")
    products = (await market.anonymous.get("/v1/products", params={"in_stock": True, "limit": 100})).json()["items"]
    sku = next(
        s for p in products for s in p["skus"] if s["in_stock"] and s["min_quantity"] == s["order_multiple"] == 1
    )
    order = {"lines": [{"sku_id": sku["id"], "quantity": 1}], "payment_method": method, "ship_to": SHIP_TO}
    placed = await consumer.post("/v1/orders", json=order, headers={"Idempotency-Key": str(uuid4())})
    assert placed.status_code == 201, placed.text
    answer: dict[str, Any] = placed.json()
    return answer


class TestWhatIsWritten:
    async def test_state_and_money_of_an_order_with_who_and_in_which_request(self, market: TestMarket) -> None:
        order = await place(market)
        office, consumer = await market.client("office@demo.test"), await market.client("consumer@demo.test")
        payment = {"amount": order["total"], "reference": "BNTB-1"}
        paid = await office.post(
            f"/v1/orders/{order['id']}/payments",
            json=payment,
            headers={"Idempotency-Key": "pay", "X-Request-Id": "payment-of-the-day"},
        )
        assert paid.status_code == 201, paid.text
        cancelled = await consumer.post(f"/v1/orders/{order['id']}/cancel", json={"reason": "Salah pesan"})
        assert cancelled.status_code == 200, cancelled.text

        found = await changes(market, subject_id=order["id"])
        officer, buyer = (await me(office))["id"], (await me(consumer))["id"]
        states = [(one["action"], one["actor_id"]) for one in found if one["action"].startswith("order.")]
        # The payment and what it made of the order are of one moment.
        assert (states[0], states[-1]) == (("order.cancelled", buyer), ("order.awaiting_payment", buyer))
        assert set(states[1:-1]) == {("order.payment", officer), ("order.confirmed", officer)}
        refund = next(one for one in found if one["action"] == "refunds.insert")
        assert refund["actor_id"] == buyer
        assert refund["after"]["amount"] == order["total"]["amount"]
        confirmed = next(one for one in found if one["action"] == "order.confirmed")
        assert confirmed["request_id"] == "payment-of-the-day"
        assert confirmed["before"] == {"status": "awaiting_payment"}
        assert confirmed["after"]["status"] == "confirmed"

    async def test_an_api_key_without_its_secret(self, market: TestMarket) -> None:
        vendor = await market.client("vendor@demo.test")
        who = await me(vendor)
        made = await vendor.post(
            "/v1/api-keys",
            json={"name": "Kasir", "vendor_id": who["vendors"][0]["id"], "scopes": ["stock:read"]},
        )
        assert made.status_code == 201, made.text
        key = made.json()
        assert (await vendor.delete(f"/v1/api-keys/{key['id']}")).status_code == 204
        written = await changes(market, subject_id=key["id"])
        assert [one["action"] for one in written] == ["api_keys.update", "api_keys.insert"]
        assert {one["actor_id"] for one in written} == {who["id"]}
        assert all(one["request_id"] for one in written)
        assert written[0]["before"]["revoked_at"] is None
        assert written[0]["after"]["revoked_at"] is not None
        assert set(written[0]["after"]) == {"service_account_id", "prefix", "expires_at", "replaced_at", "revoked_at"}
        assert key["key"].rpartition("_")[2] not in str(written)

    async def test_prices_certificates_rights_and_states_changed_behind_the_door(self, market: TestMarket) -> None:
        """An operator's statement is a change too; its actor is the role of the database."""
        sku, product = (await market.fetch("SELECT id, product_id FROM catalog.skus LIMIT 1"))[0]
        certificate = (await market.fetch("SELECT id FROM vendors.certificates LIMIT 1"))[0]["id"]
        vendor, member = (await market.fetch("SELECT vendor_id, user_id FROM vendors.vendor_members LIMIT 1"))[0]
        buyer = (await market.fetch("SELECT id FROM identity.users WHERE roles = '{}' LIMIT 1"))[0]["id"]
        for sql, subject in (
            ("UPDATE catalog.skus SET price = price + 1000 WHERE id = $1", sku),
            ("UPDATE catalog.products SET status = 'suspended' WHERE id = $1", product),
            ("UPDATE vendors.certificates SET revoked_at = now() WHERE id = $1", certificate),
            ("UPDATE vendors.vendors SET status = 'suspended' WHERE id = $1", vendor),
            ("UPDATE vendors.vendor_members SET role = 'staff' WHERE vendor_id = $1", vendor),
            ("UPDATE identity.users SET roles = '{office}' WHERE id = $1", buyer),
        ):
            await market.execute(sql, subject)
        await market.execute("UPDATE catalog.skus SET price = price, name = name || '!' WHERE id = $1", sku)

        price = await changes(market, subject_type="sku", subject_id=str(sku))
        assert [(one["action"], one["actor_id"], one["database_role"]) for one in price] == [
            ("skus.update", None, "ishop_migrator")
        ]
        assert price[0]["after"]["price"] == price[0]["before"]["price"] + 1000
        assert (await changes(market, subject_id=str(product)))[0]["after"] == {"status": "suspended"}
        revoked = (await changes(market, subject_type="certificate"))[0]
        assert (revoked["subject_id"], revoked["before"]["revoked_at"]) == (str(certificate), None)
        assert [one["action"] for one in await changes(market, subject_id=str(vendor))] == [
            "vendor_members.update",
            "vendors.update",
        ]
        role = (await changes(market, subject_id=str(vendor)))[0]
        assert (role["before"], role["after"]) == (
            {"user_id": str(member), "role": "owner"},
            {"user_id": str(member), "role": "staff"},
        )
        right = (await changes(market, subject_id=str(buyer)))[0]
        assert (right["before"]["roles"], right["after"]["roles"]) == ([], ["office"])
        assert "password" not in str(right)

    async def test_an_account_that_comes_or_goes_with_a_right(self, market: TestMarket) -> None:
        """Whoever holds the gateway's role cannot make an administrator unseen."""
        connection = await market.connect(Role.gateway)
        made = await connection.fetchval(
            "INSERT INTO identity.users (email, name, password_hash, roles) VALUES ('x@demo.test', 'X', '', '{admin}')"
            " RETURNING id"
        )
        await connection.execute("DELETE FROM identity.users WHERE id = $1", made)
        await connection.close()
        written = await changes(market, subject_id=str(made))
        assert [(one["action"], one["database_role"]) for one in written] == [
            ("users.delete", "ishop_gateway"),
            ("users.insert", "ishop_gateway"),
        ]
        assert written[1]["after"]["roles"] == ["admin"]

    async def test_nothing_when_a_change_is_refused_or_rolled_back(self, market: TestMarket) -> None:
        before = await changes(market)
        vendor = await market.client("vendor@demo.test")
        refused = await vendor.post("/v1/api-keys", json={"name": "x", "scopes": ["stock:read"]})
        assert refused.status_code in (403, 404, 422)
        connection = await market.connect(Role.catalog)
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("UPDATE catalog.skus SET price = price + 1")
        await transaction.rollback()
        await connection.close()
        assert await changes(market) == before

    async def test_building_a_market_is_no_change_of_one(self, market: TestMarket) -> None:
        assert await changes(market) == []

    async def test_the_next_request_on_the_same_connection_has_its_own_actor(self, market: TestMarket) -> None:
        """The actor belongs to the transaction, so parallel requests never sign for each other."""
        sellers = {who: await market.client(who) for who in ("vendor@demo.test", "vendor2@demo.test")}
        owners = {who: await me(client) for who, client in sellers.items()}
        answers = await asyncio.gather(
            *(
                sellers[who].post(
                    "/v1/api-keys",
                    json={"name": who, "vendor_id": owners[who]["vendors"][0]["id"], "scopes": ["stock:read"]},
                )
                for _ in range(4)
                for who in sellers
            )
        )
        assert {answer.status_code for answer in answers} == {201}
        made = await changes(market, subject_type="service_account")
        assert len(made) == 8
        assert all(one["actor_id"] == owners[one["after"]["name"]]["id"] for one in made)


class TestReading:
    async def test_pages_lose_and_repeat_nothing_over_all_sources(self, market: TestMarket) -> None:
        for _ in range(5):
            await place(market, "cod")
        for number in range(6):
            await market.execute("UPDATE catalog.skus SET price = price + $1", number + 1)
        found = await changes(market)
        ids = [one["id"] for one in found]
        assert len(ids) == len(set(ids))
        counted = await market.fetch(
            "SELECT (SELECT count(*) FROM orders.transitions) + (SELECT count(*) FROM orders.payments) AS kept"
        )
        skus = (await market.fetch("SELECT count(*) FROM catalog.skus"))[0]["count"]
        assert len(ids) == counted[0]["kept"] + 6 * skus

    async def test_filters(self, market: TestMarket) -> None:
        order = await place(market)
        buyer = (await me(await market.client("consumer@demo.test")))["id"]
        assert {one["actor_id"] for one in await changes(market, actor_id=buyer)} == {buyer}
        assert {one["subject_type"] for one in await changes(market, subject_type="order")} == {"order"}
        parts = await changes(market, subject_id=order["id"])
        assert {one["subject_type"] for one in parts} == {"order", "vendor_order"}
        soon, before = datetime.now(UTC) + timedelta(hours=1), datetime.now(UTC) - timedelta(hours=1)
        assert await changes(market, since=soon.isoformat()) == []
        assert await changes(market, until=before.isoformat()) == []
        assert len(await changes(market, since=before.isoformat(), until=soon.isoformat())) >= 2
        assert await changes(market, subject_id=str(uuid4())) == []

    async def test_one_statement(self, market: TestMarket) -> None:
        await place(market)
        office = await market.client("office@demo.test")
        with market.count_queries() as statements:
            assert (await office.get("/v1/audit-log")).status_code == 200
        assert len(statements) == 1

    async def test_invalid_when_a_filter_is(self, shared_market: TestMarket) -> None:
        office = await shared_market.client("office@demo.test")
        for wrong in ({"subject_type": "cat"}, {"actor_id": "me"}, {"since": "yesterday"}, {"cursor": "x"}, {"q": "x"}):
            answer = await office.get("/v1/audit-log", params=wrong)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), wrong

    async def test_an_index_under_every_filter(self, market: TestMarket) -> None:
        """The planner reads no source whole, however few rows the table of a test has."""
        connection = await market.connect(Role.migrator)
        await connection.execute("SET enable_seqscan = off")
        for condition, index in (
            ("subject_id = 'x' ORDER BY id DESC LIMIT 50", "ix_audit_log_subject_id"),
            (f"actor_id = '{uuid4()}' ORDER BY id DESC LIMIT 50", "ix_audit_log_actor_id"),
            ("id < 100 ORDER BY id DESC LIMIT 50", "pk_audit_log"),
        ):
            plan = await connection.fetch(f"EXPLAIN SELECT * FROM ops.audit_log WHERE {condition}")
            assert index in "\n".join(row[0] for row in plan)
        order = uuid4()
        for condition, index in (
            (f"order_id = '{order}' OR vendor_order_id = '{order}'", "ix_transitions_vendor_order_id"),
            ("created_at >= now() - interval '1 day'", "ix_transitions_created_at"),
        ):
            plan = await connection.fetch(f"EXPLAIN SELECT * FROM orders.transitions WHERE {condition}")
            assert index in "\n".join(row[0] for row in plan)
        await connection.close()


class TestAppendOnly:
    @pytest.mark.parametrize("role", list(Role))
    async def test_nobody_unwrites_it(self, market: TestMarket, role: Role) -> None:
        await market.execute("UPDATE catalog.skus SET price = price + 1")
        before = await changes(market)
        connection = await market.connect(role)
        for statement in (
            "UPDATE orders.transitions SET actor_id = NULL",
            "DELETE FROM orders.payments",
            "DELETE FROM ops.audit_log",
            "UPDATE ops.audit_log SET actor_id = NULL",
            "TRUNCATE ops.audit_log",
            "INSERT INTO ops.audit_log (database_role, action, subject_type, subject_id) VALUES ('x', 'x', 'x', 'x')",
        ):
            if role is Role.migrator and statement.startswith("INSERT"):
                continue  # It owns everything, and what it adds bears its name.
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        await connection.close()
        assert await changes(market) == before
