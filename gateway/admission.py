"""Places in line: how many requests of a class a service works on at once, and who is sent away while it is full.

Without it a market that gets more than it can do takes everything in, makes everybody wait, and in the end answers
nobody in time. So each class of route has lanes of its own, one to each service: a flood of searches waits behind
searches, a service that hangs holds up nobody who wants another, and neither keeps people from signing in.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from gateway.routes import Route, RouteClass
from ishop.errors import Overloaded
from ishop.settings import Settings, SettingsError
from ishop.telemetry.metrics import counter, gauge

WAITING: Final = gauge("ishop_lane_waiting", "Requests that wait for a place at the gateway.", "service", "class")
REFUSED: Final = counter(
    "ishop_lane_refused_total", "Requests sent away because a lane was full (503 `overloaded`).", "service", "class"
)


@dataclass(frozen=True, slots=True)
class Share:
    """What a class gets of each service: places, the length of the line for them, and times in seconds."""

    at_once: int
    line: int
    patience: float
    """How long a request waits in line at most."""
    deadline: float
    """How long it may take then; never longer than `request_seconds`."""


# Together the writes fit into the connections that a service's database pool lends to writers (16 of 20, see
# ishop.database), and reads are fewer than the pool: no class can take another's last connection.
SHARES: Final[Mapping[RouteClass, Share]] = {
    RouteClass.READ: Share(at_once=12, line=1000, patience=5, deadline=15),
    RouteClass.SEARCH: Share(at_once=6, line=200, patience=3, deadline=10),
    RouteClass.WRITE: Share(at_once=7, line=500, patience=5, deadline=30),
    RouteClass.ORDER: Share(at_once=8, line=1000, patience=10, deadline=30),
    RouteClass.HEAVY: Share(at_once=1, line=200, patience=10, deadline=60),
    RouteClass.SIGN_IN: Share(at_once=6, line=60, patience=5, deadline=20),
}


class Lane:
    """So many at once; the next ones wait in the order in which they came, and not for ever."""

    def __init__(self, at_once: int, line: int, patience: float, service: str, kind: str) -> None:
        self._free = at_once
        self._line = line
        self._patience = patience
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._shown = WAITING.labels(service, kind)
        self._refused = REFUSED.labels(service, kind)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place, waited for; raises Overloaded."""
        if self._free:
            self._free -= 1
        else:
            await self._wait()
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self) -> None:
        if len(self._waiting) >= self._line:
            self._refused.inc()
            raise Overloaded
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._shown.inc()
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._pass_on()  # The place came in the same moment as the end of the patience.
            else:
                with suppress(ValueError):  # Who gave back a place in the same moment has taken it out of the line.
                    self._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                self._refused.inc()
                raise Overloaded from error
            raise
        finally:
            self._shown.dec()

    def _pass_on(self) -> None:
        """Give a place to who waits longest, or back."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Admission:
    """The lanes of a gateway, and the time that a request of each class has."""

    def __init__(self, routes: Iterable[Route], settings: Settings) -> None:
        unknown = settings.lanes.keys() - set(RouteClass)
        if unknown:
            raise SettingsError(
                f"ISHOP_LANES names {', '.join(sorted(unknown))}, which are no classes."
                f" There are {', '.join(RouteClass)}."
            )
        self._lanes: dict[tuple[str, RouteClass], Lane] = {}
        for route in routes:
            share = SHARES[route.kind]
            at_once = settings.lanes.get(route.kind, share.at_once)
            self._lanes.setdefault(
                (route.upstream, route.kind), Lane(at_once, share.line, share.patience, route.upstream, route.kind)
            )
        self._seconds = {kind: min(share.deadline, settings.request_seconds) for kind, share in SHARES.items()}

    def lane(self, route: Route) -> Lane:
        """Where requests of this route get a place."""
        return self._lanes[route.upstream, route.kind]

    def seconds(self, route: Route) -> float:
        """How long a request of this route may take once it has a place."""
        return self._seconds[route.kind]
