"""POST /v1/orders."""

import re
from datetime import date, datetime, timedelta
from uuid import uuid4

import pytest

from ishop.settings import Role
from services.orders.lifecycle.schemas import OrderRead
from services.orders.placement.service import order_number
from tests.orders.shops import SHIP_TO, Shop, key_header, order_body, rupiah


class TestPlace:
    async def test_splits_the_order_by_vendor_and_takes_the_stock(self, shop: Shop) -> None:
        sku = await shop.add_sku(10_000, weight=700)
        other = await shop.add_sku(25_000, vendor=shop.second, stock=5)
        answer = await shop.post_order(shop.consumer, [(other, 5), (sku, 2)])
        assert answer.status_code == 201, answer.text
        order = answer.json()
        assert answer.headers["location"] == f"/v1/orders/{order['id']}"
        assert answer.headers["etag"] == '"1"'
        assert order["status"] == "confirmed"
        assert order["number"].startswith("ORD-")
        assert [line["sku_id"] for line in order["lines"]] == [str(other), str(sku)]
        assert [line["unit_price"] for line in order["lines"]] == [rupiah(25_000), rupiah(10_000)]
        assert [part["vendor_id"] for part in order["vendor_orders"]] == [str(shop.second.id), str(shop.first.id)]
        # 5 kg from Bima to Mataram at 28,000; 1.4 kg, so two, within Lombok at 10,000.
        assert [part["shipping"] for part in order["vendor_orders"]] == [rupiah(140_000), rupiah(20_000)]
        assert [part["total"] for part in order["vendor_orders"]] == [rupiah(265_000), rupiah(40_000)]
        assert order["subtotal"] == rupiah(145_000)
        assert order["shipping"] == rupiah(160_000)
        assert order["tax"] == rupiah(0)
        assert order["total"] == order["original_total"] == order["due"] == rupiah(305_000)
        assert order["paid"] == order["refund_due"] == rupiah(0)
        assert order["ship_to"] == SHIP_TO
        assert await shop.level(sku) == (100, 2)
        assert await shop.level(other) == (5, 5)
        assert await shop.broken() == []

    async def test_answers_what_the_model_describes_and_what_is_read_later(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        order = await shop.order([(sku, 1), (await shop.add_sku(vendor=shop.second), 1)])
        OrderRead.model_validate_json(OrderRead.model_validate(order).model_dump_json())
        read = await shop.read(order)
        assert len(read.pop("history")) == 3
        assert read == order

    async def test_charges_the_tax_of_each_line_when_the_vendor_is_pkp(self, shop: Shop) -> None:
        pkp = await shop.add_vendor("Minyak Jaya", pkp=True)
        lines = [(await shop.add_sku(amount, vendor=pkp), 1) for amount in (100_000, 17_000, 85_000, 1_234_567)]
        order = await shop.order([*lines, (await shop.add_sku(50_000), 1)])
        assert [line["tax"]["amount"] for line in order["lines"]] == [11_000, 1870, 9350, 135_802, 0]
        assert order["tax"] == rupiah(158_022)
        assert order["total"]["amount"] == order["subtotal"]["amount"] + order["shipping"]["amount"] + 158_022
        assert await shop.broken() == []

    async def test_takes_the_tax_and_freight_that_are_in_force_today(self, shop: Shop) -> None:
        pkp = await shop.add_vendor("Minyak Jaya", pkp=True)
        sku = await shop.add_sku(100_000, vendor=pkp)
        yesterday, tomorrow = date.today() - timedelta(2), date.today() + timedelta(2)  # noqa: DTZ011 - two days are more than any zone.
        await shop.fetch("UPDATE orders.tax_rates SET valid_until = $1", yesterday)
        await shop.fetch("INSERT INTO orders.tax_rates VALUES ('PPN', 1, 1, 10, $1, NULL, 'test')", yesterday)
        await shop.fetch("INSERT INTO orders.tax_rates VALUES ('PPN', 1, 1, 50, $1, NULL, 'test')", tomorrow)
        await shop.fetch(
            "INSERT INTO orders.shipping_rates VALUES ('lombok', 'lombok', 7000, 1, 1, $1, NULL, 'test')", yesterday
        )
        order = await shop.order([(sku, 1)])
        assert order["tax"] == rupiah(10_000)
        assert order["shipping"] == rupiah(7000)

    @pytest.mark.parametrize(
        ("vendor_region", "region", "shipping"),
        [
            ("52.01", "52.01", 9000),
            ("52.01", "52.01.05", 9000),
            ("52.01", "52.01.05.2003", 9000),
            ("52.01", "52.71", 10_000),
            ("52.04", "52.71", 23_000),
            ("52.72", "52.05", 10_000),
            ("52.01", "51.71", 20_000),
            ("52.06", "35.78", 32_000),
            ("52.01", "12.71", 45_000),
        ],
    )
    async def test_ships_from_zone_to_zone(self, shop: Shop, vendor_region: str, region: str, shipping: int) -> None:
        vendor = await shop.add_vendor("Penjual", region=vendor_region)
        order = await shop.order([(await shop.add_sku(vendor=vendor), 1)], ship_to={**SHIP_TO, "region_code": region})
        assert order["shipping"] == rupiah(shipping)

    async def test_sums_lines_of_the_same_sku(self, shop: Shop) -> None:
        sku = await shop.add_sku(10_000, tiers={10: 9000}, multiple=5, minimum=10)
        order = await shop.order([(sku, 6), (sku, 4)])
        assert [(line["sku_id"], line["quantity"], line["unit_price"]) for line in order["lines"]] == [
            (str(sku), 10, rupiah(9000))
        ]
        assert await shop.level(sku) == (100, 10)

    async def test_waits_for_the_payment_of_a_transfer(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(), 1)], payment_method="manual_transfer")
        assert order["status"] == "awaiting_payment"
        window = datetime.fromisoformat(order["expires_at"]) - datetime.fromisoformat(order["created_at"])
        assert window == timedelta(hours=24)
        assert order["vendor_orders"][0]["accept_by"] is None

    async def test_gives_vendors_48_hours_when_confirmed_at_once(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(), 1)])
        window = datetime.fromisoformat(order["vendor_orders"][0]["accept_by"]) - datetime.fromisoformat(
            order["created_at"]
        )
        assert order["expires_at"] is None
        assert window == timedelta(hours=48)

    async def test_names_the_goods_in_the_language_of_the_buyer(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        for language, name in (("en", "Sugar"), ("id", "Gula")):
            answer = await shop.consumer.post(
                "/v1/orders", json=order_body([(sku, 1)]), headers={**key_header(), "Accept-Language": language}
            )
            assert answer.json()["lines"][0]["name"].startswith(name)
            assert answer.headers["content-language"] == language

    async def test_is_refused_with_the_new_total_when_another_was_expected(self, shop: Shop) -> None:
        sku = await shop.add_sku(10_000)
        before = await shop.everything()
        answer = await shop.post_order(shop.consumer, [(sku, 1)], expected_total=rupiah(19_000))
        assert answer.status_code == 409
        assert answer.json()["code"] == "total_changed"
        assert answer.json()["errors"][0]["total"] == rupiah(20_000)
        assert await shop.everything() == before
        assert (await shop.post_order(shop.consumer, [(sku, 1)], expected_total=rupiah(20_000))).status_code == 201

    async def test_names_each_short_line_and_takes_nothing(self, shop: Shop) -> None:
        plenty = await shop.add_sku(stock=100)
        few, none = await shop.add_sku(stock=3), await shop.add_sku(vendor=shop.second, stock=0)
        before = await shop.everything()
        answer = await shop.post_order(shop.consumer, [(plenty, 1), (few, 2), (none, 1), (few, 2)])
        assert answer.status_code == 409
        problem = answer.json()
        assert problem["code"] == "insufficient_stock"
        code = {"code": "insufficient_stock"}
        assert problem["errors"] == [
            {"pointer": "/lines/1", "sku_id": str(few), "requested": 4, "available": 3, **code},
            {"pointer": "/lines/2", "sku_id": str(none), "requested": 1, "available": 0, **code},
        ]
        assert await shop.everything() == before

    async def test_is_refused_for_one_short_line(self, shop: Shop) -> None:
        sku = await shop.add_sku(stock=3)
        answer = await shop.post_order(shop.consumer, [(sku, 4)])
        assert answer.status_code == 409
        assert answer.json()["errors"][0]["pointer"] == "/lines/0"
        assert answer.json()["errors"][0]["available"] == 3
        assert await shop.level(sku) == (3, 0)

    async def test_is_refused_when_a_certificate_ends_before_delivery(self, shop: Shop) -> None:
        good, bad = await shop.add_vendor("Bersertifikat"), await shop.add_vendor("Kedaluwarsa")
        today = date.today()  # noqa: DTZ011 - the days around it are left out.
        await shop.add_certificate(good, "PIRT", today + timedelta(30))
        await shop.add_certificate(bad, "PIRT", today + timedelta(1))
        fine = await shop.add_sku(vendor=good, rules=["PIRT|BPOM_MD"])
        late = await shop.add_sku(vendor=bad, rules=["PIRT|BPOM_MD"])
        missing = await shop.add_sku(vendor=good, rules=["HALAL"])
        before = await shop.everything()
        answer = await shop.post_order(shop.consumer, [(fine, 1), (late, 1), (missing, 1)])
        assert answer.status_code == 409
        assert answer.json()["code"] == "certificate_expired"
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/lines/1", "/lines/2"]
        assert await shop.everything() == before
        assert (await shop.post_order(shop.consumer, [(fine, 1)])).status_code == 201

    @pytest.mark.parametrize("what", ["product", "vendor", "sku", "nothing"])
    async def test_knows_only_what_is_for_sale(self, shop: Shop, what: str) -> None:
        closed = await shop.add_vendor("Tutup", status="suspended")
        sku = {
            "product": await shop.add_sku(status="draft"),
            "vendor": await shop.add_sku(vendor=closed),
            "sku": await shop.add_sku(),
            "nothing": uuid4(),
        }[what]
        if what == "sku":
            await shop.fetch("UPDATE catalog.skus SET active = false WHERE id = $1", sku)
        fine = await shop.add_sku()
        before = await shop.everything()
        answer = await shop.post_order(shop.consumer, [(fine, 1), (sku, 1)])
        assert answer.status_code == 422
        assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [("/lines/1/sku_id", "unknown_sku")]
        assert await shop.everything() == before


class TestTerms:
    async def test_are_confirmed_at_once_for_an_organization_that_has_them(self, shop: Shop) -> None:
        order = await shop.order(
            [(await shop.add_sku(), 1)],
            client=shop.requester,
            payment_method="terms",
            organization_id=str(shop.hotel),
        )
        assert (order["status"], order["payment_method"]) == ("confirmed", "terms")
        assert order["organization_id"] == str(shop.hotel)

    @pytest.mark.parametrize("who", ["consumer", "rival_hotel", "unconfirmed"])
    async def test_are_refused_to_everybody_else(self, shop: Shop, who: str) -> None:
        organization = {"consumer": None, "rival_hotel": str(shop.other_hotel), "unconfirmed": str(shop.hotel)}[who]
        sku = await shop.add_sku()
        before = await shop.everything()
        answer = await shop.post_order(
            getattr(shop, who), [(sku, 1)], payment_method="terms", organization_id=organization
        )
        assert answer.status_code == 422
        error = answer.json()["errors"][0]
        assert (error["pointer"], error["code"]) == ("/payment_method", "terms_not_allowed")
        assert await shop.everything() == before

    async def test_an_unconfirmed_member_may_pay_at_once(self, shop: Shop) -> None:
        order = await shop.order([(await shop.add_sku(), 1)], shop.unconfirmed, organization_id=str(shop.hotel))
        assert order["status"] == "confirmed"


class TestKey:
    async def test_gives_the_first_answer_again(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        first = await shop.post_order(shop.consumer, [(sku, 1)], key="one")
        again = await shop.post_order(shop.consumer, [(sku, 1)], key="one")
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.content == first.content
        assert again.headers["idempotency-replayed"] == "true"
        for header in ("location", "etag", "content-language"):
            assert again.headers[header] == first.headers[header]
        assert await shop.level(sku) == (100, 1)

    async def test_is_refused_with_another_body(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        await shop.post_order(shop.consumer, [(sku, 1)], key="one")
        before = await shop.everything()
        answer = await shop.post_order(shop.consumer, [(sku, 2)], key="one")
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
        assert await shop.everything() == before

    @pytest.mark.parametrize("now", ["sold out", "not for sale", "dearer"])
    async def test_gives_the_first_answer_again_when_it_would_be_refused_now(self, shop: Shop, now: str) -> None:
        sku = await shop.add_sku(10_000, stock=1)
        expecting = {"expected_total": rupiah(20_000)}
        first = await shop.post_order(shop.consumer, [(sku, 1)], key="one", **expecting)
        assert first.status_code == 201
        if now == "not for sale":
            await shop.fetch("UPDATE catalog.skus SET active = false WHERE id = $1", sku)
        if now == "dearer":
            await shop.fetch("UPDATE catalog.skus SET price = 11000 WHERE id = $1", sku)
            await shop.fetch("UPDATE vendors.stock SET on_hand = 5")
        before = await shop.everything()
        again = await shop.post_order(shop.consumer, [(sku, 1)], key="one", **expecting)
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["idempotency-replayed"] == "true"
        assert await shop.everything() == before

    @pytest.mark.parametrize("quantity", [2, 200, 0])
    async def test_is_refused_with_another_body_whatever_is_wrong_with_that(self, shop: Shop, quantity: int) -> None:
        sku = await shop.add_sku()
        await shop.post_order(shop.consumer, [(sku, 1)], key="one")
        answer = await shop.post_order(shop.consumer, [(sku, quantity)], key="one")
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")

    async def test_belongs_to_its_caller(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        one = await shop.order([(sku, 1)], key="one")
        other = await shop.order([(sku, 1)], shop.stranger, key="one")
        assert one["id"] != other["id"]

    async def test_is_free_again_after_a_refusal(self, shop: Shop) -> None:
        sku = await shop.add_sku(stock=0)
        assert (await shop.post_order(shop.consumer, [(sku, 1)], key="one")).status_code == 409
        await shop.fetch("UPDATE vendors.stock SET on_hand = 5")
        assert (await shop.post_order(shop.consumer, [(sku, 1)], key="one")).status_code == 201

    async def test_is_required(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        answer = await shop.consumer.post("/v1/orders", json=order_body([(sku, 1)]))
        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")
        assert await shop.level(sku) == (100, 0)


class TestUnavailable:
    async def test_answers_503_when_the_stock_is_locked_too_long(self, shop: Shop) -> None:
        sku = await shop.add_sku()
        before = await shop.everything()
        holder = await shop.database.connect(Role.migrator)
        # Nobody else uses the service, so this is the connection that the order is placed on.
        await shop.app.state.database.fetch_rows("SET lock_timeout = '300ms'")
        try:
            async with holder.transaction():
                await holder.execute("SELECT 1 FROM vendors.stock WHERE sku_id = $1 FOR UPDATE", sku)
                answer = await shop.post_order(shop.consumer, [(sku, 1)])
        finally:
            await holder.close()
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert await shop.everything() == before

    async def test_answers_409_when_the_last_line_of_defence_holds(self, shop: Shop) -> None:
        sku, other = await shop.add_sku(), await shop.add_sku()
        await shop.fetch("ALTER TABLE vendors.stock ADD CONSTRAINT ck_stock_test CHECK (reserved < 3)")
        before = await shop.everything()
        for lines in ([(sku, 3)], [(sku, 3), (other, 1)]):
            answer = await shop.post_order(shop.consumer, lines)
            assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_stock")
        assert await shop.everything() == before


def test_order_numbers_are_readable_and_random() -> None:
    numbers = {order_number() for _ in range(1000)}
    assert len(numbers) == 1000
    assert all(re.fullmatch("ORD(-[0-9A-HJKMNP-TV-Z]{4}){3}", number) for number in numbers)
