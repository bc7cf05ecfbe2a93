"""What a load needs of the market: who calls, what can be bought in any amount, and whose stock is changed."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from itertools import repeat
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

import asyncpg
import httpx

from benchmarks.grounds import Grounds
from benchmarks.load import LoadFailed, http_request
from demo.accounts import CONSUMER, HOTEL, PASSWORD, VENDOR
from ishop.child_process import LOOPBACK
from ishop.clock import business_date, now

CROWD: Final = 64
"""People who sign in at once, where memory is measured: a hash takes 64 MiB."""
SIGNED_IN_SECONDS: Final = 120.0
"""By then all of them must be; two hashes for each take a laptop a quarter of that."""
PLENTY: Final = 100_000_000
BATCH_ROWS: Final = 10_000
CERTIFIED_DAYS: Final = 60


@dataclass(frozen=True, slots=True)
class SignIns:
    """What came of people who signed in at once, all of whom are in at the end."""

    people: int
    at_once: int
    """Whose first try was answered 200."""
    sent_away: int
    """Tries that were answered 503, each of which was made again after Retry-After."""
    seconds: float
    """From the first try to the last answer."""

    def __str__(self) -> str:
        """In words."""
        return (
            f"{self.people} people signed in at once and were all in after {self.seconds:.1f} s: {self.at_once} at the "
            f"first try, the others after 503 with Retry-After, {self.sent_away} in all"
        )


@dataclass(frozen=True, slots=True)
class Offer:
    """A sku that can be ordered, and the least of it that can."""

    sku_id: UUID
    quantity: int


@dataclass(frozen=True, slots=True)
class Supplies:
    """Tokens live for ten minutes, longer than a run."""

    products: tuple[str, ...]
    """Ids and slugs."""
    offers: tuple[Offer, ...]
    stock_skus: tuple[UUID, ...]
    """10,000 skus of the vendor that signs in."""
    consumer: str
    hotel: str
    vendor: str
    organization_id: str


async def gather(grounds: Grounds) -> Supplies:
    """Sign in, restock everything, and give the vendor as many skus as a batch has rows."""
    url = f"http://{LOOPBACK}:{grounds.market.port}"
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        tokens = [await sign_in(client, email) for email in (CONSUMER, HOTEL, VENDOR)]
        hotel, vendor = [await _me(client, token) for token in tokens[1:]]
    connection = await asyncpg.connect(grounds.superuser_dsn)
    try:
        await connection.execute(RESTOCK, PLENTY)
        stock_skus = await connection.fetch(ADD_SKUS, UUID(vendor["vendors"][0]["id"]), BATCH_ROWS)
        certified_until = business_date(now()) + timedelta(days=CERTIFIED_DAYS)
        offers = await connection.fetch(OFFERS, certified_until)
        products = await connection.fetch(PRODUCTS)
        await connection.execute("CREATE SCHEMA bench")
        await connection.execute("CREATE TABLE bench.skus (place integer PRIMARY KEY, sku_id uuid NOT NULL)")
        await connection.copy_records_to_table(
            "skus", schema_name="bench", records=[(place, row["sku_id"]) for place, row in enumerate(offers)]
        )
        await connection.execute("GRANT USAGE ON SCHEMA bench TO PUBLIC")
        await connection.execute("GRANT SELECT ON bench.skus TO PUBLIC")
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
    return Supplies(
        products=tuple(name for row in products for name in row),
        offers=tuple(Offer(row["sku_id"], row["quantity"]) for row in offers),
        stock_skus=tuple(row[0] for row in stock_skus),
        consumer=tokens[0],
        hotel=tokens[1],
        vendor=tokens[2],
        organization_id=hotel["organizations"][0]["id"],
    )


def sign_ins() -> Iterator[bytes]:
    """The consumer signs in, again and again."""
    form = urlencode({"grant_type": "password", "username": CONSUMER, "password": PASSWORD})
    return repeat(http_request("POST", "/v1/auth/token", form=form))


async def crowd(port: int) -> SignIns:
    """CROWD people sign in at the same moment. Who is sent away comes back when he is told to, until all are in."""
    form = {"grant_type": "password", "username": CONSUMER, "password": PASSWORD}
    limits = httpx.Limits(max_connections=CROWD)
    url = f"http://{LOOPBACK}:{port}/v1/auth/token"
    began = time.monotonic()

    async def person(client: httpx.AsyncClient) -> int:
        """How often this one was sent away."""
        sent_away = 0
        while (answer := await client.post(url, data=form)).status_code != HTTPStatus.OK:
            if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE or "Retry-After" not in answer.headers:
                raise LoadFailed(f"Someone of {CROWD} who signed in at once was answered {answer.status_code}.")
            sent_away += 1
            await asyncio.sleep(int(answer.headers["Retry-After"]))
        return sent_away

    try:
        async with (
            asyncio.timeout(SIGNED_IN_SECONDS),
            httpx.AsyncClient(trust_env=False, timeout=60, limits=limits) as client,
        ):
            sent_away = await asyncio.gather(*(person(client) for _ in range(CROWD)))
    except TimeoutError as error:
        raise LoadFailed(f"{CROWD} people could not sign in within {SIGNED_IN_SECONDS:.0f} s.") from error
    at_once = sum(times == 0 for times in sent_away)
    return SignIns(len(sent_away), at_once, sum(sent_away), time.monotonic() - began)


async def sign_in(client: httpx.AsyncClient, email: str) -> str:
    """The access token of a demo account."""
    form = {"grant_type": "password", "username": email, "password": PASSWORD}
    answer = (await client.post("/v1/auth/token", data=form)).raise_for_status()
    return str(answer.json()["access_token"])


async def _me(client: httpx.AsyncClient, token: str) -> dict[str, list[dict[str, str]]]:
    answer = await client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    body: dict[str, list[dict[str, str]]] = answer.raise_for_status().json()
    return body


PRODUCTS: Final = "SELECT product_id::text, slug FROM catalog.product_documents ORDER BY product_id"

RESTOCK: Final = """
WITH restocked AS (
    UPDATE vendors.stock SET on_hand = on_hand + $1, version = version + 1 RETURNING sku_id, vendor_id
)
INSERT INTO vendors.stock_movements (sku_id, vendor_id, kind, on_hand_change, reserved_change)
SELECT sku_id, vendor_id, 'count', $1, 0 FROM restocked
"""

ADD_SKUS: Final = """
WITH added AS (
    INSERT INTO vendors.stock (sku_id, vendor_id, on_hand)
    SELECT uuidv7(), $1, 1000 FROM generate_series(1, $2) RETURNING sku_id, vendor_id, on_hand
), moved AS (
    INSERT INTO vendors.stock_movements (sku_id, vendor_id, kind, on_hand_change, reserved_change)
    SELECT sku_id, vendor_id, 'opening', on_hand, 0 FROM added
)
SELECT sku_id FROM added
"""

OFFERS: Final = """
SELECT sku_id, ceil(min_quantity::numeric / order_multiple)::integer * order_multiple AS quantity
FROM catalog.offers_v1 WHERE certified_until >= $1 ORDER BY sku_id
"""
