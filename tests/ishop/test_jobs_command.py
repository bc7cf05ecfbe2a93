"""`ishop jobs` as an operator uses it: a real process on a real database."""

import getpass
from pathlib import Path

import pytest

from ishop.backlog import dead_jobs
from ishop.outbox import drain
from ishop.settings import Role
from ishop.worker import drain_until_idle
from tests.databases import TestDatabase
from tests.ishop.commands import Ended, ishop, reaching
from tests.ishop.queues import TOPIC, Recorder, connected, write
from tests.ishop.test_jobs import jobs_with


async def jobs(database: TestDatabase, cwd: Path, *arguments: str) -> Ended:
    return await ishop("jobs", *arguments, cwd=cwd, environment=reaching(database))


@pytest.fixture
async def dead(database: TestDatabase) -> list[int]:
    """The ids of two jobs that died."""
    await write(database, TOPIC, "a", "b")
    await drain_until_idle(database.dsn(Role.worker), jobs_with(Recorder(bad={"a", "b"}), attempts=1))
    async with connected(database) as connection:
        return [job.id for job in await dead_jobs(connection)]


class TestList:
    async def test_says_when_there_is_nothing(self, database: TestDatabase, tmp_path: Path) -> None:
        ended = await jobs(database, tmp_path, "list")
        assert (ended.code, ended.out.strip()) == (0, "Nothing waits.")

    async def test_shows_what_is_in_which_state(self, database: TestDatabase, tmp_path: Path) -> None:
        async with connected(database) as connection:
            for topic, change in (
                ("a.queued.v1", ""),
                ("a.running.v1", "status = 'picked'"),
                ("a.waiting.v1", "execute_after = now() + interval '1 hour', attempts = 1"),
                ("a.stuck.v1", "status = 'picked', heartbeat = now() - interval '1 hour'"),
            ):
                await write(database, topic, "k")
                await drain(connection)
                if change:
                    await connection.execute(f"UPDATE ops.pgqueuer SET {change} WHERE entrypoint = $1", topic)
            await connection.execute("UPDATE ops.pgqueuer SET created = now() - interval '90 seconds'")
            await write(database, "a.outbox.v1", "k", "l")
        ended = await jobs(database, tmp_path, "list")
        assert ended.code == 0
        rows = [line.replace("│", " ").split() for line in ended.out.splitlines() if "a." in line]
        assert sorted(row[:3] for row in rows) == [
            ["a.outbox.v1", "outbox", "2"],
            ["a.queued.v1", "queued", "1"],
            ["a.running.v1", "running", "1"],
            ["a.stuck.v1", "stuck", "1"],
            ["a.waiting.v1", "waiting", "1"],
        ]
        assert {row[3] for row in rows if row[1] != "outbox"} <= {f"0:01:{seconds}" for seconds in range(30, 60)}

    async def test_tells_why_a_job_is_dead(self, database: TestDatabase, dead: list[int], tmp_path: Path) -> None:
        ended = await jobs(database, tmp_path, "list")
        for job in dead:
            assert f"dead job {job}: {TOPIC}, 1 attempts" in ended.out
        assert "ValueError: cannot do a, ask *** or ***" in ended.out


class TestRetry:
    async def test_one_then_all(self, database: TestDatabase, dead: list[int], tmp_path: Path) -> None:
        assert (await jobs(database, tmp_path, "retry", str(dead[0]))).out == "1 job is queued again.\n"
        async with connected(database) as connection:
            assert [job.id for job in await dead_jobs(connection)] == dead[1:]
        assert (await jobs(database, tmp_path, "retry")).out == "1 job is queued again.\n"
        recorder = Recorder()
        await drain_until_idle(database.dsn(Role.worker), jobs_with(recorder))
        assert sorted(recorder.done) == ["a", "b"]

    async def test_an_unknown_job_is_refused(self, database: TestDatabase, tmp_path: Path) -> None:
        ended = await jobs(database, tmp_path, "retry", "77")
        assert (ended.code, ended.err) == (1, "There is no dead job 77; see `ishop jobs list`.\n")


class TestDiscard:
    async def test_takes_one_job_away_and_keeps_who_did_it(
        self, database: TestDatabase, dead: list[int], tmp_path: Path
    ) -> None:
        ended = await jobs(database, tmp_path, "discard", str(dead[0]), "--yes")
        assert (ended.code, ended.out) == (0, f"Job {dead[0]} is discarded: {TOPIC} for 1 keys.\n")
        again = await jobs(database, tmp_path, "discard", str(dead[0]), "--yes")
        assert (again.code, again.err) == (1, f"There is no dead job {dead[0]}; see `ishop jobs list`.\n")
        async with connected(database) as connection:
            assert [job.id for job in await dead_jobs(connection)] == dead[1:]
            [kept] = await connection.fetch("SELECT *, now() - discarded_at AS age FROM ops.discarded_jobs")
        assert (kept["id"], kept["topic"], kept["attempts"]) == (dead[0], TOPIC, 1)
        assert kept["discarded_by"].startswith(f"{getpass.getuser()}@")
        assert kept["age"].total_seconds() < 60

    async def test_needs_yes(self, database: TestDatabase, dead: list[int], tmp_path: Path) -> None:
        ended = await jobs(database, tmp_path, "discard", str(dead[0]))
        assert (ended.code, ended.out) == (1, "")
        assert "--yes" in ended.err
        async with connected(database) as connection:
            assert [job.id for job in await dead_jobs(connection)] == dead

    async def test_a_key_that_dies_again_is_on_the_list_again(
        self, database: TestDatabase, dead: list[int], tmp_path: Path
    ) -> None:
        for job in dead:
            await jobs(database, tmp_path, "discard", str(job), "--yes")
        await write(database, TOPIC, "a")
        await drain_until_idle(database.dsn(Role.worker), jobs_with(Recorder(bad={"a"}), attempts=1))
        async with connected(database) as connection:
            assert [job.keys for job in await dead_jobs(connection)] == [("a",)]
