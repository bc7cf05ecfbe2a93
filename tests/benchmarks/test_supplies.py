"""The people who sign in while memory is looked at: each comes back until he is in, or there is no figure."""

from itertools import count

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.load import LoadFailed
from benchmarks.supplies import CROWD, crowd
from ishop.settings import Settings
from tests.modes import served

IN_AT_ONCE = 40


def door(*headers: tuple[bytes, bytes]) -> ASGIApp:
    """Lets in the first and whoever comes a second time; the others are sent away with these headers."""
    asked = count(1)

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        number = next(asked)
        status = 503 if IN_AT_ONCE < number <= CROWD else 200
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        await send({"type": "http.response.body", "body": b"{}"})

    return app


async def signed_in(app: ASGIApp) -> tuple[int, int, int]:
    async with served(app, Settings(_env_file=None)) as url:
        found = await crowd(int(url.rpartition(":")[2]))
    return found.people, found.at_once, found.sent_away


async def test_who_is_sent_away_comes_back_until_he_is_in() -> None:
    away = CROWD - IN_AT_ONCE
    assert await signed_in(door((b"retry-after", b"0"))) == (CROWD, IN_AT_ONCE, away)


async def test_nobody_who_is_not_told_when_to_come_back_makes_a_figure() -> None:
    with pytest.raises(LoadFailed, match="was answered 503"):
        await signed_in(door())
