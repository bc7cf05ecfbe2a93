"""Plays `docker compose` where no container engine can run: the same commands, users, environment, health checks and
order, as plain processes of this machine.

PostgreSQL is the one of the wheel, Meilisearch the program on PATH where there is one. What only a container can do
(networks, read-only file systems, limits) is left to tests/deploy/test_compose.py. The names of services become ports
of the loopback address, and `ISHOP_DATABASE_PORT` is added, since the database cannot have the port that all know.
"""

import asyncio
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dockerfile_parse import DockerfileParser

from ishop.child_process import LOOPBACK, choose_port, log_end, start_child, stop_child, wait_for_end
from ishop.home import Account, blocking_parent, load_secrets
from ishop.meili_process import find_meilisearch
from ishop.postgres import EmbeddedPostgres, programs
from tests.deploy.composition import ROOT, Composition, is_one_shot, seconds, waits_for

SERVER_SETTING: Final = re.compile(r"(\w+)=(\w+)")
ADDRESS: Final = re.compile(r"(?<=[/@])([a-z]+):\d+(?=/|$)")
"""Host and port, and not user and password, which an address holds in the same form."""

HEALTHY_SECONDS: Final = 90
HEALTH_INTERVAL_SECONDS: Final = 0.5
ONE_SHOT_SECONDS: Final = 120
KILL_SECONDS: Final = 5
BIN: Final = Path(sys.executable).parent


NOT_NEEDED: Final = shutil.ignore_patterns("test", "site-packages", "idlelib", "ensurepip", "config-*", "*.a")


class EngineFailed(Exception):
    """A service did not do what others wait for."""


class Engine:
    """The services of a composition as processes, with everything they write below `place`."""

    def __init__(self, composition: Composition, place: Path) -> None:
        self.composition: Final = composition
        self.place: Final = place
        self.processes: Final[dict[str, subprocess.Popen[bytes]]] = {}
        self.exit_codes: Final[dict[str, int]] = {}
        self.has_meilisearch: Final = find_meilisearch() is not None
        self._image: Final = DockerfileParser(str(ROOT / "deploy" / "Dockerfile")).envs
        self._ports: Final[dict[str, int]] = {}
        self._postgres: EmbeddedPostgres | None = None
        self._python: Final = self._reachable_python()

    @property
    def runs_as_the_user_of_the_file(self) -> bool:
        """Whether we can become that user, and it can read this checkout."""
        return self._account("gateway") is not None

    def url(self, name: str) -> str:
        """Where a service answers."""
        return f"http://{LOOPBACK}:{self._ports[name]}"

    @property
    def postgres(self) -> EmbeddedPostgres:
        """The running database server."""
        assert self._postgres is not None
        return self._postgres

    async def up(self) -> None:
        """`docker compose up --wait`: start what does not run, in order, once the conditions that it waits for hold."""
        for name in self.composition.services.keys() - self._ports.keys():
            self._make_room(name)
        for name in self.composition.start_order():
            if self.composition.services[name].get("profiles"):
                continue  # Nobody asked for it; tests/gateway runs against a real one.
            if name in self.processes or (name == "postgres" and self._postgres is not None):
                continue
            for other, condition in waits_for(self.composition.services[name]).items():
                if condition == "service_healthy":
                    await self.wait_until_healthy(other)
                elif condition == "service_completed_successfully" and self.exit_codes.get(other) != 0:
                    raise EngineFailed(f"{name} cannot start: {other} ended with {self.exit_codes.get(other)}")
            await self._start(name)
        for name in self.composition.services:
            if name in self.processes:
                await self.wait_until_healthy(name)

    async def down(self) -> None:
        """`docker compose down`: stop everything, dependents first, with SIGTERM and then the time each is given."""
        for name in reversed(self.composition.start_order()):
            await self.stop(name)
        if self._postgres is not None:
            await self._postgres.stop()
            self._postgres = None

    async def run(self, name: str, *arguments: str, typed: str = "") -> str:
        """`docker compose run --rm NAME ...`: another command in the container of a service; what it printed."""
        account = self._account(name)
        user: dict[str, Any] = {}
        if account is not None:
            user = {"user": account.uid, "group": account.gid, "extra_groups": []}
        process = await asyncio.create_subprocess_exec(
            self._python, BIN / "ishop", *arguments, env=self.environment(name), cwd="/", **user,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            async with asyncio.timeout(ONE_SHOT_SECONDS):
                said, _ = await process.communicate(typed.encode())
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode != 0:
            raise EngineFailed(f"{name} {' '.join(arguments)} failed:\n{said.decode()}")
        return said.decode()

    async def is_healthy(self, name: str) -> bool:
        """Run the health check of the file once."""
        test = [self._rewritten(word) for word in self.composition.services[name]["healthcheck"]["test"][1:]]
        environment = self.environment(name) if name in self.composition.ours() else {"PATH": os.environ["PATH"]}
        if name == "postgres":
            test = [str(programs() / test[0]), *test[1:], "--port", str(self.postgres.port)]
        elif test[0] == "python":
            test[0] = str(self._python)
        else:
            test[0] = shutil.which(test[0]) or test[0]
        log = self.place / name / "health.log"
        checked = start_child(
            test, log=log, death_signal=signal.SIGKILL, account=self._account(name), environment=environment
        )
        return await wait_for_end(checked, HEALTHY_SECONDS) and checked.returncode == 0

    async def wait_until_healthy(self, name: str) -> None:
        """Repeat the health check until it passes; raises EngineFailed when the process ends or takes too long."""
        deadline = time.monotonic() + HEALTHY_SECONDS
        while not await self.is_healthy(name):
            process = self.processes.get(name)
            if time.monotonic() > deadline or (process is not None and process.poll() is not None):
                raise EngineFailed(f"{name} is not healthy:\n{log_end(self._log(name))}")
            await asyncio.sleep(HEALTH_INTERVAL_SECONDS)

    def environment(self, name: str) -> dict[str, str]:
        """What a process of ours finds: what the image sets, what the file gives it, and where things are here."""
        given = self.composition.services[name]["environment"]
        return {
            **self._image,
            "PATH": f"{BIN}:{os.defpath}",
            "PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}",
            "LD_LIBRARY_PATH": str(self._python.parents[1] / "lib"),
            "TMPDIR": str(self.temporary(name)),
            **{variable: self._rewritten(value) for variable, value in given.items()},
            "ISHOP_HOST": LOOPBACK,
            "ISHOP_METRICS_HOST": LOOPBACK,
            "ISHOP_PORT": str(self._ports[name]),
            "ISHOP_DATABASE_HOST": LOOPBACK,
            "ISHOP_DATABASE_PORT": str(self.postgres.port),
        }

    async def start_changed(self, name: str, changed: Mapping[str, str]) -> str:
        """Start a service once more with a changed environment; the name that the second one has."""
        service = self.composition.services[name]
        copy = f"{name}-changed"
        self.composition.services[copy] = {**service, "environment": {**service["environment"], **changed}}
        self._make_room(copy)
        await self._start(copy)
        return copy

    def temporary(self, name: str) -> Path:
        """The one directory that a process of ours may write to."""
        directory = self.place / name / "tmp"
        if not directory.exists():
            directory.mkdir()
            account = self._account(name)
            if account is not None:
                os.chown(directory, account.uid, account.gid)
        return directory

    async def stop(self, name: str) -> None:
        """Stop one service with SIGTERM, and with SIGKILL after the time that it is given."""
        process = self.processes.pop(name, None)
        if process is not None:
            grace = seconds(self.composition.services[name].get("stop_grace_period", "10s"))
            await stop_child(process, [(signal.SIGTERM, grace), (signal.SIGKILL, KILL_SECONDS)])
            self.exit_codes[name] = process.returncode

    async def _start(self, name: str) -> None:
        service = self.composition.services[name]
        if name == "postgres":
            await self._start_postgres(service)
        elif name == "meilisearch-volume":
            self._hand_over_volume(service)
        elif name == "meilisearch":
            self._start_meilisearch(service)
        else:
            self.processes[name] = self._start_ours(name, service["command"], self._log(name))
            if is_one_shot(service):
                process = self.processes.pop(name)
                await wait_for_end(process, ONE_SHOT_SECONDS)
                self.exit_codes[name] = process.wait(KILL_SECONDS)
                if process.returncode != 0:
                    raise EngineFailed(f"{name} failed:\n{log_end(self._log(name))}")

    def _start_ours(self, name: str, arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        return start_child(
            [self._python, BIN / "ishop", *arguments],
            log=log,
            death_signal=signal.SIGTERM,
            account=self._account(name),
            environment=self.environment(name),
        )

    async def _start_postgres(self, service: Mapping[str, Any]) -> None:
        """The server of the wheel, with the superuser's password and the settings that the file gives the image."""
        home = self.place / "postgres" / "home"
        password = service["environment"]["POSTGRES_PASSWORD"]
        if not (home / "secrets.json").exists():
            made = dataclasses.replace(load_secrets(home), superuser_password=password)
            (home / "secrets.json").write_text(json.dumps(dataclasses.asdict(made)))
        settings = dict(SERVER_SETTING.findall(" ".join(service["command"])))
        self._postgres = EmbeddedPostgres(home, settings={**settings, "fsync": "off"})
        await self._postgres.start()

    def _hand_over_volume(self, service: Mapping[str, Any]) -> None:
        """What the one-shot of root does, on the directory that is the volume here."""
        volume = self.place / "meilisearch" / "data"
        volume.mkdir(exist_ok=True)
        program, owner, _ = service["entrypoint"]
        if self._account("meilisearch") is not None:
            subprocess.run([program, owner, volume], check=True)  # noqa: S603 - chown, as the file says.
        self.exit_codes["meilisearch-volume"] = 0

    def _start_meilisearch(self, service: Mapping[str, Any]) -> None:
        program = find_meilisearch()
        if program is None:
            return
        volume = self.place / "meilisearch" / "data"
        here = {
            "MEILI_HTTP_ADDR": f"{LOOPBACK}:{self._ports['meilisearch']}",
            "MEILI_DB_PATH": str(volume / "data.ms"),
            "MEILI_DUMP_DIR": str(volume / "dumps"),
            "MEILI_SNAPSHOT_DIR": str(volume / "snapshots"),
        }
        self.processes["meilisearch"] = start_child(
            [program],
            log=self._log("meilisearch"),
            death_signal=signal.SIGKILL,
            account=self._account("meilisearch"),
            environment={**service["environment"], **here},
        )

    def _account(self, name: str) -> Account | None:
        """The user of the file, where we are root and this checkout can be reached by others; else we ourselves."""
        user, _, group = self.composition.services[name].get("user", "").partition(":")
        if os.geteuid() != 0 or not group:
            return None
        account = Account(name, int(user), int(group))
        return None if blocking_parent(ROOT / "ishop", account) else account

    def _reachable_python(self) -> Path:
        """A Python that the user of the file can run: a copy, where the one of this test is in somebody's home."""
        program = Path(sys.executable).resolve()
        account = self._account("gateway")
        if account is None or blocking_parent(program, account) is None:
            return Path(sys.executable)
        home = self.place / "python"
        library = Path(sysconfig.get_path("stdlib"))
        shutil.copytree(library, home / "lib" / library.name, ignore=NOT_NEEDED)
        for shared in library.parent.glob("libpython*"):
            shutil.copy2(shared, home / "lib")
        (home / "bin").mkdir()
        return Path(shutil.copy2(program, home / "bin" / program.name))

    def _make_room(self, name: str) -> None:
        (self.place / name).mkdir(exist_ok=True)
        self._ports[name] = choose_port(self.place / name / "port")

    def _log(self, name: str) -> Path:
        return self.place / name / "log"

    def _rewritten(self, text: str) -> str:
        """The text with the addresses of services as they are on this machine."""
        ports = self._ports | ({"postgres": self._postgres.port} if self._postgres is not None else {})
        if text == f"http://{LOOPBACK}:7700/health":
            return f"http://{LOOPBACK}:{ports['meilisearch']}/health"
        return ADDRESS.sub(lambda found: f"{LOOPBACK}:{ports[found[1]]}" if found[1] in ports else found[0], text)
