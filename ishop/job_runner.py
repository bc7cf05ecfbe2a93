"""One run of one job: what failed is tried again later, keys that poison a batch are parted from the rest, and what
fails in every attempt is kept in `ops.dead_jobs`."""

import asyncio
import logging
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import SystemRandom
from typing import Final, NoReturn

import orjson
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job
from pgqueuer.ports.driver import Driver

from ishop.context import request_id
from ishop.jobs import Topic
from ishop.logs import told
from ishop.telemetry import tracing
from ishop.telemetry.metrics import JOB_FAILURES, JOB_SECONDS, JOBS

logger = logging.getLogger(__name__)

WHOLE_RUNS: Final = 2
"""So many times a batch is run as it is before it is divided: most failures are over after a few seconds."""

OUTAGE: Final = 20
"""So many failures in a row mean that something all keys need is down. Dividing 1,000 keys down to a single bad one
fails at most 10 times in a row, or a few more where bad ones stand together."""

LONGEST_RETRY: Final = 900.0

_random = SystemRandom()


@dataclass(frozen=True, slots=True)
class Failure:
    """Keys that were not done, and why."""

    keys: list[str]
    error: Exception


@dataclass(frozen=True, slots=True)
class TopicRunner:
    """Runs the jobs of one topic. Whatever goes wrong, the job stays in the queue or its keys in `ops.dead_jobs`."""

    topic: Topic
    driver: Driver

    async def __call__(self, job: Job) -> None:
        """Run `job`; returning ends it, RetryRequested puts it back.

        Nothing else may leave this method, the cancellation of a worker in a hurry included: PgQueuer deletes a
        cancelled job, holds one that raised, and writes the text of an error, persons and all, into its log.
        """
        keys: list[str] = orjson.loads(job.payload or b"[]")
        request_id.set(str((job.headers or {}).get("request_id") or f"job-{job.id}"))
        started, outcome = time.perf_counter(), "done"
        try:
            failures = await self._traced(job, keys)
            if failures:
                outcome = "dead" if self._is_last(job) else "retried"
                await self._settle(job, keys, failures)
        except RetryRequested:
            raise
        except asyncio.CancelledError:
            outcome = "interrupted"
            raise RetryRequested(reason="The worker was stopped") from None
        except Exception as error:  # noqa: BLE001 - the database failed while the failure was recorded.
            outcome = "retried"
            raise RetryRequested(self._delay(job), describe(error)) from None
        finally:
            JOBS.labels(self.topic.name, outcome).inc()
            JOB_SECONDS.labels(self.topic.name).observe(time.perf_counter() - started)

    async def _traced(self, job: Job, keys: list[str]) -> list[Failure]:
        if tracing.tracer is None:
            return await self._run(job, keys)
        cause = (job.headers or {}).get("request_id")
        with tracing.tracer.job(self.topic.name, None if cause is None else str(cause)) as span:
            failures = await self._run(job, keys)
            span.set_attribute("ishop.keys", len(keys))
            span.set_attribute("ishop.keys_failed", sum(len(failure.keys) for failure in failures))
            return failures

    async def _run(self, job: Job, keys: list[str]) -> list[Failure]:
        if job.attempts < WHOLE_RUNS and not self._is_last(job):
            error = await self._call(keys)
            return [] if error is None else [Failure(keys, error)]
        # Shuffled, so that bad keys standing together do not look like an outage in every attempt.
        return await self._divide(_random.sample(keys, len(keys)))

    async def _divide(self, keys: list[str]) -> list[Failure]:
        """Run the keys in ever smaller parts until only single keys fail, or until everything seems to be down."""
        parts, failures, in_a_row = [keys], [], 0
        while parts:
            part = parts.pop()
            error = await self._call(part)
            if error is None:
                in_a_row = 0
                continue
            in_a_row += 1
            if in_a_row == OUTAGE:
                failures.append(Failure([*part, *(key for rest in parts for key in rest)], error))
                break
            if len(part) == 1:
                failures.append(Failure(part, error))
            else:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
        return failures

    async def _call(self, keys: Sequence[str]) -> Exception | None:
        error = await self._try(keys)
        if error is not None:
            JOB_FAILURES.labels(self.topic.name).inc()
        return error

    async def _try(self, keys: Sequence[str]) -> Exception | None:
        try:
            async with asyncio.timeout(self.topic.timeout):
                await self.topic.handler(keys)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return RuntimeError("Something that the handler waited for was cancelled")
        except Exception as error:  # noqa: BLE001 - whatever a handler raises means that its keys are not done.
            return error
        return None

    async def _settle(self, job: Job, keys: list[str], failures: list[Failure]) -> None:
        """Keep what failed: in the job while attempts are left, in the table of the dead after the last one."""
        if self._is_last(job):
            await self._bury(job, failures)
            return
        failed = [key for failure in failures for key in failure.keys]
        if len(failed) < len(keys):
            await self.driver.execute(
                "UPDATE ops.pgqueuer SET payload = $2 WHERE id = $1", job.id, orjson.dumps(failed)
            )
        self._retry(job, failures[0].error, failed=len(failed), of=len(keys))

    def _retry(self, job: Job, error: Exception, *, failed: int, of: int) -> NoReturn:
        delay = self._delay(job)
        logger.warning(
            "%s failed for %d of %d keys in attempt %d of %d, again in %.0f s: %s",
            self.topic.name,
            failed,
            of,
            job.attempts + 1,
            self.topic.attempts,
            delay.total_seconds(),
            describe(error),
        )
        logger.debug("The failure of job %d", job.id, exc_info=error)
        raise RetryRequested(delay, describe(error)) from None

    async def _bury(self, job: Job, failures: list[Failure]) -> None:
        errors = [describe(failure.error) for failure in failures]
        await self.driver.execute(
            """
            INSERT INTO ops.dead_jobs (topic, keys, error, attempts)
            SELECT $1, failed.keys::jsonb, failed.error, $4 FROM unnest($2::text[], $3::text[]) AS failed (keys, error)
            ON CONFLICT (topic, md5(keys::text)) WHERE replayed_at IS NULL
            DO UPDATE SET error = excluded.error, attempts = excluded.attempts, failed_at = excluded.failed_at
            """,
            self.topic.name,
            [orjson.dumps(sorted(failure.keys)).decode() for failure in failures],
            errors,
            job.attempts + 1,
        )
        for failure, error in zip(failures, errors, strict=True):
            logger.error(
                "%s gave up on %d keys after %d attempts; see `ishop doctor`: %s",
                self.topic.name,
                len(failure.keys),
                job.attempts + 1,
                error,
            )

    def _is_last(self, job: Job) -> bool:
        return job.attempts + 1 >= self.topic.attempts

    def _delay(self, job: Job) -> timedelta:
        """Four times longer after each failure, spread by a quarter so that jobs that fell together do not rise so."""
        seconds = min(self.topic.first_retry * 4.0 ** min(job.attempts, 16), LONGEST_RETRY)
        return timedelta(seconds=seconds * _random.uniform(0.75, 1.25))


def describe(error: BaseException) -> str:
    """What is `told` of an error, or of the first in a group, and where it was raised."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in frame.filename and frame.filename != __file__
    ]
    place = f" ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno} {frames[-1].name})" if frames else ""
    return f"{told(error)}{place}"
