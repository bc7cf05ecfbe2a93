"""`ishop demo`: one day of the market, played over plain HTTP with the demo accounts, each promise checked."""

import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from io import StringIO
from typing import Any, Final

import httpx
from rich.console import Console
from rich.table import Table

from demo.accounts import CONSUMER, HOTEL, SECOND_VENDOR, SHARED_GOODS, VENDOR
from demo.caller import TIMEOUT_SECONDS, Caller, ScenarioFailed
from ishop.clock import business_date, now

__all__ = ["ScenarioFailed", "play"]

SEARCHES: Final = ("gula arn", "palm sugar")
SUGARS: Final = frozenset({"gula-aren-cetak", "gula-aren-cair", "gula-semut"})
"""What both searches are after: aren sugar in blocks, as syrup, as granules."""

BULK_LINES: Final = 50
BATCH_ROWS: Final = 200
DELIVERED_PACKS: Final = 25
"""What the cooperative's members bring of each sku in a run: more than one run orders, so it never runs out."""

ENOUGH_PACKS: Final = 10
PAGE: Final = 100
WIDTH: Final = 100

SHIP_TO: Final = {
    "name": "Dewi Konsumen",
    "phone": "+62 370 000111",
    "address": "Jl. Contoh 1, Ampenan",
    "region_code": "52.71",
    "postal_code": "83114",
}
SHIP_TO_HOTEL: Final = {
    "name": "Gudang Hotel Senggigi Demo",
    "phone": "+62 370 000222",
    "address": "Jl. Raya Senggigi 1, Batulayar",
    "region_code": "52.01",
    "postal_code": "83355",
}

Say = Callable[[str], None]


async def play(base_url: str, say: Say) -> None:
    """Play the scenario against the gateway at `base_url`, telling `say` in plain lines what happens.

    It may run again and again on the same market: it uses new keys each time and restocks what it takes. Raises
    ScenarioFailed as soon as an answer is not what is promised.
    """
    async with httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT_SECONDS) as client:
        scenario = _Scenario(
            say=say,
            passer_by=Caller(client, {"Accept-Language": "id"}),
            consumer=await Caller.sign_in(client, CONSUMER),
            hotel=await Caller.sign_in(client, HOTEL),
            vendor=await Caller.sign_in(client, VENDOR),
            second_vendor=await Caller.sign_in(client, SECOND_VENDOR),
        )
        await scenario.search()
        order = await scenario.order_from_two_vendors()
        bulk_order = await scenario.order_in_bulk()
        await scenario.restock()
        await scenario.accept_and_ship(order)
        await scenario.accept_and_ship(bulk_order)
        await scenario.cancel()
        await scenario.order_too_much()
        say("\nEverything went as promised.")


def require(promise: str, kept: object, found: object) -> None:
    """Raise ScenarioFailed with the promise and what was found instead, unless it was kept."""
    if not kept:
        raise ScenarioFailed(f"Promised: {promise}. Found: {found}")


def rupiah(amount: Mapping[str, Any]) -> str:
    """An amount as it is written in Indonesia: Rp1.500.000."""
    return f"Rp{amount['amount']:,}".replace(",", ".")


@dataclass
class _Scenario:
    """The people of the scenario and what they do; `run` tells this run from every other."""

    say: Say
    passer_by: Caller
    consumer: Caller
    hotel: Caller
    vendor: Caller
    second_vendor: Caller
    run: str = field(default_factory=lambda: secrets.token_hex(5))

    async def search(self) -> None:
        """A typo and an English word both find aren sugar."""
        self._title("A consumer looks for aren sugar, with a typo and in English")
        for query in SEARCHES:
            found = await self.passer_by.get("/v1/search/products", q=query, per_page=5)
            slugs = [hit["commodity"]["slug"] for hit in found["hits"]]
            require(f"{query!r} finds aren sugar first", slugs and slugs[0] in SUGARS, slugs)
            self.say(f"{query!r}: {found['total']} products, engine {found['engine']}, {found['took_ms']:.1f} ms")
            self._table(
                ("product", "from", "vendor", "region"),
                [
                    (hit["name"], rupiah(hit["price_from"]), hit["vendor"]["name"], hit["vendor"]["region_code"])
                    for hit in found["hits"]
                ],
            )

    async def order_from_two_vendors(self) -> dict[str, Any]:
        """Two packs from two vendors are one order; sending it again changes nothing."""
        self._title("The consumer orders two packs from two vendors, and the network makes the app send it twice")
        lines = [
            {"sku_id": (await self._sugar_of(seller))["id"], "quantity": 1}
            for seller in (self.vendor, self.second_vendor)
        ]
        order = await self._place(lines, "order")
        sellers = {part["vendor_id"] for part in order["vendor_orders"]}
        require("one order with two vendor orders", len(sellers) == len(lines), order["vendor_orders"])
        self._show_order(order)
        again = await self._place(lines, "order")
        require("the same key returns the same order", again["id"] == order["id"], again["id"])
        replayed = again["_headers"].get("Idempotency-Replayed")
        require("a replayed answer says so", replayed == "true", replayed)
        self.say(f"Sent again with the same key: still order {again['number']}, nothing ordered twice.")
        return order

    async def order_in_bulk(self) -> dict[str, Any]:
        """Fifty skus in one call, on terms, with a PO number."""
        self._title(f"A hotel orders {BULK_LINES} skus in one call, on terms")
        organization = self.hotel.me["organizations"][0]
        one_of_each = {sku["product"]: sku for sku in reversed(await self._skus_of(self.vendor))}
        skus = list(one_of_each.values())[-BULK_LINES:]
        require(f"the largest vendor offers {BULK_LINES} products", len(skus) == BULK_LINES, len(skus))
        order = await self.hotel.post(
            "/v1/bulk-orders",
            {
                "organization_id": organization["id"],
                "po_number": f"PO-DEMO-{self.run}",
                "deliver_on": (business_date(now()) + timedelta(days=7)).isoformat(),
                "payment_method": "terms",
                "ship_to": SHIP_TO_HOTEL,
                "lines": [{"sku_id": sku["id"], "quantity": 2} for sku in skus],
            },
            key=f"demo-bulk-{self.run}",
            status=201,
        )
        require("an order on terms is confirmed at once", order["status"] == "confirmed", order["status"])
        require(f"{BULK_LINES} lines", len(order["lines"]) == BULK_LINES, len(order["lines"]))
        self.say(f"{organization['name']}, PO {order['po_number']}, deliver on {order['deliver_on']}")
        self._show_order(order, shown=5)
        return order

    async def restock(self) -> None:
        """A batch of counts, each based on the version it was read with."""
        self._title(f"The cooperative's members bring {DELIVERED_PACKS} packs of {BATCH_ROWS} skus")
        stock = await self._pages(self.vendor, "/v1/stock", BATCH_ROWS, vendor=self._vendor_id(self.vendor))
        require(f"the largest vendor has {BATCH_ROWS} skus", len(stock) == BATCH_ROWS, len(stock))
        answer = await self.vendor.post(
            "/v1/stock/batch",
            {
                "mode": "partial",
                "rows": [
                    {
                        "sku_id": row["sku_id"],
                        "count": row["on_hand"] + DELIVERED_PACKS,
                        "expected_version": row["version"],
                    }
                    for row in stock
                ],
            },
            key=f"demo-stock-{self.run}",
        )
        refused = [result for result in answer["results"] if result["status"] != "applied"]
        require(f"{BATCH_ROWS} rows applied", len(answer["results"]) == BATCH_ROWS and not refused, refused[:3])
        first = answer["results"][0]
        self.say(f"{BATCH_ROWS} rows applied; the first sku now has {first['on_hand']}, {first['reserved']} reserved.")

    async def accept_and_ship(self, order: Mapping[str, Any]) -> None:
        """Every vendor of an order finds its part, accepts and ships it; what was reserved leaves the house."""
        self._title(f"Vendors accept and ship order {order['number']}")
        sellers = {self._vendor_id(seller): seller for seller in (self.vendor, self.second_vendor)}
        for part in order["vendor_orders"]:
            seller, line = sellers[part["vendor_id"]], part["lines"][0]
            desk = await seller.get("/v1/vendor-orders", status="placed", limit=PAGE)
            require("the vendor finds the order", part["id"] in {one["id"] for one in desk["items"]}, desk["items"][:2])
            before = await seller.get(f"/v1/stock/{line['sku_id']}")
            for move, state in (("accept", "accepted"), ("ship", "shipped")):
                moved = await seller.post(f"/v1/vendor-orders/{part['id']}/{move}")
                require(f"{move} makes it {state}", moved["status"] == state, moved["status"])
            after = await seller.get(f"/v1/stock/{line['sku_id']}")
            left = before["on_hand"] - after["on_hand"], before["reserved"] - after["reserved"]
            require("shipping takes goods and reservation", left == (line["quantity"],) * 2, (before, after))
            self.say(f"{part['vendor_name']}: lines shipped: {len(part['lines'])}, {rupiah(part['total'])}.")

    async def cancel(self) -> None:
        """What a cancelled order held can be bought again."""
        self._title("The consumer orders, thinks again and cancels")
        sku = await self._sugar_of(self.vendor)
        before = await self.vendor.get(f"/v1/stock/{sku['id']}")
        order = await self._place([{"sku_id": sku["id"], "quantity": 3}], "regret")
        held = await self.vendor.get(f"/v1/stock/{sku['id']}")
        require("an order reserves its goods", held["reserved"] == before["reserved"] + 3, (before, held))
        cancelled = await self.consumer.post(f"/v1/orders/{order['id']}/cancel")
        require("a cancelled order says so", cancelled["status"] == "cancelled", cancelled["status"])
        after = await self.vendor.get(f"/v1/stock/{sku['id']}")
        require("the stock returns", after["available"] == before["available"], (before, after))
        self.say(f"Available: {before['available']}, ordered {held['available']}, cancelled {after['available']}.")

    async def order_too_much(self) -> None:
        """More than there is: refused as a whole, naming the line and what is available."""
        self._title("The consumer orders more than there is")
        sku, plenty = await self._sugar_of(self.second_vendor), await self._sugar_of(self.vendor)
        stock = await self.second_vendor.get(f"/v1/stock/{sku['id']}")
        lines = [
            {"sku_id": plenty["id"], "quantity": 1},
            {"sku_id": sku["id"], "quantity": stock["available"] + 1},
        ]
        problem = await self._place(lines, "too-much", status=409)
        require("the code is insufficient_stock", problem["code"] == "insufficient_stock", problem)
        (error,) = problem["errors"]
        named = error["pointer"], error["sku_id"], error["available"]
        require("the line and what is available", named == ("/lines/1", sku["id"], stock["available"]), error)
        self.say(
            f"409 {problem['code']}: {problem['detail']} "
            f"{error['pointer']}: asked {error['requested']}, available {error['available']}."
        )

    async def _place(self, lines: Sequence[Mapping[str, Any]], name: str, *, status: int = 201) -> dict[str, Any]:
        body = {"lines": lines, "ship_to": SHIP_TO, "payment_method": "cod"}
        return await self.consumer.post("/v1/orders", body, key=f"demo-{name}-{self.run}", status=status)

    async def _sugar_of(self, seller: Caller) -> dict[str, Any]:
        """The seller's first single pack of aren sugar, restocked where few are left."""
        sku = (await self._skus_of(seller, commodity=SHARED_GOODS))[0]
        stock = await seller.get(f"/v1/stock/{sku['id']}")
        if stock["available"] < ENOUGH_PACKS:
            change = {"sku_id": sku["id"], "delta": 5 * ENOUGH_PACKS, "device_id": f"demo-{self.run}", "sequence": 1}
            key = f"demo-few-{self.run}"
            answer = await seller.post("/v1/stock/batch", {"mode": "atomic", "rows": [change]}, key=key)
            self.say(f"{seller.me['vendors'][0]['name']} restocked first: only {stock['available']} were left.")
            require("the delta is applied", answer["results"][0]["status"] == "applied", answer["results"])
        return sku

    async def _skus_of(self, seller: Caller, **filters: str) -> list[dict[str, Any]]:
        """Packs of the seller that are sold one by one, with the name of their product."""
        products = await self._pages(
            self.passer_by, "/v1/products", PAGE, vendor=self._vendor_id(seller), sort="price", **filters
        )
        skus = [{**sku, "product": product["name"]} for product in products for sku in product["skus"]]
        singles = [sku for sku in skus if sku["order_multiple"] == sku["min_quantity"] == 1]
        require("the vendor sells single packs", singles, filters)
        return singles

    async def _pages(self, caller: Caller, path: str, wanted: int, **parameters: str) -> list[dict[str, Any]]:
        """The first `wanted` items of a list, page by page."""
        items: list[dict[str, Any]] = []
        page = await caller.get(path, limit=PAGE, **parameters)
        items += page["items"]
        while len(items) < wanted and page["next_cursor"] is not None:
            page = await caller.get(path, limit=PAGE, cursor=page["next_cursor"], **parameters)
            items += page["items"]
        return items[:wanted]

    def _vendor_id(self, seller: Caller) -> str:
        return str(seller.me["vendors"][0]["id"])

    def _title(self, text: str) -> None:
        self.say(f"\n== {text}")

    def _show_order(self, order: Mapping[str, Any], shown: int = WIDTH) -> None:
        lines = order["lines"]
        self._table(
            ("line", "quantity", "price", "total"),
            [
                (line["name"], line["quantity"], rupiah(line["unit_price"]), rupiah(line["total"]))
                for line in lines[:shown]
            ],
        )
        if len(lines) > shown:
            self.say(f"  … and {len(lines) - shown} more lines")
        for part in order["vendor_orders"]:
            self.say(f"  {part['vendor_name']}: {part['status']}, lines: {len(part['lines'])}, {rupiah(part['total'])}")
        self.say(
            f"Order {order['number']}: {order['status']}; goods {rupiah(order['subtotal'])}, "
            f"shipping {rupiah(order['shipping'])}, tax {rupiah(order['tax'])}, total {rupiah(order['total'])}"
        )

    def _table(self, head: Iterable[str], rows: Iterable[Sequence[object]]) -> None:
        table = Table(*head, box=None, pad_edge=True, header_style="")
        for row in rows:
            table.add_row(*map(str, row))
        width = min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)
        console = Console(file=StringIO(), width=width, color_system=None)
        with console.capture() as capture:
            console.print(table)
        self.say(capture.get().rstrip())
