"""What the worker runs: the handler of every topic and the schedules.

A composition root fills one `Jobs` and gives it to `ishop.worker`. Handlers re-read the rows that their keys name,
may be called again for keys they have done, and open their own database session.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from ishop.outbox import TOPIC

Handler = Callable[[Sequence[str]], Awaitable[None]]
"""Does what must follow for these keys; raising anything means that all of them are tried again."""

ScheduleHandler = Callable[[], Awaitable[None]]

ATTEMPTS: Final = 8
HEARTBEAT_TIMEOUT: Final = timedelta(seconds=20)
"""A running job whose worker gave no sign for this long is taken over. Signs come at half of it, so a killed worker's
jobs run again 10 to 21 s after its end."""


@dataclass(frozen=True, slots=True)
class Topic:
    """How the jobs of one topic are run; times are seconds."""

    name: str
    handler: Handler
    attempts: int
    concurrency: int
    timeout: float
    first_retry: float
    indexes: bool


@dataclass(frozen=True, slots=True)
class Schedule:
    """A handler that runs when the clock says so (UTC), once over all workers."""

    name: str
    cron: str
    handler: ScheduleHandler
    timeout: float


@dataclass(slots=True)
class Jobs:
    """The topics and schedules of one worker; every worker of a market must register the same."""

    topics: dict[str, Topic] = field(default_factory=dict)
    schedules: dict[str, Schedule] = field(default_factory=dict)

    def on(
        self,
        topic: str,
        handler: Handler,
        *,
        attempts: int = ATTEMPTS,
        concurrency: int = 1,
        timeout: float = 300,
        first_retry: float = 1,
        indexes: bool = False,
    ) -> None:
        """Run `handler` for the keys of `topic`.

        `attempts` failures kill a key. `concurrency` jobs of the topic run at once over all workers; with 1, two runs
        for one key cannot overlap, so an older state never overwrites a newer one. A call of the handler that takes
        longer than `timeout` seconds has failed. The first retry comes `first_retry` seconds after the failure, each
        later one four times as late, at most 15 minutes: with the defaults, a key dies after 36 minutes.
        What a handler that `indexes` has not done yet is what searches do not see yet.
        Raises ValueError for a malformed topic or one that has a handler: who wants two things done writes two topics.
        """
        if TOPIC.fullmatch(topic) is None:
            raise ValueError(f"{topic!r} is not a topic like 'orders.order_paid.v1'")
        if topic in self.topics:
            raise ValueError(f"The topic {topic} has a handler already")
        if attempts < 1 or concurrency < 1:
            raise ValueError(f"The topic {topic} needs at least one attempt and one job at a time")
        self.topics[topic] = Topic(topic, handler, attempts, concurrency, timeout, first_retry, indexes)

    def every(self, name: str, cron: str, handler: ScheduleHandler, *, timeout: float = 600) -> None:
        """Run `handler` at the times of `cron` (UTC; five fields, or six with seconds last), up to 1 s late.

        A run that fails or takes longer than `timeout` seconds is logged and not repeated before its next time; one
        that was missed while no worker ran is made up for once. Raises ValueError when the name is taken.
        """
        if name in self.schedules:
            raise ValueError(f"The schedule {name} has a handler already")
        self.schedules[name] = Schedule(name, cron, handler, timeout)
