"""A market loses its disk and gets everything back: real processes, real files, orders placed while the backup runs."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import asyncpg
import httpx
import pytest

from ishop.laptop import reached
from ishop.settings import Role, Settings
from tests.e2e.processes import ISHOP, Process
from tests.ishop.homes import temporary_home

BUYERS = 4
SHIP_TO = {
    "name": "Siti",
    "phone": "081234567890",
    "address": "Jl. Pejanggik 1",
    "region_code": "52.71",
    "postal_code": "83121",
}

HALF_ORDERS = """
SELECT o.number FROM orders.orders o
WHERE (SELECT count(*) FROM orders.vendor_orders v WHERE v.order_id = o.id) = 0
   OR EXISTS (SELECT FROM orders.vendor_orders v WHERE v.order_id = o.id
              AND NOT EXISTS (SELECT FROM orders.order_lines l WHERE l.vendor_order_id = v.id))
   OR NOT EXISTS (SELECT FROM orders.transitions t WHERE t.order_id = o.id)
   OR EXISTS (SELECT FROM orders.order_lines l JOIN orders.vendor_orders v ON v.id = l.vendor_order_id
              WHERE v.order_id = o.id AND NOT EXISTS (
                  SELECT FROM vendors.stock_movements m WHERE m.vendor_order_id = v.id AND m.sku_id = l.sku_id))
"""


class Buyer:
    """Places one order after the other and keeps a journal of what was accepted and when."""

    def __init__(self, url: str, token: str, name: str, sku: str) -> None:
        self._client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False
        )
        self._name = name
        self.order = {
            "lines": [{"sku_id": sku, "quantity": 1}], "payment_method": "cod", "ship_to": SHIP_TO,
        }  # fmt: skip
        self.journal: list[tuple[float, str, str]] = []
        """When it was accepted, the key, and the number of the order."""

    def buy_until(self, stop: Event) -> None:
        while not stop.is_set():
            key = f"{self._name}-{len(self.journal)}"
            answer = self._client.post("/v1/orders", json=self.order, headers={"Idempotency-Key": key})
            assert answer.status_code == 201, answer.text
            self.journal.append((time.monotonic(), key, answer.json()["number"]))

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def home() -> Iterator[Path]:
    with temporary_home() as path:
        yield path


def start(home: Path, log: Path) -> Process:
    return Process(home, log, ISHOP_RATE_LIMITS="off")


def sign_in(client: httpx.Client, who: str) -> str:
    form = {"grant_type": "password", "username": f"{who}@demo.test", "password": "ishop-demo"}
    token: str = client.post("/v1/auth/token", data=form).json()["access_token"]
    return token


def plentiful_sku(client: httpx.Client) -> str:
    """A sku that will not run out while the test buys."""
    vendor = sign_in(client, "vendor")
    headers = {"Authorization": f"Bearer {vendor}"}
    seller = client.get("/v1/me", headers=headers).json()["vendors"][0]["id"]
    products = client.get("/v1/products", params={"vendor": seller, "in_stock": True}).json()["items"]
    sku: str = next(s["id"] for p in products for s in p["skus"] if s["min_quantity"] == s["order_multiple"] == 1)
    version = client.get(f"/v1/stock/{sku}", headers=headers).json()["version"]
    counted = client.patch(f"/v1/stock/{sku}", json={"count": 100_000, "expected_version": version}, headers=headers)
    assert counted.status_code == 200, counted.text
    return sku


def rows(home: Path, sql: str) -> list[Any]:
    """Rows of a market that does not run."""

    async def read() -> list[Any]:
        async with reached(Settings(_env_file=None, home=home), lambda _: None) as local:
            connection = await asyncpg.connect(local.database_dsn(Role.migrator))
            found: list[Any] = await connection.fetch(sql)
            await connection.close()
            return found

    return asyncio.run(read())


@dataclass(frozen=True)
class Journal:
    """What the buyers were told: the numbers accepted before the backup began, and while it ran."""

    buyers: list[Buyer]
    before: set[str]
    during: set[str]


def back_up_under_load(market: Process, client: httpx.Client, file: Path) -> Journal:
    """Run `ishop backup` while buyers buy."""
    stop, sku, token = Event(), plentiful_sku(client), sign_in(client, "consumer")
    buyers = [Buyer(str(client.base_url), token, f"buyer-{number}", sku) for number in range(BUYERS)]
    with ThreadPoolExecutor(BUYERS) as pool:
        buying = [pool.submit(buyer.buy_until, stop) for buyer in buyers]
        try:
            time.sleep(1)
            began = time.monotonic()
            backed_up = market.run("backup", str(file))
        finally:
            stop.set()
        for one in buying:
            one.result()
    assert backed_up.returncode == 0, backed_up.stdout + backed_up.stderr
    assert "secrets.json" in backed_up.stdout
    assert file.stat().st_mode & 0o777 == 0o600
    accepted = [entry for buyer in buyers for entry in buyer.journal]
    return Journal(
        buyers,
        {number for moment, _, number in accepted if moment < began},
        {number for moment, _, number in accepted if moment >= began},
    )


def test_a_market_that_lost_its_data_gets_everything_back(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "market.backup"
    first = start(home, tmp_path / "first.log")
    try:
        with first.wait_until_open() as client:
            journal = back_up_under_load(first, client, file)
        while_running = first.run("restore", str(file), "--yes")
        assert (while_running.returncode, "in use" in while_running.stderr) == (1, True)
    finally:
        first.stop()
    assert len(journal.before) > BUYERS
    assert journal.during

    shutil.rmtree(home / "postgres")
    restored = first.run("restore", str(file))  # Without --yes: there is nothing left to lose.
    assert restored.returncode == 0, restored.stdout + restored.stderr
    numbers = {row["number"] for row in rows(home, "SELECT number FROM orders.orders")}
    assert journal.before <= numbers
    assert numbers - journal.before <= journal.during
    assert rows(home, HALF_ORDERS) == []

    second = start(home, tmp_path / "second.log")
    try:
        with second.wait_until_open() as client:
            bearer = {"Authorization": f"Bearer {sign_in(client, 'consumer')}"}
            for buyer in journal.buyers:
                _, key, number = buyer.journal[0]
                again = client.post("/v1/orders", json=buyer.order, headers={"Idempotency-Key": key, **bearer})
                assert (again.status_code, again.json()["number"]) == (201, number)
                assert again.headers["idempotency-replayed"] == "true"
                buyer.close()
            assert client.get("/v1/search/products", params={"q": "gula arn"}).json()["total"] > 0
        examined = second.run("doctor")
        assert examined.returncode == 0, examined.stdout
    finally:
        second.stop()


def test_nothing_changes_when_a_backup_is_no_good_or_the_power_fails(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "market.backup"
    market = start(home, tmp_path / "market.log")
    try:
        market.wait_until_open().close()
        assert market.run("backup", str(file)).returncode == 0
        there_already = market.run("backup", str(file))
        assert (there_already.returncode, "--force" in there_already.stderr) == (1, True)
    finally:
        market.stop()
    products = rows(home, "SELECT count(*) FROM catalog.products")

    whole = file.read_bytes()
    damaged = bytearray(whole)
    damaged[len(damaged) // 2] ^= 1
    newer = tmp_path / "newer"
    with tarfile.open(file) as old, tarfile.open(newer, "w") as changed:
        for member in old.getmembers():
            data = old.extractfile(member)
            assert data is not None
            text = data.read()
            if member.name == "manifest.json":
                text = json.dumps({**json.loads(text), "revision": "9999"}).encode()
                member.size = len(text)
            with (tmp_path / "part").open("w+b") as part:
                part.write(text)
                part.seek(0)
                changed.addfile(member, part)
    for name, content, said in (
        ("cut off", whole[: len(whole) // 2], "cut off"),
        ("damaged", bytes(damaged), "damaged"),
        ("something else", b"PK\x03\x04" * 1000, "no backup"),
        ("newer", newer.read_bytes(), "newer"),
    ):
        bad = tmp_path / "bad.backup"
        bad.write_bytes(content)
        refused = market.run("restore", str(bad), "--yes")
        assert refused.returncode == 1, name
        assert said in refused.stderr, (name, refused.stderr)
        assert "Traceback" not in refused.stderr
    without_yes = market.run("restore", str(file))
    assert (without_yes.returncode, "--yes" in without_yes.stderr) == (1, True)
    assert rows(home, "SELECT count(*) FROM catalog.products") == products

    # The power fails in the midst of it: as soon as the database beside the old one is there, everything is killed.
    process = subprocess.Popen(  # noqa: S603 - our own program.
        [ISHOP, "restore", file, "--yes"], env=market.environment, start_new_session=True, stdout=subprocess.DEVNULL
    )
    cluster = home / "postgres" / "base"
    databases = len(list(cluster.iterdir()))
    deadline = time.monotonic() + 60
    while len(list(cluster.iterdir())) == databases and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)  # Not while the database is being made, which would take it away again.
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(list(cluster.iterdir())) > databases
    assert rows(home, "SELECT count(*) FROM catalog.products") == products

    assert market.run("restore", str(file), "--yes").returncode == 0
    assert rows(home, "SELECT count(*) FROM catalog.products") == products
    assert len(list(cluster.iterdir())) == databases
