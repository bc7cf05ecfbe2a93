"""The callers: reads, orders, bulk orders, payments, stock batches, deltas and cancels at a steady rate, and a journal
of what they were told.

A caller that gets no answer to a write sends it again with the same key until it gets one, as the API asks for. The
journal therefore knows of every write whether it was accepted, refused, or is still open.
"""

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, Final

import aiohttp

from benchmarks.grounds import GroundsFailed
from ishop.clock import business_date, now

PASSWORD: Final = "ishop-demo"  # noqa: S105 - of the demo accounts.
CONSUMER, HOTEL, VENDOR, SECOND_VENDOR, OFFICE = ACCOUNTS = ("consumer", "hotel", "vendor", "vendor2", "office")
SIGNED_IN_SECONDS: Final = 240.0
"""Tokens live for ten minutes, and signing in again may take a while when something is down."""
TRY_AGAIN_SECONDS: Final = 0.5
GIVE_UP_SECONDS: Final = 60.0
TIMEOUT: Final = aiohttp.ClientTimeout(total=45, sock_connect=5)
MOST_AT_ONCE: Final = 1500
"""More callers than that wait at no counter; those that come then are counted as turned away by the load itself."""
QUERIES: Final = ("gula arn", "palm sugar", "kopi", "tenun", "madu")
SHIP_TO: Final = {"name": "Uji Gangguan", "phone": "081234567890", "region_code": "52.71", "postal_code": "83121"}
ORDER_LINES, BULK_LINES, BATCH_ROWS, SHELVES = 2, 12, 5, 6
DELIVERY_DAYS: Final = 14
PLENTY: Final = 100_000
READ, ORDER, BULK, TRANSFER, PAYMENT, BATCH, DELTA, CANCEL = (
    "read", "order", "bulk order", "order to be paid", "payment", "stock batch", "delta", "cancel",
)  # fmt: skip
MIX: Final[Mapping[str, float]] = {
    READ: 0.6, ORDER: 0.18, BULK: 0.03, TRANSFER: 0.04, PAYMENT: 0.03, BATCH: 0.04, DELTA: 0.03, CANCEL: 0.05,
}  # fmt: skip
"""What callers want, and how often."""

DOCUMENTED: Final = {503: {"unavailable", "overloaded"}, 504: {"deadline_exceeded"}, 409: {"request_in_flight"}}
"""Problems that mean "send it again", by status."""
CUT: Final = "cut"
"""The connection to the gateway could not be made, or ended before the answer began."""
BROKEN_OFF: Final = "broken off"
"""An answer ended in the middle: where it had begun, there is no other way to tell."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request that may be sent again: who answers it, what it is, and the statuses that settle it."""

    service: str
    method: str
    path: str
    account: str | None = None
    key: str | None = None
    body: Any = None
    form: Mapping[str, str] | None = None
    settled_by: frozenset[int] = frozenset({200})


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that brought no answer to the call: when, at whose part, and what came instead."""

    started: float
    ended: float
    service: str
    path: str
    kind: str
    documented: bool


@dataclass(slots=True)
class Write:
    """A line of the journal. `status` is None while it is not known what became of it."""

    kind: str
    key: str
    body: Any
    status: int | None = None
    answer: Any = None
    attempts: int = 0


@dataclass(slots=True)
class Shelf:
    """A sku that one phone empties and fills in turn, which is what the worker has to hear of."""

    sku: str
    units: int
    full: bool = True


@dataclass
class Traffic:
    """Everything that was sent, and what came of it."""

    url: str
    http: aiohttp.ClientSession
    rate: float
    mix: Mapping[str, float] = field(default_factory=lambda: MIX)
    give_up_seconds: float = GIVE_UP_SECONDS
    tokens: dict[str, str] = field(default_factory=dict)
    organization: str = ""
    slugs: Sequence[str] = ()
    stock: Sequence[str] = ()
    """Skus of the vendor whose stock is changed in batches."""
    shelves: list[Shelf] = field(default_factory=list)
    """Those of its skus that run out and come back, and that nobody orders."""
    goods: Sequence[str] = ()
    """What can be ordered: skus of two vendors, in any number, for any day."""
    orders: dict[str, Write] = field(default_factory=dict)
    cancels: dict[str, Write] = field(default_factory=dict)
    payments: dict[str, Write] = field(default_factory=dict)
    batches: dict[str, Write] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    answered: int = 0
    turned_away: int = 0
    slowest: float = 0.0
    random: Random = field(default_factory=lambda: Random(4))  # noqa: S311 - it decides which request comes next.
    _cancellable: list[Write] = field(default_factory=list)
    _unpaid: list[Write] = field(default_factory=list)

    @property
    def writes(self) -> Sequence[Write]:
        """The whole journal."""
        journals = (self.orders, self.cancels, self.payments, self.batches)
        return [write for journal in journals for write in journal.values()]

    async def prepare(self) -> None:
        """Sign in, learn what is sold, and stock up so that no order is refused for want of goods."""
        await self.sign_in()
        self.organization = (await self._get("/v1/me", HOTEL))["organizations"][0]["id"]
        goods: list[str] = []
        for account in (SECOND_VENDOR, VENDOR):
            vendor = await self.vendor_of(account)
            products = (await self._get(f"/v1/products?vendor={vendor}&limit=50"))["items"]
            self.slugs = [product["slug"] for product in products]
            self.stock = [
                sku["id"] for product in products if _lasts(product) for sku in product["skus"]
                if sku["min_quantity"] == sku["order_multiple"] == 1
            ]  # fmt: skip
            if account == VENDOR:
                put_aside, self.stock = self.stock[:SHELVES], self.stock[SHELVES:]
                found = [await self._get(f"/v1/stock/{sku}", VENDOR) for sku in put_aside]
                self.shelves = [Shelf(one["sku_id"], one["available"]) for one in found if one["available"] > 0]
            goods += self.stock
            await self._stock_up(account, PLENTY)
        self.goods = goods

    async def run(self, stop: asyncio.Event) -> None:
        """Send at the rate until `stop`, then wait until every call is settled or given up."""
        calls: set[asyncio.Task[None]] = set()

        def begin(call: Coroutine[Any, Any, None]) -> None:
            task = asyncio.create_task(call)
            calls.add(task)
            task.add_done_callback(calls.discard)

        begin(self.stay_signed_in(stop))
        kinds, weights = list(self.mix), list(self.mix.values())
        due = time.monotonic()
        while not stop.is_set():
            due += 1 / self.rate
            await asyncio.sleep(max(due - time.monotonic(), 0))
            if len(calls) >= MOST_AT_ONCE:
                self.turned_away += 1
                continue
            begin(self._send(self.random.choices(kinds, weights)[0]))
        await asyncio.gather(*calls)

    async def sign_in(self) -> None:
        """Get a new token for every account; raises GroundsFailed where that goes on failing."""
        for account in ACCOUNTS:
            form = {"grant_type": "password", "username": f"{account}@demo.test", "password": PASSWORD}
            call = Call("gateway", "POST", "/v1/auth/token", form=form)
            until = time.monotonic() + self.give_up_seconds
            while (found := await self.attempt(call)) is None:
                if time.monotonic() > until:
                    raise GroundsFailed(f"{account} cannot sign in: {self.failures[-1].kind}")
                await asyncio.sleep(TRY_AGAIN_SECONDS)
            self.tokens[account] = found[1]["access_token"]

    async def stay_signed_in(self, stop: asyncio.Event) -> None:
        """Sign in again whenever the tokens are about to end, until `stop`."""
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(SIGNED_IN_SECONDS):
                    await stop.wait()
                    return
            await self.sign_in()

    async def vendor_of(self, account: str) -> str:
        """The id of the vendor that an account sells for."""
        vendor: str = (await self._get("/v1/me", account))["vendors"][0]["id"]
        return vendor

    async def attempt(self, call: Call) -> tuple[int, Any] | None:
        """Status and answer where that settles the call; else the failure is noted."""
        started = time.monotonic()
        try:
            async with self.http.request(
                call.method, self.url + call.path, json=call.body, data=call.form, headers=self._headers(call),
                timeout=TIMEOUT,
            ) as answer:  # fmt: skip
                status, headers, body = answer.status, answer.headers, await answer.json(content_type=None)
        except aiohttp.ClientConnectionError:
            self._note(call, started, CUT, documented=True)
            return None
        except aiohttp.ClientPayloadError:
            self._note(call, started, BROKEN_OFF, documented=True)
            return None
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self._note(call, started, type(error).__name__, documented=False)
            return None
        self.slowest = max(self.slowest, time.monotonic() - started)
        if status in call.settled_by:
            self.answered += 1
            return status, body
        code = body.get("code") if isinstance(body, dict) else None
        documented = (
            code in DOCUMENTED.get(status, ())
            and headers.get("Content-Type") == "application/problem+json"
            and (status != 503 or "Retry-After" in headers)
        )
        self._note(call, started, f"{status} {code}", documented=documented)
        return None

    def _send(self, kind: str) -> Coroutine[Any, Any, None]:
        others = {
            READ: self._read, PAYMENT: self._pay, CANCEL: self._cancel, BATCH: self._batch, DELTA: self._delta,
        }  # fmt: skip
        return others[kind]() if kind in others else self._order(kind)

    async def _read(self) -> None:
        reads = [
            Call("catalog", "GET", f"/v1/search/products?q={self.random.choice(QUERIES).replace(' ', '+')}"),
            Call("catalog", "GET", f"/v1/products/{self.random.choice(self.slugs)}"),
            Call("catalog", "GET", "/v1/products?limit=20"),
            Call("vendors", "GET", "/v1/vendors?limit=20"),
            Call("orders", "GET", "/v1/orders?limit=20", CONSUMER),
        ]
        if self._cancellable:
            reads.append(reading(self.random.choice(self._cancellable)))
        await self.attempt(self.random.choice(reads))

    async def _order(self, kind: str) -> None:
        key = f"order-{len(self.orders)}"
        wanted = self.random.sample(self.goods, min(len(self.goods), BULK_LINES if kind == BULK else ORDER_LINES))
        body: dict[str, Any] = {
            "lines": [{"sku_id": sku, "quantity": 1} for sku in wanted],
            "payment_method": {BULK: "terms", TRANSFER: "manual_transfer"}.get(kind, "cod"),
            "ship_to": {**SHIP_TO, "address": f"Jl. Uji {key}"},
        }
        if kind == BULK:
            deliver_on = f"{business_date(now()) + timedelta(days=DELIVERY_DAYS)}"
            body |= {"organization_id": self.organization, "po_number": key, "deliver_on": deliver_on}
        write = self.orders[key] = Write(kind, key, body)
        await self._settle(write, placing(write))
        if write.status is not None:
            self._cancellable.append(write)
            if kind == TRANSFER:
                self._unpaid.append(write)

    async def _pay(self) -> None:
        if not self._unpaid:
            return
        order = self._unpaid.pop(self.random.randrange(len(self._unpaid))).answer
        key = f"payment-{len(self.payments)}"
        body = {"amount": order["total"], "reference": key}
        write = self.payments[order["id"]] = Write(PAYMENT, key, body)
        path = f"/v1/orders/{order['id']}/payments"
        await self._settle(write, Call("orders", "POST", path, OFFICE, key, body, settled_by=frozenset({201})))

    async def _cancel(self) -> None:
        if not self._cancellable:
            return
        placed = self._cancellable.pop(self.random.randrange(len(self._cancellable)))
        order = placed.answer["id"]
        write = self.cancels[order] = Write(CANCEL, f"cancel-{order}", order)
        await self._settle(write, Call("orders", "POST", f"/v1/orders/{order}/cancel", _buyer(placed), write.key, {}))

    async def _batch(self) -> None:
        key = f"batch-{len(self.batches)}"
        rows = [
            {"sku_id": sku, "delta": 1, "device_id": key, "sequence": place}
            for place, sku in enumerate(self.random.sample(self.stock, min(len(self.stock), BATCH_ROWS)))
        ]
        write = self.batches[key] = Write(BATCH, key, rows)
        body = {"mode": "partial", "rows": rows}
        await self._settle(write, Call("vendors", "POST", "/v1/stock/batch", VENDOR, key, body))

    async def _delta(self) -> None:
        """A phone on a bad line: it has no key, only its own count of what it sent, and sends one thing at a time."""
        if not self.shelves:
            return
        shelf = self.shelves.pop(self.random.randrange(len(self.shelves)))
        key = f"delta-{len(self.batches)}"
        change = {"delta": -shelf.units if shelf.full else shelf.units, "device_id": key, "sequence": 0}
        write = self.batches[key] = Write(DELTA, key, [{"sku_id": shelf.sku, **change}])
        await self._settle(write, Call("vendors", "PATCH", f"/v1/stock/{shelf.sku}", VENDOR, body=change))
        if write.status is not None:
            shelf.full = not shelf.full
            self.shelves.append(shelf)

    async def _settle(self, write: Write, call: Call) -> None:
        until = time.monotonic() + self.give_up_seconds
        while write.status is None and time.monotonic() < until:
            write.attempts += 1
            found = await self.attempt(call)
            if found is None:
                await asyncio.sleep(TRY_AGAIN_SECONDS)
            else:
                write.status, write.answer = found

    def _headers(self, call: Call) -> Mapping[str, str]:
        headers = {}
        if call.account is not None:
            headers["Authorization"] = f"Bearer {self.tokens[call.account]}"
        if call.key is not None:
            headers["Idempotency-Key"] = call.key
        return headers

    def _note(self, call: Call, started: float, kind: str, *, documented: bool) -> None:
        self.failures.append(Failure(started, time.monotonic(), call.service, call.path, kind, documented))

    async def _get(self, path: str, account: str | None = None) -> Any:
        headers = {} if account is None else {"Authorization": f"Bearer {self.tokens[account]}"}
        async with self.http.get(self.url + path, headers=headers) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def _stock_up(self, account: str, units: int) -> None:
        rows = [
            {"sku_id": sku, "delta": units, "device_id": "stock-up", "sequence": place}
            for place, sku in enumerate(self.stock)
        ]
        headers = {"Authorization": f"Bearer {self.tokens[account]}", "Idempotency-Key": "stock-up"}
        async with self.http.post(
            f"{self.url}/v1/stock/batch", json={"mode": "atomic", "rows": rows}, headers=headers
        ) as answer:
            answer.raise_for_status()


def placing(order: Write) -> Call:
    """The request that places an order of the journal."""
    path = "/v1/bulk-orders" if order.kind == BULK else "/v1/orders"
    return Call("orders", "POST", path, _buyer(order), order.key, order.body, settled_by=frozenset({201}))


def reading(order: Write) -> Call:
    """The request that reads an accepted order of the journal."""
    path = "/v1/bulk-orders" if order.kind == BULK else "/v1/orders"
    return Call("orders", "GET", f"{path}/{order.answer['id']}", _buyer(order))


def _buyer(order: Write) -> str:
    return HOTEL if order.kind == BULK else CONSUMER


def _lasts(product: Mapping[str, Any]) -> bool:
    """Whether no certificate of the product ends before the goods of an order would be delivered."""
    last = f"{business_date(now()) + timedelta(days=2 * DELIVERY_DAYS)}"
    return all(one["valid_until"] is None or one["valid_until"] > last for one in product["certificates"])
