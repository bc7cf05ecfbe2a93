"""One request, sent one to five times with one key: by twins at once, late, and over connections that break.

A caller who got no answer cannot know whether his request arrived, was carried out, or neither. He sends it again, and
must get the one answer that the first execution made.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import orjson

from benchmarks.load import http_request
from benchmarks.prove.goods import Good, delivery_day
from benchmarks.prove.market import ADDRESS, SHIP_TO, TIMEOUT, Tokens, Unusable

MOST_SENDS: Final = 5
SAME_HEADERS: Final = ("Content-Type", "Content-Language", "ETag", "Location")
WAIT_SECONDS: Final = 0.3
"""Callers are told to come back later than that, but those who do not listen must do no harm."""
LATE_SECONDS: Final = 0.05
BATCH_ROWS: Final = 4
OVERPAID: Final = 1000
NEVER_WHOLE_EVERY, REUSED_EVERY = 25, 17
"""All sendings of each so-manieth write break off in the body; the key of each so-manieth is used once more. Neither
number has a divisor in common with that of the kinds, so that it comes to every kind.
"""
NEVER_WHOLE, REUSED, REPLAYED, COME_BACK = (
    "writes that never arrived whole", "keys used for something else", "replayed answers", "told to come back",
)  # fmt: skip
LOCKED_SECONDS: Final = 2.5
LOCK: Final = "SELECT FROM vendors.stock WHERE sku_id = ANY ($1::uuid[]) ORDER BY sku_id FOR UPDATE"


class Manner(StrEnum):
    """What becomes of the connection of one sending."""

    whole = "whole answers"
    cut_after_sending = "cut before the answer"
    cut_while_reading = "cut in the answer"
    half_sent = "half-sent bodies"


@dataclass(frozen=True, slots=True)
class Write:
    """One write: what is sent, and what it is about, for those who look for its effect."""

    kind: str
    key: str
    token: str
    path: str
    body: Mapping[str, Any]
    success: int
    about: Mapping[str, Any] = field(default_factory=dict)
    method: str = "POST"


@dataclass(slots=True)
class Sent:
    """A line of the journal: the write, and the answer that all of its sendings got. None: no sending arrived whole."""

    write: Write
    answer: Any


@dataclass(frozen=True, slots=True)
class Got:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def essence(self) -> tuple[object, ...]:
        """What must be the same for all sendings of one write."""
        return self.status, self.content, *(self.headers.get(name) for name in SAME_HEADERS)

    @property
    def replayed(self) -> bool:
        """Whether it says that it is the answer to an earlier sending."""
        return self.headers.get("Idempotency-Replayed") == "true"

    @property
    def code(self) -> str:
        """The code of a problem; empty where it is none."""
        body = orjson.loads(self.content) if self.content else None
        return str(body.get("code", "")) if isinstance(body, dict) else ""

    @property
    def come_back(self) -> bool:
        """Whether it is the documented "not now": a twin is at work, or there are too many callers."""
        return (self.status, self.code) in {(409, "request_in_flight"), (503, "overloaded")}


class Repeater:
    """Makes writes of every kind and sends each until its answer is known."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        urls: Sequence[str],
        tokens: Tokens,
        goods: Sequence[Good],
        organization: str,
    ) -> None:
        self.writes: list[Sent] = []
        self.faults: list[str] = []
        self.told: Counter[str] = Counter({"sends": 0})
        self._http = http
        self._urls = urls
        self.tokens = tokens
        self._goods = goods
        self._organization = organization
        self._random = Random(8)  # noqa: S311 - it decides what happens next.
        self._delivery = delivery_day().isoformat()
        self._kinds: Mapping[str, Callable[[str], Awaitable[Write]]] = {
            "order": self._order, "bulk order": self._bulk, "cancel": self._cancel, "payment": self._payment,
            "stock batch": self._batch, "delta": self._delta, "accept": self._accept, "reject": self._reject,
        }  # fmt: skip

    def untried(self, *, locked: bool) -> Iterator[str]:
        """What never happened, so that nothing is proved about it; `locked` when twins had to wait for a lock."""
        for what in (*Manner, NEVER_WHOLE, REUSED, REPLAYED, *([COME_BACK] if locked else [])):
            if not self.told[what]:
                yield f"not put to the proof: {what}"
        done = {sent.write.kind for sent in self.writes if sent.answer is not None}
        for kind in self._kinds.keys() - done:
            yield f"not put to the proof: {kind}"

    async def one(self, number: int) -> None:
        """The n-th write, all of its sendings."""
        make = list(self._kinds.values())[number % len(self._kinds)]
        write = await make(f"write-{number}")
        if number % NEVER_WHOLE_EVERY == NEVER_WHOLE_EVERY - 1:
            await self._never_whole(write)
            return
        answer = await self._repeat(write, self._random.randint(1, MOST_SENDS))
        if number % REUSED_EVERY == 0:
            await self._reuse(write)
        self.writes.append(Sent(write, answer))

    async def twins_behind_a_lock(self, connection: asyncpg.Connection, key: str) -> None:
        """Two sendings at once at each gateway, while the goods are locked for longer than a twin is let wait."""
        write = await self._order(key)
        async with connection.transaction():
            await connection.execute(LOCK, [line["sku_id"] for line in write.body["lines"]])
            twins = [
                asyncio.create_task(self._whole(write, orjson.dumps(write.body), url))
                for url in (*self._urls, *self._urls)
            ]
            await asyncio.sleep(LOCKED_SECONDS)
        got = await asyncio.gather(*twins)
        for _ in got:
            self._tell(Manner.whole)
        self._compare(write, (), got)
        answers = [orjson.loads(one.content) for one in got if not one.come_back]
        self.writes.append(Sent(write, answers[0] if answers else await self._repeat(write, 1)))

    async def _repeat(self, write: Write, sends: int) -> Any:
        """Send it so often, the last time until there is an answer; the body of that."""
        manners = [self._random.choice(list(Manner)) for _ in range(sends - 1)]
        if self._random.random() < 0.5:
            got = [one for one in await asyncio.gather(*(self._send(write, manner) for manner in manners)) if one]
        else:
            got = []
            for manner in manners:
                one = await self._send(write, manner)
                got += [one] if one else []
                await asyncio.sleep(self._random.random() * LATE_SECONDS)
        while True:
            self._tell(Manner.whole)
            last = await self._whole(write, orjson.dumps(write.body))
            got.append(last)
            if not last.come_back:
                break
            await asyncio.sleep(WAIT_SECONDS)
        self._compare(write, manners, got)
        return orjson.loads(last.content)

    def _compare(self, write: Write, manners: Sequence[Manner], got: Sequence[Got]) -> None:
        turned_away = [one for one in got if one.come_back]
        answers = [one for one in got if not one.come_back]
        self.told[COME_BACK] += len(turned_away)
        self.faults += [
            f"{write.kind}: {one.code} without Retry-After" for one in turned_away if "Retry-After" not in one.headers
        ]
        self.faults += [
            f"{write.kind} was answered {one.status} {one.code}" for one in answers if one.status != write.success
        ]
        if len({one.essence for one in answers}) > 1:
            self.faults.append(f"{write.kind}: two sendings with one key got different answers")
        replays = sum(one.replayed for one in answers)
        self.told[REPLAYED] += replays
        fresh = len(answers) - replays
        lost = any(manner in {Manner.cut_after_sending, Manner.cut_while_reading} for manner in manners)
        if fresh > 1 or (fresh == 0 and not lost):
            self.faults.append(
                f"{write.kind}: {fresh} of {len(answers)} answers to one key do not say that they are replayed"
            )

    async def _never_whole(self, write: Write) -> None:
        """Break off in every body: as if it had never been sent."""
        for _ in range(self._random.randint(1, MOST_SENDS)):
            await self._send(write, Manner.half_sent)
        self.told[NEVER_WHOLE] += 1
        self.writes.append(Sent(write, None))

    async def _reuse(self, write: Write) -> None:
        """The key once more with another body: nobody may think that this was done."""
        got = await self._whole(write, orjson.dumps({**write.body, "note": "another"}))
        self.told[REUSED] += 1
        if (got.status, got.code) != (HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency_key_reused"):
            self.faults.append(f"{write.kind}: another body with its key was answered {got.status} {got.code}")

    def _tell(self, manner: Manner) -> None:
        self.told["sends"] += 1
        self.told[manner.value] += 1

    async def _send(self, write: Write, manner: Manner) -> Got | None:
        self._tell(manner)
        if manner is Manner.whole:
            return await self._whole(write, orjson.dumps(write.body))
        await self._break_off(write, manner)
        return None

    async def _whole(self, write: Write, content: bytes, url: str | None = None) -> Got:
        headers = {
            "Authorization": f"Bearer {write.token}",
            "Idempotency-Key": write.key,
            "Content-Type": "application/json",
        }
        address = (url or self._random.choice(self._urls)) + write.path
        try:
            async with self._http.request(
                write.method, address, data=content, headers=headers, timeout=TIMEOUT
            ) as answer:
                return Got(answer.status, answer.headers, await answer.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unusable(f"a whole sending got no answer ({type(error).__name__})") from error

    async def _break_off(self, write: Write, manner: Manner) -> None:
        """Send it over a connection of its own that ends before the answer does."""
        address = urlsplit(self._random.choice(self._urls))
        request = http_request(
            write.method, write.path, token=write.token, headers={"Idempotency-Key": write.key}, body=write.body
        )
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        if manner is Manner.half_sent:
            request = request[: request.index(b"\r\n\r\n") + 4 + len(orjson.dumps(write.body)) // 2]
        writer.write(request)
        await writer.drain()
        if manner is Manner.cut_while_reading:
            await reader.read(self._random.randint(1, 100))
        else:
            await asyncio.sleep(self._random.random() * LATE_SECONDS)
        # Without a goodbye, as a phone that loses its network.
        writer.transport.abort()

    def _lines(self) -> list[dict[str, Any]]:
        chosen = self._random.sample(self._goods, self._random.randint(1, 3))
        return [{"sku_id": good.sku, "quantity": good.pack * self._random.randint(1, 2)} for good in chosen]

    def _basket(self, key: str, method: str) -> dict[str, Any]:
        return {"lines": self._lines(), "payment_method": method, "ship_to": {**SHIP_TO, "address": ADDRESS + key}}

    async def _order(self, key: str) -> Write:
        method = self._random.choice(("cod", "manual_transfer"))
        return Write("order", key, self.tokens.consumer, "/v1/orders", self._basket(key, method), 201)

    async def _bulk(self, key: str) -> Write:
        body = self._basket(key, "terms") | {
            "organization_id": self._organization, "po_number": key, "deliver_on": self._delivery,
        }  # fmt: skip
        return Write("bulk order", key, self.tokens.hotel, "/v1/bulk-orders", body, 201)

    async def _placed(self, key: str, method: str) -> Any:
        """An order to do something with; it has to be there once as well."""
        body = self._basket(f"{key}-first", method)
        write = Write("order", f"{key}-first", self.tokens.consumer, "/v1/orders", body, 201)
        answer = await self._repeat(write, 1)
        self.writes.append(Sent(write, answer))
        return answer

    async def _cancel(self, key: str) -> Write:
        order = await self._placed(key, "cod")
        path = f"/v1/orders/{order['id']}/cancel"
        return Write("cancel", key, self.tokens.consumer, path, {"reason": key}, 200, {"order": order})

    async def _payment(self, key: str) -> Write:
        order = await self._placed(key, "manual_transfer")
        extra = self._random.choice((0, OVERPAID))
        body = {"amount": {"amount": order["total"]["amount"] + extra, "currency": "IDR"}, "reference": f"UJI-{key}"}
        path = f"/v1/orders/{order['id']}/payments"
        return Write("payment", key, self.tokens.office, path, body, 201, {"order": order, "extra": extra})

    async def _accept(self, key: str) -> Write:
        order = await self._placed(key, "cod")
        part = order["vendor_orders"][0]
        return Write(
            "accept", key, self.tokens.vendor, f"/v1/vendor-orders/{part['id']}/accept", {}, 200, {"part": part}
        )

    async def _reject(self, key: str) -> Write:
        order = await self._placed(key, "cod")
        part = order["vendor_orders"][0]
        body = {"reason": self._random.choice(("out_of_stock", "other"))}
        return Write(
            "reject", key, self.tokens.vendor, f"/v1/vendor-orders/{part['id']}/reject", body, 200, {"part": part}
        )

    async def _batch(self, key: str) -> Write:
        rows = [
            {"sku_id": good.sku, "delta": self._random.randint(1, 5), "device_id": key, "sequence": place}
            for place, good in enumerate(self._random.sample(self._goods, BATCH_ROWS))
        ]
        body = {"mode": self._random.choice(("partial", "atomic")), "rows": rows}
        return Write("stock batch", key, self.tokens.vendor, "/v1/stock/batch", body, 200, {"rows": rows})

    async def _delta(self, key: str) -> Write:
        good = self._random.choice(self._goods)
        row = {"delta": self._random.randint(1, 5), "device_id": key, "sequence": 0}
        about = {"rows": [{**row, "sku_id": good.sku}]}
        return Write("delta", key, self.tokens.vendor, f"/v1/stock/{good.sku}", row, 200, about, "PATCH")
