"""The market under proof, as its callers and its operator see it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from demo.accounts import CONSUMER, HOTEL, OFFICE, PASSWORD, VENDOR

TIMEOUT: Final = aiohttp.ClientTimeout(total=120)
SHIP_TO: Final = {"name": "Uji Janji", "phone": "081234567890", "region_code": "52.71", "postal_code": "83121"}
PAGE: Final = 100
ADDRESS: Final = "Jl. Uji "
"""Followed by the key of the order, so that the tables tell which request an order came from, answered or not."""


@dataclass(frozen=True, slots=True)
class Market:
    """Where the doors are and, for set-up and checks, the database behind them."""

    urls: Sequence[str]
    """The address of every gateway of the market."""
    database: str
    wake: Callable[[], Awaitable[None]]
    """Starts a worker, which looks at once for what the clock has made due."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str:
        """The code of a problem; empty where it is none."""
        return str(self.body.get("code", "")) if isinstance(self.body, dict) else ""


@dataclass(frozen=True, slots=True)
class Client:
    """Someone at one of the doors."""

    http: aiohttp.ClientSession
    url: str
    token: str | None = None

    async def send(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Answer:
        """The answer, whatever it is; raises Unusable where there is none."""
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        try:
            async with self.http.request(
                method, self.url + path, json=body, headers=headers, timeout=TIMEOUT
            ) as answer:
                return Answer(answer.status, answer.headers, await answer.json(content_type=None))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unusable(f"a caller got no answer ({type(error).__name__})") from error

    async def get(self, path: str) -> Any:
        """The body of a page that must be there."""
        answer = await self.send("GET", path)
        if answer.status != 200:
            raise Unusable(f"GET {path} was answered {answer.status} {answer.code}")
        return answer.body

    async def pages(self, path: str) -> list[Any]:
        """All items of a list."""
        return await all_items(self.get, path)


async def all_items(get: Callable[[str], Awaitable[Any]], path: str) -> list[Any]:
    """All items of a list whose pages `get` reads; raises Unusable where it leads in a circle."""
    items: list[Any] = []
    seen: set[str | None] = {None}
    page: dict[str, Any] = await get(f"{path}?limit={PAGE}")
    while (cursor := page["next_cursor"]) not in seen:
        items += page["items"]
        seen.add(cursor)
        page = await get(f"{path}?limit={PAGE}&cursor={cursor}")
    if cursor is not None:
        raise Unusable(f"GET {path} has no end: a cursor leads back to an earlier page")
    return [*items, *page["items"]]


class Unusable(Exception):
    """The market does not answer, or not with what must be there; the message says what came instead."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Who calls."""

    consumer: str
    hotel: str
    vendor: str
    office: str


async def sign_in(http: aiohttp.ClientSession, url: str) -> Tokens:
    """Tokens of the demo accounts; they live for ten minutes."""
    tokens = []
    for email in (CONSUMER, HOTEL, VENDOR, OFFICE):
        form = {"grant_type": "password", "username": email, "password": PASSWORD}
        async with http.post(f"{url}/v1/auth/token", data=form, timeout=TIMEOUT) as answer:
            if answer.status != 200:
                raise Unusable(f"signing in was answered {answer.status}")
            tokens.append(str((await answer.json())["access_token"]))
    return Tokens(*tokens)
