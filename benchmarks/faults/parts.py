"""The market as processes: PostgreSQL under our supervisor, every `ishop serve` and, where wanted, Meilisearch, on free
loopback ports.
"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
import asyncpg
from pydantic import SecretStr

from benchmarks.grounds import ISHOP, STOP_STEPS, GroundsFailed, run_program, start_program
from demo.accounts import create_accounts
from demo.market import build_market
from ishop import migrations
from ishop.child_process import LOOPBACK, choose_port, log_end, stop_child
from ishop.home import load_secrets
from ishop.meili_process import EmbeddedMeilisearch
from ishop.postgres import EmbeddedPostgres
from ishop.roles import bootstrap
from ishop.settings import Role, Settings

SERVICES: Final = ("catalog", "vendors", "orders")
WORKER: Final = "worker"
PROCESSES: Final = (*SERVICES, WORKER, "gateway")
POSTGRES: Final = "postgres"
MEILISEARCH: Final = "meilisearch"
IN_ONE_PROCESS: Final = (WORKER, "market")
DOORS: Final = ("gateway", "market")
VENDORS, PRODUCTS = 40, 240
READY_SECONDS: Final = 120.0
POLL_SECONDS: Final = 0.05


def kind(part: str) -> str:
    """What a part is: `market-2` is a second `market`."""
    return part.partition("-")[0]


@dataclass
class Parts:
    """The processes of one market. Every part may be killed and started again, at the same address."""

    postgres: EmbeddedPostgres
    meilisearch: EmbeddedMeilisearch | None
    settings: Settings
    directory: Path
    environment: Mapping[str, str]
    http: aiohttp.ClientSession
    ports: Mapping[str, int]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def urls(self) -> list[str]:
        """The addresses of the doors: of the gateways, or of the whole market where it is one process."""
        return [f"http://{LOOPBACK}:{port}" for part, port in self.ports.items() if kind(part) in DOORS]

    @property
    def url(self) -> str:
        """The address of the first door."""
        return self.urls[0]

    @property
    def database(self) -> str:
        """The market's database, as the superuser."""
        return self.postgres.superuser_dsn.rpartition("/")[0] + f"/{self.settings.database_name}"

    @property
    def all(self) -> tuple[str, ...]:
        """Every part that may be killed."""
        return (*self.ports, *self._supervised)

    def start(self, part: str) -> None:
        """Start one of PROCESSES, or one more of its kind; whether it is ready is asked with `ready`."""
        self.running[part] = start_program(
            [ISHOP, "serve", kind(part)], self.log(part), {**self.environment, "ISHOP_PORT": str(self.ports[part])}
        )

    def log(self, part: str) -> Path:
        """What the process wrote."""
        return self.directory / f"{part}.log"

    def send(self, part: str, number: signal.Signals) -> None:
        """Send a signal to one of the parts."""
        server = self._supervised.get(part)
        os.kill(self.running[part].pid if server is None else server.pid, number)

    async def end(self, part: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send the signal and see that the part is gone."""
        self.send(part, number)
        if part == POSTGRES:
            await self.postgres.wait()
        elif part in self._supervised:
            await self._supervised[part].stop()
        else:
            await asyncio.to_thread(self.running[part].wait)

    async def start_again(self, part: str) -> None:
        """Start what was killed."""
        server = self._supervised.get(part)
        if server is None:
            self.start(part)
        else:
            await server.stop()
            await server.start()

    async def ready(self, part: str) -> bool:
        """Whether the part itself says that it can serve."""
        if part == POSTGRES:
            return await _connects(self.database)
        if self.meilisearch is not None and part == MEILISEARCH:
            return await self._status(f"{self.meilisearch.url}/health") == "available"
        return await self._status(f"http://{LOOPBACK}:{self.ports[part]}/readyz") == "ok"

    async def reindex(self) -> None:
        """Fill the search index, as an operator does."""
        await run_program([ISHOP, "reindex"], self.log("reindex"), 120, self.environment)

    async def wait_until_ready(self, *parts: str) -> float:
        """Wait for all of `parts`; the moment when the last was ready."""
        for part in parts:
            deadline = time.monotonic() + READY_SECONDS
            while not await self.ready(part):
                process = self.running.get(part)
                if time.monotonic() > deadline or (process is not None and process.poll() is not None):
                    raise GroundsFailed(f"{part} is not ready; its log ends with:\n{log_end(self.log(part))}")
                await asyncio.sleep(POLL_SECONDS)
        return time.monotonic()

    async def doctor(self) -> str:
        """What `ishop doctor` says, run as an operator runs it; raises GroundsFailed where it finds something."""
        return await run_program([ISHOP, "doctor"], self.log("doctor"), 120, self.environment)

    @property
    def _supervised(self) -> Mapping[str, EmbeddedPostgres | EmbeddedMeilisearch]:
        """What has a supervisor of its own and is no process of ours."""
        search = {} if self.meilisearch is None else {MEILISEARCH: self.meilisearch}
        return {POSTGRES: self.postgres, **search}

    async def _status(self, url: str) -> str:
        try:
            async with self.http.get(url, timeout=aiohttp.ClientTimeout(total=5)) as answer:
                return str((await answer.json(content_type=None)).get("status"))
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return ""


async def _connects(dsn: str) -> bool:
    """Whether a connection can be made and answers."""
    try:
        connection = await asyncpg.connect(dsn, timeout=2)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        return False
    await connection.close()
    return True


@asynccontextmanager
async def opened(
    home: Path, processes: Sequence[str] = PROCESSES, *, meilisearch: bool = False
) -> AsyncIterator[Parts]:
    """A small demo market that runs as PostgreSQL and these processes; stopped at the end.

    With `meilisearch` it searches with that, in an index that is filled; without, in PostgreSQL.
    """
    async with AsyncExitStack() as servers:
        http = await servers.enter_async_context(aiohttp.ClientSession())
        postgres = await servers.enter_async_context(EmbeddedPostgres(home, progress=lambda _: None))
        secrets = load_secrets(home)
        local = Settings(_env_file=None, database_port=postgres.port, **secrets.settings)
        await _build(postgres, local)
        ports = {name: choose_port(home.parent / f"{name}.port") for name in processes}
        environment = {
            "ISHOP_DATABASE_HOST": LOOPBACK,
            "ISHOP_DATABASE_PORT": str(postgres.port),
            **{f"ISHOP_{name.upper()}_PASSWORD": password for name, password in secrets.role_passwords.items()},
            "ISHOP_SIGNING_KEY": secrets.signing_key,
            "ISHOP_RATE_LIMITS": "off",
            "ISHOP_METRICS_PORT": "0",
            **{f"ISHOP_{name.upper()}_URL": f"http://{LOOPBACK}:{ports[name]}" for name in SERVICES if name in ports},
        }
        search = None
        if meilisearch:
            server = EmbeddedMeilisearch(home, secrets.meili_key, progress=lambda _: None)
            search = await servers.enter_async_context(server)
            environment |= {"MEILI_URL": search.url, "MEILI_MASTER_KEY": secrets.meili_key}
            local = local.model_copy(update={"meili_url": search.url, "meili_key": SecretStr(secrets.meili_key)})
        parts = Parts(postgres, search, local, home.parent, environment, http, ports)
        with _ended(parts):
            for part in reversed(processes):  # The gateway first: none may need another to start.
                parts.start(part)
            if search is not None:
                await parts.reindex()
            await parts.wait_until_ready(*processes)
            yield parts
            await asyncio.gather(*(stop_child(process, STOP_STEPS) for process in parts.running.values()))


async def _build(postgres: EmbeddedPostgres, local: Settings) -> None:
    """A migrated database with a small demo market and its accounts."""
    migrator = local.database_dsn(Role.migrator)
    await bootstrap(postgres.superuser_dsn, local.database_name, local.passwords())
    await asyncio.to_thread(migrations.upgrade, migrator)
    await build_market(migrator, vendors=VENDORS, products=PRODUCTS, progress=lambda *_: None)
    connection = await asyncpg.connect(migrator)
    try:
        await create_accounts(connection)
    finally:
        await connection.close()


@contextmanager
def _ended(parts: Parts) -> Iterator[None]:
    try:
        yield
    finally:
        for process in parts.running.values():
            if process.poll() is None:
                process.kill()
                process.wait()
