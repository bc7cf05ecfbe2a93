"""Jobs on a real PostgreSQL: retries, poisoned batches, the dead and what an operator does with them."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import IntegrityError

from ishop.backlog import Backlog, backlog, dead_jobs, retry
from ishop.context import request_id
from ishop.job_runner import OUTAGE, describe
from ishop.jobs import Jobs
from ishop.outbox import drain
from ishop.settings import Role
from ishop.worker import drain_until_idle
from tests.ishop.queues import TOPIC, Database, Recorder, connected, write

QUICK = 0.02


async def run_all(database: Database, jobs: Jobs, timeout: float = 20) -> None:  # noqa: ASYNC109 - passed on.
    await drain_until_idle(database.dsn(Role.worker), jobs, timeout=timeout)


def jobs_with(handler: Recorder, *, attempts: int = 4) -> Jobs:
    jobs = Jobs()
    jobs.on(TOPIC, handler, attempts=attempts, first_retry=QUICK)
    return jobs


class TestRegistry:
    def test_a_second_handler_for_a_topic_is_refused(self) -> None:
        jobs = jobs_with(Recorder())
        with pytest.raises(ValueError, match="has a handler already"):
            jobs.on(TOPIC, Recorder())

    @pytest.mark.parametrize("topic", ["product", "catalog.Product.v1", "catalog.product_changed"])
    def test_a_malformed_topic_is_refused(self, topic: str) -> None:
        with pytest.raises(ValueError, match="is not a topic"):
            Jobs().on(topic, Recorder())

    def test_limits_below_one_are_refused(self) -> None:
        with pytest.raises(ValueError, match="at least one"):
            Jobs().on(TOPIC, Recorder(), concurrency=0)


class TestRetry:
    async def test_keys_are_done_once_when_nothing_fails(self, database: Database) -> None:
        recorder = Recorder()
        await write(database, TOPIC, "a", "b")
        await run_all(database, jobs_with(recorder))
        assert [sorted(call) for call in recorder.calls] == [["a", "b"]]
        async with connected(database) as connection:
            assert await backlog(connection) == Backlog(0, timedelta(0), 0, 0, 0, 0)

    async def test_what_fails_for_a_while_is_done_in_the_end(self, database: Database) -> None:
        recorder = Recorder(bad={"a"})

        async def recover(keys: Sequence[str]) -> None:
            if len(recorder.calls) == 2:
                recorder.bad.clear()
            await recorder(keys)

        jobs = Jobs()
        jobs.on(TOPIC, recover, first_retry=QUICK)
        await write(database, TOPIC, "a")
        await run_all(database, jobs)
        assert recorder.done == ["a"]
        assert len(recorder.calls) == 3

    async def test_a_handler_that_hangs_has_failed(self, database: Database) -> None:
        async def hang(_: Sequence[str]) -> None:
            await asyncio.Event().wait()

        jobs = Jobs()
        jobs.on(TOPIC, hang, attempts=1, timeout=0.05)
        await write(database, TOPIC, "a")
        await run_all(database, jobs)
        async with connected(database) as connection:
            assert [job.error.split()[0] for job in await dead_jobs(connection)] == ["TimeoutError"]

    async def test_a_cancellation_inside_the_handler_is_a_failure_like_any_other(self, database: Database) -> None:
        async def wait_for_cancelled(_: Sequence[str]) -> None:
            task = asyncio.create_task(asyncio.sleep(9))
            task.cancel()
            await task

        jobs = Jobs()
        jobs.on(TOPIC, wait_for_cancelled, attempts=2, first_retry=QUICK)
        await write(database, TOPIC, "a")
        await run_all(database, jobs)
        async with connected(database) as connection:
            assert [job.attempts for job in await dead_jobs(connection)] == [2]

    async def test_the_handler_knows_its_request(self, database: Database) -> None:
        seen: list[str | None] = []

        async def look(_: Sequence[str]) -> None:
            seen.append(request_id.get())

        jobs = Jobs()
        jobs.on(TOPIC, look)
        async with connected(database, Role.orders) as connection:
            await connection.execute("SELECT ops.emit_v1($1, '{a}', 'req-7')", TOPIC)
        await run_all(database, jobs)
        await write(database, TOPIC, "a")
        await run_all(database, jobs)
        assert seen[0] == "req-7"
        assert str(seen[1]).startswith("job-")

    async def test_what_is_left_is_named_when_time_is_up(self, database: Database) -> None:
        await write(database, "orders.order_paid.v1", "a")
        with pytest.raises(TimeoutError, match=r"orders\.order_paid\.v1: 1"):
            await run_all(database, jobs_with(Recorder()), timeout=0.3)


class TestPoison:
    async def test_only_the_bad_key_of_a_batch_dies(self, database: Database) -> None:
        keys = [f"k{number:03}" for number in range(1000)]
        recorder = Recorder(bad={"k437"})
        await write(database, TOPIC, *keys)
        await run_all(database, jobs_with(recorder))
        assert sorted(set(recorder.done)) == [key for key in keys if key != "k437"]
        assert len(recorder.done) == 999
        # Two runs of the whole, one division into halves that fails ten times, and the last attempt of the key alone.
        assert len(recorder.calls) <= 2 + 21 + 1
        async with connected(database) as connection:
            [dead] = await dead_jobs(connection)
        assert (dead.topic, dead.keys, dead.attempts) == (TOPIC, ("k437",), 4)

    async def test_many_bad_keys_standing_together_die_without_the_rest(self, database: Database) -> None:
        keys = [f"k{number:03}" for number in range(400)]
        recorder = Recorder(bad=set(keys[100:160]))
        await write(database, TOPIC, *keys)
        await run_all(database, jobs_with(recorder))
        assert set(recorder.done) == set(keys) - recorder.bad
        async with connected(database) as connection:
            assert {key for job in await dead_jobs(connection) for key in job.keys} == recorder.bad

    async def test_an_outage_does_not_try_every_key(self, database: Database) -> None:
        keys = {f"k{number:03}" for number in range(500)}
        recorder = Recorder(bad=set(keys))
        await write(database, TOPIC, *keys)
        await run_all(database, jobs_with(recorder))
        assert len(recorder.calls) == 2 + 2 * OUTAGE
        async with connected(database) as connection:
            dead = await dead_jobs(connection)
            assert {key for job in dead for key in job.keys} == keys
            assert (await backlog(connection)).dead == len(dead) <= OUTAGE

    async def test_the_error_that_is_kept_names_no_person(self, database: Database) -> None:
        await write(database, TOPIC, "a")
        await run_all(database, jobs_with(Recorder(bad={"a"}), attempts=2))
        async with connected(database) as connection:
            [dead] = await dead_jobs(connection)
            log = await connection.fetch("SELECT traceback::text FROM ops.pgqueuer_log WHERE traceback IS NOT NULL")
        assert dead.error.startswith("ValueError: cannot do a, ask *** or *** (queues.py:")
        assert len(log) == 1
        assert "budi" not in str(log)
        assert "0812" not in str(log)


class TestRetryByHand:
    async def test_a_retried_job_runs_again(self, database: Database) -> None:
        recorder = Recorder(bad={"a", "b"})
        jobs = jobs_with(recorder, attempts=1)
        await write(database, TOPIC, "a", "b")
        await run_all(database, jobs)
        recorder.bad.clear()
        async with connected(database) as connection:
            first, _ = await dead_jobs(connection)
            assert await retry(connection, first.id) == 1
            assert await retry(connection, first.id) == 0
            await run_all(database, jobs)
            assert recorder.done == list(first.keys)
            assert await retry(connection) == 1
            await run_all(database, jobs)
            assert sorted(recorder.done) == ["a", "b"]
            assert await dead_jobs(connection) == []

    async def test_a_key_that_dies_again_is_kept_once(self, database: Database) -> None:
        jobs = jobs_with(Recorder(bad={"a"}), attempts=1)
        for _ in range(3):
            await write(database, TOPIC, "a")
            await run_all(database, jobs)
        async with connected(database) as connection:
            assert len(await dead_jobs(connection)) == 1


class TestBacklog:
    async def test_everything_waiting_is_counted(self, database: Database) -> None:
        await write(database, TOPIC, "a")
        async with connected(database) as connection:
            await drain(connection)
            await write(database, TOPIC, "b", "c")
            before = await backlog(connection)
            await connection.execute(
                "UPDATE ops.pgqueuer SET status = 'picked', heartbeat = now() - interval '1 minute'"
            )
            after = await backlog(connection)
        assert (before.outbox_rows, before.queued, before.running, before.stuck) == (2, 1, 0, 0)
        assert timedelta(0) < before.oldest_outbox_age < timedelta(seconds=10)
        assert (after.queued, after.running, after.stuck) == (0, 1, 1)


class TestDescribe:
    @pytest.mark.parametrize(
        ("message", "kept"),
        [
            ("plain words", "plain words"),
            ("budi.s@mail.example.test is taken", "*** is taken"),
            ("NIK 5271010101900001", "NIK ***"),
            ("call +62 812-3456-7890 now", "call *** now"),
            ("https://key:secret@pay.example.test/v1?token=abc&x=1 failed", "https://***pay.example.test/v1*** failed"),
            ("no sku 019a0b12-3456-7890-8abc-0123456789ab", "no sku 019a0b12-3456-7890-8abc-0123456789ab"),
            ("Bearer eyJhbGciOiJFZERTQSJ9eyJzdWIiOiIxMjM0NTY3ODkwIn0", "Bearer ***"),
            ("first\nDETAIL: Key (name)=(Budi)", "first"),
            ("", ""),
        ],
    )
    def test_messages_lose_what_is_private(self, message: str, kept: str) -> None:
        assert describe(ValueError(message)) == (f"ValueError: {kept}" if kept else "ValueError")

    def test_values_in_the_errors_of_libraries_do_not_show(self) -> None:
        class Person(BaseModel):
            age: int

        with pytest.raises(ValidationError) as invalid:
            Person.model_validate({"age": "Budi"})
        database_error = IntegrityError("INSERT ...", {"name": "Budi"}, Exception("duplicate key"))
        assert "Budi" not in describe(invalid.value)
        assert "Budi" not in describe(database_error)

    def test_the_cause_inside_a_group_is_named(self) -> None:
        group = ExceptionGroup("group", [ExceptionGroup("inner", [KeyError("x")])])
        assert describe(group) == "KeyError: 'x'"

    def test_ids_stay(self) -> None:
        key = UUID("019a0000-0000-7000-8000-000000000001")
        assert str(key) in describe(LookupError(f"no product {key}"))
