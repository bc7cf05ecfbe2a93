"""The logs of real processes at their most talkative, after a day full of mishaps: no person and no secret is in them.

The scenario puts each private value wherever a caller can put it: bodies, queries, paths, header fields, unknown
fields, wrong types; and makes database, mail server and jobs fail with those values in their errors.
"""

import asyncio
import base64
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from httpx import AsyncClient

from demo.accounts import PASSWORD
from ishop.settings import Role
from tests.databases import Cluster, TestDatabase
from tests.e2e.processes import free_port
from tests.ishop.commands import answered, reaching, running

NIK = "5201014107900001"
NPWP = "09.254.294.3-407.000"
PRIVATE = {
    "name": "Siti Rahmawati",
    "address": "Jalan Pejanggik Gang Melati 17",
    "phone": "081234567890",
    "phone with separators": "0812-3456-7890",
    "international phone": "+6281234567890",
    "spaced phone": "+62 812 3456 7890",
    "email": "siti.rahmawati@surel.example.com",
    "NIK": NIK,
    "NIK with spaces": "520101 410790 0001",
    "NPWP": NPWP,
    "plain NPWP": "092542943407000",
    "bank account": "BNI 0123456789",
    "bank account number": "0123456789",
    "password": "rahasia-Melati-17",
    "wrong password": "salah-Mawar-18",
    "demo password": PASSWORD,
}
SHIP_TO = {
    "name": PRIVATE["name"],
    "phone": PRIVATE["phone"],
    "address": PRIVATE["address"],
    "region_code": "52.71",
    "postal_code": "83121",
}


@dataclass
class Market:
    """The market as processes, the private values that came up, and what was logged."""

    client: AsyncClient
    database: TestDatabase
    private: dict[str, str] = field(default_factory=lambda: dict(PRIVATE))
    logged: str = ""

    async def sign_in(self, email: str, password: str = PASSWORD) -> dict[str, str]:
        """Header fields of a signed-in caller; its tokens are secrets from now on."""
        form = {"grant_type": "password", "username": email, "password": password}
        answer = await self.client.post("/v1/auth/token", data=form)
        assert answer.status_code == 200, answer.text
        self.keep_tokens(answer.json())
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def keep_tokens(self, tokens: dict[str, Any]) -> None:
        """Note tokens, and their parts, as secrets."""
        number = len(self.private)
        _, payload, signature = tokens["access_token"].split(".")
        self.private |= {
            f"access token {number}": tokens["access_token"],
            f"payload {number}": payload,
            f"signature {number}": signature,
            f"refresh token {number}": tokens["refresh_token"],
        }


class RefusingServer:
    """A mail server that says aloud whom it does not know."""

    async def handle_RCPT(  # noqa: N802 - the name is the library's.
        self, _server: SMTP, _session: Session, _envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        return f"550 5.1.1 <{address}> {PRIVATE['name']}, {PRIVATE['address']}, is not known here"


async def restrict(database: TestDatabase, table: str, condition: str) -> None:
    """Let writes to a table fail with the whole row in the error's text."""
    connection = await database.connect(Role.migrator)
    try:
        await connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT ck_trap CHECK ({condition}) NOT VALID")
    finally:
        await connection.close()


@pytest.fixture(scope="module")
async def played(
    cluster: Cluster, market_template: TestDatabase, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Market]:
    """What is left of the day: all that was private, and all that was logged."""
    mail = Controller(RefusingServer(), hostname="127.0.0.1", port=free_port())
    mail.start()
    try:
        async with cluster.clone(market_template) as database:
            yield await _day(database, mail.port, tmp_path_factory.mktemp("day"))
    finally:
        mail.stop()


async def _day(database: TestDatabase, mail_port: int, cwd: Path) -> Market:
    environment = {
        **reaching(database),
        "ISHOP_LOG_LEVEL": "debug",
        "ISHOP_METRICS_PORT": "0",
        "ISHOP_RATE_LIMITS": "off",
        "ISHOP_MAIL_URL": f"smtp://127.0.0.1:{mail_port}",
    }
    async with AsyncExitStack() as stack:
        processes = []
        log = stack.enter_context((cwd / "log").open("wb"))
        for part in ("market", "worker"):
            port = free_port()
            own = {**environment, "ISHOP_PORT": str(port)}
            processes.append(
                await stack.enter_async_context(running("serve", part, cwd=cwd, environment=own, output=log))
            )
            await answered(f"http://127.0.0.1:{port}/healthz")
            if part == "market":
                client = await stack.enter_async_context(
                    AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30)
                )
        market = Market(client, database)
        await _sign_in_right_and_wrong(market)
        await _register(market)
        await _order(market)
        await _keep_stock_and_books(market)
        await _call_by_key(market)
        await _send_nonsense(market)
        await _let_things_fail(market)
        for process in processes:
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    market.logged = (cwd / "log").read_text()
    return market


async def _sign_in_right_and_wrong(market: Market) -> None:
    client = market.client
    await market.sign_in("consumer@demo.test")
    for username, password in (
        ("consumer@demo.test", PRIVATE["wrong password"]),
        (PRIVATE["email"], PRIVATE["password"]),
        (PRIVATE["phone"], PRIVATE["password"]),
        (PRIVATE["password"], PRIVATE["email"]),
    ):
        form = {"grant_type": "password", "username": username, "password": password}
        assert (await client.post("/v1/auth/token", data=form)).status_code == 401
        assert (await client.post("/v1/auth/token", json=form)).status_code == 415
        assert (await client.post("/v1/auth/token", params=form)).status_code >= 400
    form = {"grant_type": "password", "username": "consumer@demo.test", "password": PASSWORD}
    first = (await client.post("/v1/auth/token", data=form)).json()
    market.keep_tokens(first)
    again = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    for _ in range(2):
        market.keep_tokens((await client.post("/v1/auth/token", data=again)).json())
    await client.post("/v1/auth/token", data={**again, "refresh_token": PRIVATE["password"]})


async def _register(market: Market) -> None:
    person = {"email": PRIVATE["email"], "name": PRIVATE["name"], "password": PRIVATE["password"]}
    assert (await market.client.post("/v1/auth/register", json=person)).status_code < 300
    for wrong in (
        {**person, "email": f"{PRIVATE['name']} no address"},
        {**person, "nik": NIK, "npwp": NPWP},
        {**person, "name": {"first": PRIVATE["name"]}},
        {**person, "password": PRIVATE["phone"][:5]},
    ):
        assert (await market.client.post("/v1/auth/register", json=wrong)).status_code == 422
    await market.client.post("/v1/auth/confirm", json={"token": PRIVATE["password"]})


async def _order(market: Market) -> None:
    buyer = await market.sign_in("consumer@demo.test")
    order = await _an_order(market)
    key = {"Idempotency-Key": PRIVATE["email"]}
    first = await market.client.post("/v1/orders", json=order, headers={**buyer, **key})
    assert first.status_code == 201, first.text
    await market.client.post("/v1/orders", json=order, headers={**buyer, **key})
    await market.client.post("/v1/orders", json={**order, "nik": NIK}, headers={**buyer, **key})
    office = await market.sign_in("office@demo.test")
    payment = {"amount": {"amount": 1000, "currency": "IDR"}, "reference": PRIVATE["bank account"]}
    address = f"/v1/orders/{first.json()['id']}/payments"
    for body in (payment, payment, {**payment, "bank_account": PRIVATE["bank account number"]}):
        await market.client.post(address, json=body, headers={**office, "Idempotency-Key": str(uuid4())})
    await market.client.post(f"/v1/orders/{first.json()['id']}/cancel", json={"reason": SHIP_TO}, headers=buyer)


async def _an_order(market: Market) -> dict[str, Any]:
    hits = (await market.client.get("/v1/search/products?q=gula&in_stock=true")).json()["hits"]
    sku = hits[0]["skus"][0]
    line = {"sku_id": sku["id"], "quantity": sku["min_quantity"]}
    return {"lines": [line], "payment_method": "manual_transfer", "ship_to": SHIP_TO}


async def _keep_stock_and_books(market: Market) -> None:
    vendor = await market.sign_in("vendor@demo.test")
    stock = (await market.client.get("/v1/stock", headers=vendor)).json()["items"]
    rows: list[dict[str, Any]] = [
        {"sku_id": row["sku_id"], "delta": 1, "device_id": PRIVATE["phone"], "sequence": place, "reason": text}
        for place, (row, text) in enumerate(zip(stock, PRIVATE.values(), strict=False))
    ]
    rows += [{"sku_id": PRIVATE["NIK"], "count": PRIVATE["phone"]}, {"sku_id": stock[0]["sku_id"], "nik": NIK}]
    headers = {**vendor, "Idempotency-Key": str(uuid4())}
    answer = await market.client.post("/v1/stock/batch", json={"mode": "partial", "rows": rows}, headers=headers)
    assert answer.status_code == 200, answer.text


async def _call_by_key(market: Market) -> None:
    vendor = await market.sign_in("vendor@demo.test")
    me = (await market.client.get("/v1/me", headers=vendor)).json()
    wanted = {"name": "Kasir", "vendor_id": me["vendors"][0]["id"], "scopes": ["stock:read"]}
    made = await market.client.post("/v1/api-keys", json=wanted, headers={**vendor, "Idempotency-Key": str(uuid4())})
    assert made.status_code == 201, made.text
    key = made.json()["key"]
    market.private |= {"API key": key, "secret of the API key": key.rpartition("_")[2]}
    for sent in (key, key[:-1] + "x", key + PRIVATE["NIK"]):
        await market.client.get("/v1/stock", headers={"Authorization": f"Bearer {sent}"})
        await market.client.get(f"/v1/products?cursor={sent}", headers={"Authorization": f"Basic {sent}"})
    market.private["changed API key"] = (key[:-1] + "x").rpartition("_")[2]


async def _send_nonsense(market: Market) -> None:
    buyer = await market.sign_in("consumer@demo.test")
    token = buyer["Authorization"].removeprefix("Bearer ")
    order = await _an_order(market)
    for number, text in enumerate(market.private.values()):
        headers = {**buyer, "Idempotency-Key": str(uuid4())}
        await market.client.get("/v1/search/products", params={"q": text, "unknown": text})
        await market.client.get("/v1/search/suggestions", params={"q": text})
        await market.client.get("/v1/orders", params={"cursor": text}, headers=buyer)
        await market.client.get(f"/v1/products/{text}")
        await market.client.get(f"/nowhere/{text}", headers={"X-Name": text, "Cookie": text, "Forwarded": text})
        await market.client.get("/v1/products", headers={"Accept-Language": text, "Traceparent": text})
        if not any(letter.isalpha() for letter in text):  # A caller's id is made to be seen, but not a person's number.
            await market.client.get("/v1/products", headers={"X-Request-Id": text})
        await market.client.post("/v1/orders", content=f'{{"ship_to": "{text}", broken', headers=headers)
        await market.client.post("/v1/orders", json=text, headers=headers)
        await market.client.post("/v1/orders", json={**order, text: text}, headers=headers)
        lines = [{"sku_id": text, "quantity": text}]
        await market.client.post("/v1/orders", json={**order, "lines": lines}, headers=headers)
        await market.client.post("/v1/orders", data={"text": text}, headers=headers)
        await market.client.post("/v1/auth/token", files={"password": (text, text.encode())})
        await market.client.get("/v1/me", headers={"Authorization": f"Bearer {token}{number}"})
        await market.client.get("/v1/me", headers={"Authorization": text})


async def _let_things_fail(market: Market) -> None:
    buyer = await market.sign_in("consumer@demo.test")
    await restrict(market.database, "orders.orders", "ship_to->>'postal_code' = 'none'")
    await restrict(market.database, "catalog.product_documents", "slug = 'none'")
    headers = {**buyer, "Idempotency-Key": str(uuid4())}
    answer = await market.client.post("/v1/orders", json=await _an_order(market), headers=headers)
    assert answer.status_code == 409, answer.text
    connection: asyncpg.Connection = await market.database.connect(Role.migrator)
    try:
        await connection.execute(
            "UPDATE vendors.vendors SET name = $1 WHERE id IN (SELECT vendor_id FROM catalog.products LIMIT 1)",
            PRIVATE["name"],
        )
        await connection.execute(
            "SELECT ops.emit_v1('vendors.vendor_changed.v1', array_agg(DISTINCT vendor_id::text)) FROM catalog.products"
        )
        async with asyncio.timeout(30):
            while not await connection.fetchval(
                "SELECT count(DISTINCT entrypoint) = 2 FROM ops.pgqueuer WHERE attempts > 0"
            ):
                await connection.execute("SELECT pg_sleep(0.1)")
    finally:
        await connection.close()


def test_the_day_was_as_bad_as_it_should_be(played: Market) -> None:
    lines = [orjson.loads(line) for line in played.logged.splitlines() if line.startswith("{")]
    events = [line["event"] for line in lines]
    requests = [line for line in lines if line["event"] == "request"]
    assert {201, 401, 404, 409, 415, 422} <= {line["status"] for line in requests}
    assert len(requests) > 300
    assert any("failed for" in event and "vendors.vendor_changed" in event for event in events)
    assert any("failed for" in event and "mail" in event for event in events)
    assert any("CheckViolationError" in line.get("exception", "") and "ck_trap" in line["exception"] for line in lines)
    assert any("SMTPRecipientsRefused" in line.get("exception", "") for line in lines)
    assert any(line["level"] == "debug" for line in lines)


@pytest.mark.parametrize("what", [*PRIVATE, "API key", "secret of the API key", "changed API key"])
def test_no_line_has_it(played: Market, what: str) -> None:
    _assert_absent(played, what, played.private[what])


def test_no_line_has_a_token_or_a_part_of_one(played: Market) -> None:
    tokens = {name: value for name, value in played.private.items() if name[-1].isdigit()}
    assert len(tokens) > 20
    for name, value in tokens.items():
        _assert_absent(played, name, value)


def test_every_line_is_one_json_object(played: Market) -> None:
    loose = [line for line in played.logged.splitlines() if not line.startswith("{")]
    assert all("answers at http://127.0.0.1:" in line for line in loose)


def _assert_absent(played: Market, what: str, value: str) -> None:
    variants = {value, value.lower(), base64.b64encode(value.encode()).decode().rstrip("="), value.replace(" ", "%20")}
    for line in played.logged.splitlines():
        text = line.lower()
        for variant in variants:
            if variant.lower() in text:
                place = text.index(variant.lower())
                pytest.fail(f"{what} is in the log: …{line[max(0, place - 200) : place + 100]}…")
