"""The market of docker-compose.yml runs: with the .env of `make secrets`, in production, and as the demo market."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest
from dotenv import dotenv_values

from demo.accounts import CONSUMER, PASSWORD
from demo.scenario import play
from ishop import env_file
from ishop.child_process import LOOPBACK
from ishop.settings import Role
from tests.conftest import MEILISEARCH_MISSING
from tests.deploy.composition import TEMPLATE, Composition
from tests.deploy.engine import Engine, EngineFailed
from tests.ishop.homes import process_user, temporary_home

PARTS_TO_REST = ("gateway", "worker", "orders", "vendors", "catalog")
"""What must not run while a backup is put back."""

BY_HAND = {"ISHOP_MAIL_URL": "mailbox", "ISHOP_PUBLIC_URL": "https://pasar.test"}
"""What `make secrets` leaves to the operator."""


@asynccontextmanager
async def running(**by_hand: str) -> AsyncIterator[Engine]:
    """A market that is up, made as an operator makes it."""
    with temporary_home() as place:
        place.mkdir(mode=0o755)
        left = env_file.write(TEMPLATE, place / ".env")
        assert set(left) == BY_HAND.keys()
        engine = Engine(Composition(dotenv_values(place / ".env", interpolate=False) | BY_HAND | by_hand), place)
        try:
            await engine.up()
            await whole_market_is_ready(engine)
            yield engine
        finally:
            await engine.down()


async def whole_market_is_ready(engine: Engine) -> None:
    """Return once the gateway has seen every service: it is healthy before, and keeps its last look for a while."""
    async with httpx.AsyncClient(base_url=engine.url("gateway"), trust_env=False) as client, asyncio.timeout(60):
        while (await client.get("/readyz")).json()["status"] != "ok":  # noqa: ASYNC110 - another process tells.
            await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
async def production() -> AsyncIterator[Engine]:
    async with running() as engine:
        yield engine


def environment_of(pid: int) -> dict[str, str]:
    """The environment that a process was started with, as the system knows it."""
    with open(f"/proc/{pid}/environ") as file:  # noqa: PTH123 - a file without a size.
        pairs = (entry.partition("=") for entry in file.read().split("\0") if entry)
        return {name: value for name, _, value in pairs}


def secret_names(environment: Mapping[str, str]) -> set[str]:
    return {name for name in environment if name.endswith(("_PASSWORD", "_DSN", "_KEY"))}


async def sign_in(url: str, email: str, password: str) -> httpx.AsyncClient:
    """A client signed in at the door; the caller closes it."""
    client = httpx.AsyncClient(base_url=url, trust_env=False)
    form = {"grant_type": "password", "username": email, "password": password}
    token = (await client.post("/v1/auth/token", data=form)).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return client


async def test_whole_market_is_ready(production: Engine) -> None:
    async with httpx.AsyncClient(base_url=production.url("gateway"), trust_env=False) as client:
        ready = await client.get("/readyz")
        assert ready.json()["upstreams"].keys() >= {"catalog", "vendors", "orders", "identity"}
        assert (await client.get("/v1/search/products", params={"q": "gula"})).json()["hits"] == []
        assert "strict-transport-security" in ready.headers


async def test_each_process_knows_only_its_own_secrets(production: Engine) -> None:
    for name, process in production.processes.items():
        given = production.composition.services[name]["environment"]
        found = environment_of(process.pid)
        assert secret_names(found) == secret_names(given), name
        for variable in secret_names(given):
            assert found[variable] == given[variable]
    orders = environment_of(production.processes["orders"].pid)
    assert secret_names(orders) == {"ISHOP_ORDERS_PASSWORD"}


async def test_processes_run_as_a_user_without_power(production: Engine) -> None:
    if not production.runs_as_the_user_of_the_file:
        pytest.skip("USERS NOT TESTED: only root can start processes of others, in a checkout that others can read.")
    for name, process in production.processes.items():
        user = process_user(process.pid)
        assert user["Uid:"] == ["10001"] * 4, name
        assert user["Groups:"] in ([], ["10001"]), name
        assert int(user["CapEff:"][0], 16) == 0, name


async def test_password_of_another_role_is_refused(production: Engine) -> None:
    migrate = production.composition.services["migrate"]["environment"]
    for role, other in itertools.product(Role, Role):
        address = {"host": LOOPBACK, "port": production.postgres.port, "user": str(role), "database": "ishop"}
        if role is other:
            await (await asyncpg.connect(**address, password=migrate[other.variable])).close()
        else:
            with pytest.raises(asyncpg.InvalidPasswordError):
                await asyncpg.connect(**address, password=migrate[other.variable])


async def test_service_with_the_password_of_another_never_becomes_ready(production: Engine) -> None:
    vendors = production.composition.services["vendors"]["environment"]["ISHOP_VENDORS_PASSWORD"]
    changed = await production.start_changed("orders", {"ISHOP_ORDERS_PASSWORD": vendors})
    try:
        async with httpx.AsyncClient(base_url=production.url(changed), trust_env=False) as client:
            async with asyncio.timeout(60):
                while True:
                    try:
                        assert (await client.get("/healthz")).status_code == 200
                        break
                    except httpx.TransportError:
                        await asyncio.sleep(0.1)
            assert (await client.get("/readyz")).status_code == 503
        assert not await production.is_healthy(changed)
        assert await production.is_healthy("orders")
    finally:
        await production.stop(changed)


async def test_operator_makes_the_first_administrator(production: Engine) -> None:
    email, password = "kepala@dinas.test", "sandi-yang-panjang-sekali"
    await production.run("migrate", "accounts", "create", email, "--name", "Kepala Dinas", typed=f"{password}\n")
    await production.run("migrate", "accounts", "grant", email, "admin")
    assert email in await production.run("migrate", "accounts", "list")
    client = await sign_in(production.url("gateway"), email, password)
    me = (await client.get("/v1/me")).json()
    await client.aclose()
    assert (me["email"], me["roles"], me["confirmed"]) == (email, ["consumer", "admin"], True)
    with pytest.raises(EngineFailed, match="has an account already"):
        await production.run("migrate", "accounts", "create", email, "--name", "Kepala Dinas", typed=f"{password}\n")


async def test_demo_market_plays_the_scenario_and_stops_in_order() -> None:
    async with running(ISHOP_ENV="development") as engine:
        said = await engine.run("migrate", "seed", "--vendors", "40", "--products", "240")
        assert "40 vendors sell 240 products" in said
        await engine.run("migrate", "reindex")
        lines: list[str] = []
        await play(engine.url("gateway"), lines.append)
        assert lines[-1].strip() == "Everything went as promised."
        async with httpx.AsyncClient(base_url=engine.url("gateway"), trust_env=False) as client:
            found = (await client.get("/v1/search/products", params={"q": "gula arn"})).json()
            assert found["engine"] == ("meilisearch" if engine.has_meilisearch else "postgres")
        await engine.run("migrate", "doctor")
        assert "Nothing waits" in await engine.run("migrate", "jobs", "list")
        orders = "/v1/orders"
        consumer = await sign_in(engine.url("gateway"), CONSUMER, PASSWORD)
        placed = await consumer.get(orders)
        assert placed.json()["items"]
        backup = str(engine.temporary("migrate") / "market.backup")
        await engine.run("migrate", "backup", backup)
        for name in PARTS_TO_REST:
            await engine.stop(name)
        await engine.run("migrate", "restore", backup, "--yes")
        await engine.up()
        await whole_market_is_ready(engine)
        restored = await consumer.get(orders)
        assert restored.json() == placed.json()
        await consumer.aclose()
        await engine.down()
        assert {name: engine.exit_codes[name] for name in engine.composition.ours()} == dict.fromkeys(
            engine.composition.ours(), 0
        )
        if not engine.has_meilisearch:
            pytest.skip(MEILISEARCH_MISSING)
