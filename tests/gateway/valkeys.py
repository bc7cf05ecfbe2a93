"""A real Valkey for tests, or Redis, which Debian 12 has and which speaks the same protocol."""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from pydantic import SecretStr
from valkey.asyncio import Valkey

from ishop.settings import Settings

PROGRAM: Final = shutil.which("valkey-server") or shutil.which("redis-server")
START_SECONDS: Final = 20
PASSWORD: Final = "valkey-of-the-tests"


class ValkeyServer:
    """A server on a port of its own that keeps nothing; it can be killed, frozen and started again."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._process: asyncio.subprocess.Process | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"valkey://:{PASSWORD}@127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Start it and wait until it answers."""
        assert PROGRAM is not None
        self._process = await asyncio.create_subprocess_exec(
            PROGRAM, "--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", PASSWORD,
            "--save", "", "--appendonly", "no", "--dir", self._directory,
            stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        async with asyncio.timeout(START_SECONDS):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                await writer.wait_closed()
                return

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None

    def signal(self, number: int) -> None:
        """Send it a signal: SIGSTOP makes it as slow as can be."""
        assert self._process is not None
        self._process.send_signal(number)

    async def names(self) -> list[str]:
        """The keys that it holds."""
        client = Valkey.from_url(self.url)
        try:
            return sorted(name.decode() for name in await client.keys())
        finally:
            await client.aclose()


@asynccontextmanager
async def valkey_server() -> AsyncIterator[ValkeyServer]:
    """A running server, gone at the end."""
    with tempfile.TemporaryDirectory() as directory:
        server = ValkeyServer(directory)
        await server.start()
        try:
            yield server
        finally:
            await server.kill()


def sharing(settings: Settings, server: ValkeyServer) -> Settings:
    """These settings, with limits that are counted there."""
    return settings.model_copy(update={"rate_limits": True, "valkey_url": SecretStr(server.url)})
