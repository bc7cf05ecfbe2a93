"""The Meilisearch supervisor against the real program."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ishop.home import StartupError
from ishop.meili_process import EmbeddedMeilisearch, find_meilisearch
from tests.ishop.homes import is_running, other_process, read_line, temporary_home, until

KEY = "a key of at least sixteen bytes"
MARKET = """
import asyncio, sys
from pathlib import Path
from ishop.meili_process import EmbeddedMeilisearch

async def main():
    async with EmbeddedMeilisearch(Path(sys.argv[1]), sys.argv[2]) as search:
        print(search.pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
def home() -> Iterator[Path]:
    with temporary_home() as path:
        path.mkdir()
        yield path


async def ask(search: EmbeddedMeilisearch, path: str, key: str | None = KEY) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(base_url=search.url, headers=headers, trust_env=False) as client:
        return await client.get(path)


async def make_index(search: EmbeddedMeilisearch) -> None:
    """Make the index `kept` and wait until it is there."""
    async with httpx.AsyncClient(
        base_url=search.url, headers={"Authorization": f"Bearer {KEY}"}, trust_env=False
    ) as client:
        task = (await client.post("/indexes", json={"uid": "kept"})).json()["taskUid"]
        while (await client.get(f"/tasks/{task}")).json()["status"] != "succeeded":
            pass


async def test_it_is_refused_when_there_is_no_program(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home))
    assert find_meilisearch() is None
    with pytest.raises(StartupError, match="no program `meilisearch` on PATH"):
        await EmbeddedMeilisearch(home, KEY).start()


async def test_error_names_the_program_when_it_cannot_be_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = home / "meilisearch"
    program.write_text("#!/bin/sh\necho broken >&2; exit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(home))
    with pytest.raises(StartupError, match=f"{program} cannot be run"):
        await EmbeddedMeilisearch(home, KEY).start()


@pytest.mark.meilisearch
@pytest.mark.skipif(find_meilisearch() is None, reason="no `meilisearch` program on PATH")
class TestMeilisearch:
    async def test_it_answers_only_with_the_key_and_keeps_its_data(self, home: Path) -> None:
        async with EmbeddedMeilisearch(home, KEY) as search:
            assert (await ask(search, "/indexes", key=None)).status_code == 401
            await make_index(search)
            first_url = search.url
        async with EmbeddedMeilisearch(home, KEY) as search:
            assert (await ask(search, "/indexes/kept")).status_code == 200
            assert search.url == first_url
            assert KEY not in search.log.read_text()

    async def test_another_port_is_taken_when_the_remembered_one_is_in_use(self, home: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as busy:
            (home / "meilisearch.port").write_text(str(busy.getsockname()[1]))
            async with EmbeddedMeilisearch(home, KEY) as search:
                assert search.port != busy.getsockname()[1]

    @pytest.mark.parametrize("version", ["1.2.3", ""])
    async def test_data_of_another_version_is_set_aside(self, home: Path, version: str) -> None:
        said: list[str] = []
        async with EmbeddedMeilisearch(home, KEY) as search:
            await make_index(search)
        (search.data / "VERSION").write_text(version)
        async with EmbeddedMeilisearch(home, KEY, progress=said.append) as search:
            assert (await ask(search, "/indexes/kept")).status_code == 404
        assert f"moved to {home / 'meilisearch.old'}" in said[0]
        assert (home / "meilisearch.old" / "data.ms").is_dir()

    async def test_second_owner_is_refused(self, home: Path) -> None:
        async with EmbeddedMeilisearch(home, KEY):
            with pytest.raises(StartupError, match=f"in use by process {os.getpid()}"):
                await EmbeddedMeilisearch(home, KEY).start()

    async def test_error_shows_the_log_when_the_key_is_too_short(self, home: Path) -> None:
        with pytest.raises(StartupError, match="at least 16 bytes"):
            await EmbeddedMeilisearch(home, "short").start()

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
    async def test_it_ends_with_its_supervisor_and_starts_again(self, home: Path, how: signal.Signals) -> None:
        async with other_process(MARKET, home, KEY) as market:
            pid = int(await read_line(market))
            os.killpg(market.pid, how)
            await until(lambda: not is_running(pid))
        async with EmbeddedMeilisearch(home, KEY) as search:
            assert (await ask(search, "/indexes")).status_code == 200
