"""GET /v1/stock, /v1/stock/{sku_id} and its movements."""

from uuid import UUID, uuid4

from ishop.auth import Principal
from tests.vendors.stalls import Stall


class TestGet:
    async def test_shows_the_stock_when_the_caller_is_of_the_vendor(self, stall: Stall) -> None:
        sku = await stall.add_stock(40)
        await stall.reserve(uuid4(), [(sku, 3)])
        answer = await stall.staff.get(f"/v1/stock/{sku}")
        assert answer.status_code == 200
        assert answer.json() == {
            "sku_id": str(sku),
            "on_hand": 40,
            "reserved": 3,
            "available": 37,
            "shortfall": 0,
            "version": 1,
        }

    async def test_is_422_when_the_id_is_none(self, stall: Stall) -> None:
        answer = await stall.owner.get("/v1/stock/nonsense")
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/sku_id")


class TestListOwn:
    async def test_shows_only_the_skus_of_the_callers_vendors_in_order(self, stall: Stall) -> None:
        own = [await stall.add_stock(number) for number in range(5)]
        await stall.add_stock(9, stall.other)
        answer = await stall.owner.get("/v1/stock")
        assert [item["sku_id"] for item in answer.json()["items"]] == [str(sku) for sku in sorted(own)]
        assert answer.json()["next_cursor"] is None

    async def test_goes_on_behind_the_cursor(self, stall: Stall) -> None:
        own = sorted([await stall.add_stock(number) for number in range(5)])
        seen: list[str] = []
        cursor: dict[str, str] = {}
        for _ in range(3):
            page = (await stall.owner.get("/v1/stock", params={"limit": 2, **cursor})).json()
            seen += [item["sku_id"] for item in page["items"]]
            cursor = {"cursor": page["next_cursor"]}
        assert cursor == {"cursor": None}
        assert seen == [str(sku) for sku in own]

    async def test_is_one_query(self, stall: Stall) -> None:
        for number in range(5):
            await stall.add_stock(number)
        with stall.count_queries() as statements:
            await stall.owner.get("/v1/stock")
        assert len(statements) == 1

    async def test_shows_one_vendor_when_asked_for_it(self, stall: Stall) -> None:
        both = stall.client(Principal(UUID(int=9), vendors={stall.own: "staff", stall.other: "staff"}))
        own, other = await stall.add_stock(1), await stall.add_stock(2, stall.other)
        everything = await both.get("/v1/stock")
        assert {item["sku_id"] for item in everything.json()["items"]} == {str(own), str(other)}
        answer = await both.get("/v1/stock", params={"vendor": str(stall.other)})
        assert [item["sku_id"] for item in answer.json()["items"]] == [str(other)]

    async def test_is_422_when_the_cursor_is_of_another_list(self, stall: Stall) -> None:
        skus = [await stall.add_stock(1) for _ in range(2)]
        own = (await stall.owner.get("/v1/stock", params={"limit": 1})).json()["next_cursor"]
        for address, parameters in (
            ("/v1/stock", {"vendor": str(stall.own), "cursor": own}),
            (f"/v1/stock/{skus[0]}/movements", {"cursor": own}),
            ("/v1/stock", {"cursor": own[:-2]}),
            ("/v1/stock", {"cursor": "\u00e9"}),
        ):
            answer = await stall.owner.get(address, params=parameters)
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "invalid_cursor")

    async def test_is_422_when_a_parameter_is_unknown_or_out_of_bounds(self, stall: Stall) -> None:
        for parameters, code in (
            ({"nonsense": "1"}, "unknown_parameter"),
            ({"limit": "0"}, "greater_than_equal"),
            ({"limit": "101"}, "less_than_equal"),
            ({"vendor": "x"}, "uuid_parsing"),
        ):
            answer = await stall.owner.get("/v1/stock", params=parameters)
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)


class TestListMovements:
    async def test_shows_the_newest_first(self, stall: Stall) -> None:
        sku, order = await stall.add_stock(10), uuid4()
        await stall.reserve(order, [(sku, 4)])
        body = {"delta": -1, "device_id": "phone", "sequence": 5, "reason": "broken"}
        await stall.owner.patch(f"/v1/stock/{sku}", json=body)
        answer = await stall.owner.get(f"/v1/stock/{sku}/movements")
        assert answer.status_code == 200
        delta, reserve, opening = answer.json()["items"]
        assert (delta["kind"], delta["on_hand_change"], delta["reserved_change"]) == ("delta", -1, 0)
        assert (delta["device_id"], delta["sequence"], delta["reason"]) == ("phone", 5, "broken")
        assert (reserve["kind"], reserve["reserved_change"], reserve["vendor_order_id"]) == ("reserve", 4, str(order))
        assert (opening["kind"], opening["on_hand_change"]) == ("opening", 10)

    async def test_goes_on_behind_the_cursor(self, stall: Stall) -> None:
        sku = await stall.add_stock(10)
        for sequence in range(4):
            body = {"delta": -1, "device_id": "phone", "sequence": sequence}
            await stall.owner.patch(f"/v1/stock/{sku}", json=body)
        first = (await stall.owner.get(f"/v1/stock/{sku}/movements", params={"limit": 3})).json()
        rest = await stall.owner.get(f"/v1/stock/{sku}/movements", params={"limit": 3, "cursor": first["next_cursor"]})
        assert [item["sequence"] for item in first["items"]] == [3, 2, 1]
        assert [item["sequence"] for item in rest.json()["items"]] == [0, None]
        assert rest.json()["next_cursor"] is None

    async def test_is_two_queries(self, stall: Stall) -> None:
        sku = await stall.add_stock(10)
        with stall.count_queries() as statements:
            await stall.owner.get(f"/v1/stock/{sku}/movements")
        assert len(statements) == 2
