"""One demo account that talks to a running i-Shop over plain HTTP, as a front end would."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, Self

import httpx

from demo.accounts import PASSWORD

IDEMPOTENCY_KEY = "Idempotency-Key"
TIMEOUT_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 61


class ScenarioFailed(Exception):
    """An answer was not what i-Shop promises; the message says which and what came instead."""


class Caller:
    """Someone at the door; `me` is what the door knows of them, empty for a passer-by."""

    def __init__(self, client: httpx.AsyncClient, headers: Mapping[str, str] | None = None) -> None:
        self._client = client
        self._headers = dict(headers or {})
        self.me: dict[str, Any] = {}

    @classmethod
    async def sign_in(cls, client: httpx.AsyncClient, email: str) -> Self:
        """Sign in as the demo account `email`."""
        form = {"grant_type": "password", "username": email, "password": PASSWORD}
        tokens = await cls(client).send("POST", "/v1/auth/token", data=form)
        caller = cls(client, {"Authorization": f"Bearer {tokens['access_token']}"})
        caller.me = await caller.get("/v1/me")
        return caller

    async def get(self, path: str, **parameters: str | int) -> dict[str, Any]:
        """What `path` answers; anything but 200 fails the scenario."""
        return await self.send("GET", path, params=parameters)

    async def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None, status: int = 200
    ) -> dict[str, Any]:
        """Send `body` as JSON, with an idempotency key where given; anything but `status` fails the scenario."""
        headers = {IDEMPOTENCY_KEY: key} if key else {}
        return await self.send("POST", path, status=status, json=body, headers=headers)

    async def send(
        self, method: str, path: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **parts: Any
    ) -> dict[str, Any]:
        """One request, sent again once when the rate limit says to wait; the answer with its headers in `_headers`."""
        send = partial(self._client.request, method, path, headers={**self._headers, **(headers or {})}, **parts)
        try:
            answer = await send()
            if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
                await asyncio.sleep(min(LONGEST_WAIT_SECONDS, int(answer.headers["Retry-After"])))
                answer = await send()
        except httpx.TransportError as error:
            address = self._client.base_url
            raise ScenarioFailed(f"No i-Shop answers at {address} ({error!r}). Start one with `make up`.") from error
        if answer.status_code != status:
            raise ScenarioFailed(f"{method} {path} answered {_what(answer)}; expected {status}.")
        document: dict[str, Any] = answer.json()
        return {**document, "_headers": answer.headers}


def _what(answer: httpx.Response) -> str:
    """Status, code and sentence of an error answer, in one line."""
    if "json" not in answer.headers.get("content-type", ""):
        return f"{answer.status_code} {answer.text[:200]!r}"
    problem = answer.json()
    return f"{answer.status_code} {problem.get('code')}: {problem.get('detail')} {problem.get('errors') or ''}".strip()
