"""The only public door: a lean ASGI application that finds the route, guards it, and hands the request to a service."""

import random
import re
import time
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

import structlog
from fastapi import FastAPI
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.admission import Admission
from gateway.answers import Answer, Headers, Nobody
from gateway.api_keys.tokens import KeyTokens
from gateway.cors import Cors
from gateway.document import gateway_document
from gateway.exchange import Exchange, Incoming
from gateway.figures import Figures
from gateway.identity.app import create_app as create_identity
from gateway.over_http import OverHttp
from gateway.pages import HEALTH, Page, Pages
from gateway.proxies import Proxies
from gateway.public_cache import Flight, Key, PublicCache
from gateway.rate_limits import ADDRESS, ANONYMOUS, PRINCIPAL, RateLimits, subject_of_address
from gateway.routes import IDENTITY, ROUTES, Route, RouteClass, RouteTable
from gateway.upstreams import InProcess, Upstream
from ishop.context import request_id
from ishop.errors import AppError, InternalError, MalformedRequest, MethodNotAllowed, Unauthenticated, Unavailable
from ishop.logs import AccessLog
from ishop.openapi import service_document
from ishop.problems import language_of, problem_response
from ishop.routing import SAFE_METHODS, TIMEOUT_FIELD
from ishop.service import Runtime
from ishop.settings import Environment
from ishop.telemetry import tracing
from ishop.telemetry.metrics import UNMATCHED, known_method

__all__ = ["Gateway", "InProcess", "OverHttp", "create_gateway", "create_identity", "openapi_document"]

log = structlog.get_logger(__name__)

SECURITY_HEADERS: Final[Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:]{2,45}\]")
"""Without a port: what answers at another port over HTTPS is not known."""
TIMEOUT: Final = TIMEOUT_FIELD.lower().encode()
PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))
# Two years, as browsers' preload lists ask for; never in development, where it would break http://localhost.
STRICT_TRANSPORT: Final = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")


class Gateway:
    """The ASGI application. `close` runs `on_shutdown`, which closes the upstreams; so does the end of the lifespan."""

    def __init__(
        self,
        runtime: Runtime,
        upstreams: Mapping[str, Upstream],
        routes: tuple[Route, ...] = ROUTES,
        key_tokens: KeyTokens | None = None,
        *,
        limits: RateLimits | None = None,
        cache: PublicCache | None = None,
    ) -> None:
        self._verifier = runtime.verifier
        self._key_tokens = key_tokens
        self._upstreams = dict(upstreams)
        self._routes = routes
        self._table = RouteTable(routes)
        self._figures = Figures(routes)
        self._limits = RateLimits.of(runtime.settings) if limits is None else limits
        self._admission = Admission(routes, runtime.settings)
        self._cache = PublicCache.of(runtime.settings) if cache is None else cache
        self._proxies = Proxies(runtime.settings.trusted_proxies)
        self._pages = Pages(runtime, self._upstreams, self.document, self._limits)
        # Request ids have to differ, not to be secret; asking the system for 16 random bytes costs 6 us each time.
        self._random = random.Random()  # noqa: S311 - see above
        self._access_log = AccessLog(runtime.settings, "gateway.access", "gateway")
        self._common = list(SECURITY_HEADERS)
        https = runtime.settings.https or ("off" if runtime.settings.env is Environment.development else "hsts")
        if https != "off":
            self._common.append(STRICT_TRANSPORT)
        self._https_only = https == "redirect"
        self._cors = Cors(runtime.settings.cors_origins)
        self.on_shutdown: list[Callable[[], Awaitable[None]]] = [
            upstream.close for upstream in self._upstreams.values()
        ]
        if self._cache is not None:
            self.on_shutdown.insert(0, self._cache.close)
        if self._limits is not None and limits is None:
            self.on_shutdown.append(self._limits.close)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._meet(scope, receive, send)
            return
        started = time.perf_counter()
        incoming = Incoming(scope["headers"], self._new_id)
        in_request = request_id.set(incoming.request_id)
        exchange = Exchange(scope, receive, send, incoming, self._common)
        exchange.added += [incoming.named, *self._cors.headers(incoming.text(b"origin"))]
        try:
            if tracing.tracer is None:
                await self._answer(exchange)
            else:
                await self._trace(tracing.tracer, exchange)
        except AppError as error:
            await _refuse(exchange, error)
        except Exception:
            # Once an answer has begun there is no other way to tell the caller than to break it off.
            if exchange.status is not None:
                raise
            log.exception("unhandled error")
            await _refuse(exchange, InternalError())
        finally:
            if exchange.route not in HEALTH:
                seconds = time.perf_counter() - started
                self._figures.count(scope["method"], exchange.route, exchange.status, seconds)
                self._access_log.write(
                    method=scope["method"],
                    route=exchange.route,
                    status=exchange.status,
                    duration_ms=round(seconds * 1000, 3),
                    principal=None if exchange.principal is None else str(exchange.principal.id),
                )
            request_id.reset(in_request)

    async def document(self) -> dict[str, Any]:
        """The OpenAPI document of everything behind this door."""
        documents = {name: await upstream.document() for name, upstream in self._upstreams.items()}
        try:
            return gateway_document(documents, self._routes)
        except ValueError as error:
            # Services of another version than the gateway's, while they are being exchanged one by one.
            log.exception("the documents of the services do not fit together")
            raise Unavailable from error

    async def close(self) -> None:
        """Give back what was opened to reach the services, and what they hold in this process."""
        for close in self.on_shutdown:
            await close()
        self._access_log.flush()

    def _new_id(self) -> str:
        return self._random.getrandbits(128).to_bytes(16).hex()

    async def _meet(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What is no request: the server's beginning and end, and WebSockets, which are not spoken."""
        if scope["type"] != "lifespan":
            await send({"type": "websocket.close", "code": 1000})
            return
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _trace(self, tracer: tracing.Tracer, exchange: Exchange) -> None:
        """Answer in a trace of our own, which the trace that the caller names is only linked to."""
        incoming, method = exchange.incoming, known_method(exchange.scope["method"])
        with tracer.request(
            method, incoming.request_id, own_id=incoming.own_id, link=incoming.text(b"traceparent")
        ) as span:
            try:
                await self._answer(exchange)
            finally:
                span.update_name(f"{method} {exchange.route or UNMATCHED}")
                span.set_attribute("http.request.method", method)
                span.set_attribute("http.route", exchange.route or UNMATCHED)
                if exchange.status is not None:
                    span.set_attribute("http.response.status_code", exchange.status)

    async def _answer(self, exchange: Exchange) -> None:
        scope, incoming = exchange.scope, exchange.incoming
        path = _raw_path(scope)
        if incoming.fault is not None:
            raise MalformedRequest(reason=incoming.fault)
        exchange.address, exchange.scheme = self._proxies.client_of(scope)
        page = self._pages.find(path)
        if (self._https_only or scope["method"] == "OPTIONS") and await self._turned_away(exchange, path, page):
            return
        if page is not None:
            await self._show(exchange, path, page)
            return
        route = self._table.find(scope["method"], path)
        exchange.route = route.path
        for deprecation in route.deprecations:
            if deprecation.concerns(scope["query_string"]):
                exchange.added.extend(deprecation.headers())
                break
        if self._limits is not None or incoming.text(b"authorization") is not None:
            await self._admit(exchange, route)
        if route.public and self._cache is not None and not incoming.has_body():
            key = (path, scope["query_string"], language_of(incoming.text(b"accept-language")))
            answer = self._cache.find(key) or await self._cache.ask(key, partial(self._ask, exchange, route, key))
            if answer is not None:
                await exchange.give(answer)
                return
        exchange.limit_body(route.body_limit)
        await exchange.hold_body()
        await self._have_answered(exchange, route)

    async def _ask(self, exchange: Exchange, route: Route, key: Key, flight: Flight) -> Answer:
        """What the service answers to everybody.

        It is told nothing about the caller but the language: what it does not know, it cannot answer by.
        """
        _, _, language = key
        nobody = Nobody()
        incoming = Incoming([(b"accept-language", language.encode())], lambda: exchange.incoming.request_id)
        scope = {**exchange.scope, "method": route.method}
        asked = Exchange(scope, nobody.receive, nobody.send, incoming, self._common)
        await self._have_answered(asked, route, flight.begin)
        return nobody.answer()

    async def _have_answered(self, exchange: Exchange, route: Route, begin: Callable[[], None] | None = None) -> None:
        """Wait in line for a place, `begin`, and have the service answer in the time that is left."""
        seconds = self._admission.seconds(route)
        arrived = time.monotonic()
        async with self._admission.lane(route).place():
            if begin is not None:
                begin()
            left = max(0, round((seconds - (time.monotonic() - arrived)) * 1000))
            exchange.incoming.passed.append((TIMEOUT, str(left).encode()))
            await self._hand_over(exchange, route)

    async def _turned_away(self, exchange: Exchange, path: str, page: Page | None) -> bool:
        """Whether a browser asked only whether it may call, or somebody called over HTTP who must not."""
        method = exchange.scope["method"]
        response: Response | None = None
        if self._https_only and exchange.scheme == "http" and path not in HEALTH:
            host = exchange.incoming.text(b"host")
            if method not in SAFE_METHODS or host is None or HOST.fullmatch(host) is None:
                # Too late for what it has sent already: whoever writes the client must notice.
                raise MalformedRequest(reason="it was sent over HTTP; use HTTPS")
            query = exchange.scope["query_string"].decode("latin-1")
            response = RedirectResponse(f"https://{host}{path}{'?' if query else ''}{query}", status_code=308)
        elif method == "OPTIONS":
            methods = "GET, HEAD" if page is not None else self._table.methods(path)
            response = self._cors.preflight(exchange.incoming.text(b"origin"), methods)
        if response is None:
            return False
        await response(exchange.scope, exchange.receive, exchange.send)
        return True

    async def _hand_over(self, exchange: Exchange, route: Route) -> None:
        """Have the service answer."""
        scope, incoming = exchange.scope, exchange.incoming
        if tracing.tracer is not None:
            incoming.passed.append((tracing.PARENT_FIELD.encode(), tracing.tracer.parent().encode()))
        passed: dict[str, Any] = {
            "method": "GET" if scope["method"] == "HEAD" else scope["method"],
            "headers": incoming.passed,
            "client": None if exchange.address is None else (exchange.address, 0),
            "extensions": {},  # What the server offers is for the gateway: a service answers through it.
        }
        if not scope["query_string"].isascii():
            passed["query_string"] = _escaped(scope["query_string"])
        in_flight = self._figures.in_flight(route.upstream)
        in_flight.inc()
        try:
            await self._upstreams[route.upstream]({**scope, **passed}, exchange.receive, exchange.send)
        except Exception:
            # FastAPI raises a bug again after it has answered and logged it; an overrun is ours to answer.
            if not exchange.finished and exchange.overrun is None:
                raise
        finally:
            in_flight.dec()
        if exchange.status is None:
            raise exchange.overrun or InternalError()

    async def _show(self, exchange: Exchange, path: str, page: Page) -> None:
        exchange.route = path
        if exchange.scope["method"] not in SAFE_METHODS:
            raise MethodNotAllowed(headers={"Allow": "GET, HEAD"})
        if path not in HEALTH and self._limits is not None:
            await self._count(self._limits, exchange, RouteClass.READ)
        response = await page(exchange.incoming.text(b"accept") or "")
        await response(exchange.scope, exchange.receive, exchange.send)

    async def _admit(self, exchange: Exchange, route: Route) -> None:
        """Find out who calls and count the call; a bad token or key counts for the address that it came from.

        An API key is exchanged for an access token here, so services never see one.
        """
        incoming = exchange.incoming
        if route.signs_in:
            # Who signs in is nobody yet: an expired token that a client still sends must not keep it from a new one.
            incoming.forget_authorization()
            if self._limits is not None:
                await self._count(self._limits, exchange, route.kind)
            return
        refusal: Unauthenticated | None = None
        if incoming.text(b"authorization") is not None:
            key = incoming.api_key()
            try:
                if key is not None and self._key_tokens is not None:
                    incoming.authorize(await self._key_tokens.token_of(key))
                exchange.principal = await self._verifier.principal_of(incoming.text(b"authorization"))
            except Unauthenticated as error:
                refusal = error
        if self._limits is not None:
            await self._count(self._limits, exchange, route.kind)
        if refusal is not None:
            raise refusal

    async def _count(self, limits: RateLimits, exchange: Exchange, kind: RouteClass) -> None:
        """Count one call; of somebody who is signed in for the account and for the address that it is used from."""
        subject = subject_of_address(exchange.address)
        if exchange.principal is None:
            quota = await limits.count(ANONYMOUS[kind], subject)
        else:
            quota = await limits.count_all([(PRINCIPAL[kind], str(exchange.principal.id)), (ADDRESS[kind], subject)])
        exchange.added.extend(quota.headers())
        if quota.exceeded:
            raise quota.refusal()


def create_gateway(runtime: Runtime, upstreams: Mapping[str, Upstream]) -> Gateway:
    """The gateway before `upstreams`, by the names that the route table uses."""
    missing = {route.upstream for route in ROUTES} - upstreams.keys()
    if missing:
        raise ValueError(f"The route table needs the upstreams {', '.join(sorted(missing))}.")
    identity = upstreams[IDENTITY]
    if not isinstance(identity, InProcess):
        raise TypeError("Identity lives in the process of the gateway, in every way to run.")
    state = identity.app.state
    return Gateway(runtime, upstreams, key_tokens=state.key_tokens, limits=state.limits)


def openapi_document(services: Mapping[str, FastAPI]) -> dict[str, Any]:
    """The OpenAPI document of `services`, by the names that the route table uses, without serving anything."""
    documents = {name: service_document(app) for name, app in services.items()}
    return gateway_document(documents, ROUTES)


def _raw_path(scope: Scope) -> str:
    """The path as it was sent, escapes and all; raises MalformedRequest for a NUL in the address."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    if b"%00" in raw or b"\0" in raw or (query and (b"%00" in query or b"\0" in query)):
        raise MalformedRequest(reason="the address holds a NUL byte")
    return raw.decode("latin-1")


def _escaped(query: bytes) -> bytes:
    """Bytes that a client sent as they are and should have escaped: UTF-8, as every such client means it."""
    return urllib.parse.quote_from_bytes(query, safe=PRINTABLE).encode()


async def _refuse(exchange: Exchange, error: AppError) -> None:
    response = problem_response(error, language_of(exchange.incoming.text(b"accept-language")))
    exchange.overrun = None
    await response(exchange.scope, exchange.receive, exchange.send)
