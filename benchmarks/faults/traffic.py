"""The callers: reads, orders, stock batches and cancels at a steady rate, and a journal of what they were told.

A caller that gets no answer to a write sends it again with the same key until it gets one, as the API asks for. The
journal therefore knows of every write whether it was accepted, refused, or is still open.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import aiohttp

PASSWORD: Final = "ishop-demo"  # noqa: S105 - of the demo accounts.
TRY_AGAIN_SECONDS: Final = 0.5
GIVE_UP_SECONDS: Final = 60.0
TIMEOUT: Final = aiohttp.ClientTimeout(total=45, sock_connect=5)
MOST_AT_ONCE: Final = 1500
"""More callers than that wait at no counter; those that come then are counted as turned away by the load itself."""
QUERIES: Final = ("gula arn", "palm sugar", "kopi", "tenun", "madu")
SHIP_TO: Final = {"name": "Uji Gangguan", "phone": "081234567890", "region_code": "52.71", "postal_code": "83121"}
BATCH_ROWS: Final = 5

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
    token: str | None = None
    key: str | None = None
    body: Any = None
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


@dataclass
class Traffic:
    """Everything that was sent, and what came of it."""

    url: str
    http: aiohttp.ClientSession
    rate: float
    stock: Sequence[str] = ()
    tokens: dict[str, str] = field(default_factory=dict)
    slugs: Sequence[str] = ()
    orders: dict[str, Write] = field(default_factory=dict)
    cancels: dict[str, Write] = field(default_factory=dict)
    batches: dict[str, Write] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    answered: int = 0
    turned_away: int = 0
    slowest: float = 0.0
    random: Random = field(default_factory=lambda: Random(4))  # noqa: S311 - it decides which request comes next.

    async def prepare(self) -> None:
        """Sign in, learn what is sold, and stock up so that no order is refused for want of goods."""
        for account in ("consumer", "vendor"):
            form = {"grant_type": "password", "username": f"{account}@demo.test", "password": PASSWORD}
            async with self.http.post(f"{self.url}/v1/auth/token", data=form) as answer:
                self.tokens[account] = (await answer.json())["access_token"]
        me = await self._get("/v1/me", "vendor")
        products = (await self._get(f"/v1/products?vendor={me['vendors'][0]['id']}&limit=50"))["items"]
        self.slugs = [product["slug"] for product in products]
        self.stock = [
            sku["id"] for product in products for sku in product["skus"]
            if sku["min_quantity"] == sku["order_multiple"] == 1
        ]  # fmt: skip
        await self._stock_up(100_000)

    async def run(self, stop: asyncio.Event) -> None:
        """Send at the rate until `stop`, then wait until every call is settled or given up."""
        calls: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        while not stop.is_set():
            due += 1 / self.rate
            await asyncio.sleep(max(due - time.monotonic(), 0))
            if len(calls) >= MOST_AT_ONCE:
                self.turned_away += 1
                continue
            call = asyncio.create_task(self._pick()())
            calls.add(call)
            call.add_done_callback(calls.discard)
        await asyncio.gather(*calls)

    def _pick(self) -> Callable[[], Any]:
        dice = self.random.random()
        if dice < 0.6:
            return self._read
        if dice < 0.85:
            return self._order
        if dice < 0.93:
            return self._batch
        return self._cancel

    async def _read(self) -> None:
        accepted = [write for write in self.orders.values() if write.status is not None]
        reads = [
            Call("catalog", "GET", f"/v1/search/products?q={self.random.choice(QUERIES).replace(' ', '+')}"),
            Call("catalog", "GET", f"/v1/products/{self.random.choice(self.slugs)}"),
            Call("catalog", "GET", "/v1/products?limit=20"),
            Call("vendors", "GET", "/v1/vendors?limit=20"),
            Call("orders", "GET", "/v1/orders?limit=20", self.tokens["consumer"]),
        ]
        if accepted:
            order = self.random.choice(accepted)
            reads.append(Call("orders", "GET", f"/v1/orders/{order.answer['id']}", self.tokens["consumer"]))
        await self._attempt(self.random.choice(reads))

    async def _order(self) -> None:
        key = f"order-{len(self.orders)}"
        body = {
            "lines": [{"sku_id": sku, "quantity": 1} for sku in self.random.sample(self.stock, 2)],
            "payment_method": "cod",
            "ship_to": {**SHIP_TO, "address": f"Jl. Uji {key}"},
        }
        write = self.orders[key] = Write("order", key, body)
        await self._settle(
            write, Call("orders", "POST", "/v1/orders", self.tokens["consumer"], key, body, frozenset({201}))
        )

    async def _cancel(self) -> None:
        taken = {write.body for write in self.cancels.values()}
        open_orders = [one.answer["id"] for one in self.orders.values() if one.status and one.answer["id"] not in taken]
        if not open_orders:
            return
        order = self.random.choice(open_orders)
        write = self.cancels[order] = Write("cancel", f"cancel-{order}", order)
        path = f"/v1/orders/{order}/cancel"
        await self._settle(write, Call("orders", "POST", path, self.tokens["consumer"], write.key, {}))

    async def _batch(self) -> None:
        key = f"batch-{len(self.batches)}"
        rows = [
            {"sku_id": sku, "delta": 1, "device_id": key, "sequence": place}
            for place, sku in enumerate(self.random.sample(self.stock, BATCH_ROWS))
        ]
        write = self.batches[key] = Write("batch", key, rows)
        body = {"mode": "partial", "rows": rows}
        await self._settle(write, Call("vendors", "POST", "/v1/stock/batch", self.tokens["vendor"], key, body))

    async def _settle(self, write: Write, call: Call) -> None:
        until = time.monotonic() + GIVE_UP_SECONDS
        while write.status is None and time.monotonic() < until:
            found = await self._attempt(call)
            if found is None:
                await asyncio.sleep(TRY_AGAIN_SECONDS)
            else:
                write.status, write.answer = found

    async def _attempt(self, call: Call) -> tuple[int, Any] | None:
        """Status and answer where that settles the call; else the failure is noted."""
        started = time.monotonic()
        try:
            async with self.http.request(
                call.method, self.url + call.path, json=call.body, headers=_headers(call), timeout=TIMEOUT
            ) as answer:
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

    def _note(self, call: Call, started: float, kind: str, *, documented: bool) -> None:
        self.failures.append(Failure(started, time.monotonic(), call.service, call.path, kind, documented))

    async def _get(self, path: str, account: str | None = None) -> Any:
        headers = {} if account is None else {"Authorization": f"Bearer {self.tokens[account]}"}
        async with self.http.get(self.url + path, headers=headers) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def _stock_up(self, units: int) -> None:
        rows = [
            {"sku_id": sku, "delta": units, "device_id": "stock-up", "sequence": place}
            for place, sku in enumerate(self.stock)
        ]
        headers = {"Authorization": f"Bearer {self.tokens['vendor']}", "Idempotency-Key": "stock-up"}
        async with self.http.post(
            f"{self.url}/v1/stock/batch", json={"mode": "atomic", "rows": rows}, headers=headers
        ) as answer:
            answer.raise_for_status()


def _headers(call: Call) -> Mapping[str, str]:
    headers = {}
    if call.token is not None:
        headers["Authorization"] = f"Bearer {call.token}"
    if call.key is not None:
        headers["Idempotency-Key"] = call.key
    return headers
